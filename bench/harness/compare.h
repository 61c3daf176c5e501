#pragma once
// Two results, row by row: is the later one faster? Rows are joined by name. The ratio is that of
// the medians, after / before, with an interval; the verdict is about the interval:
//
//            1 − tolerance      1      1 + tolerance
//   ── faster ───┤├───────── same ─────────┤├─── slower ──      in two of them at once: ambiguous
//
// The interval holds what scattered within the two runs. What changes from run to run (clocks, the
// layout of memory) is not in it: repeat a run before believing in a small difference. Its half is
// about 2.8 times Method::noise: where that is above a third of the tolerance, nothing is the same.

#include <string>
#include <string_view>
#include <vector>

#include "bench/harness/measurement.h"
#include "bench/harness/statistics.h"

namespace graft::bench {

enum class Verdict { faster, slower, same, ambiguous };
std::string_view name_of(Verdict verdict);

struct CompareOptions {
  double tolerance = 0.01;  // a change of that share at most is the same
  Bootstrap bootstrap = {};
};

// With fewer samples on a side the verdict is ambiguous: from six on, the least and the largest
// enclose the median with a probability of 95 % (1 − 2·2^−6).
inline constexpr std::size_t least_samples_to_compare = 6;

struct ComparedRow {
  std::string name;
  double before = 0.0, after = 0.0;  // medians, seconds
  double ratio = 1.0;                // after / before
  Interval interval;                 // of the ratio
  Verdict verdict = Verdict::ambiguous;
  std::vector<std::string> remarks;  // "3 samples before", "before: the device is busy: …"
};

// A row that both have, and at least one without times.
struct UncomparedRow {
  std::string name;
  std::string reason;  // "after: failed: out of memory"
  bool lost = false;   // it had times before, and failed after
};

struct Comparison {
  bool after_is_whole = true;  // false: it was interrupted, and cases may be missing
  std::string before, after;   // device, commit and date of each, for people
  CompareOptions options;
  std::vector<ComparedRow> rows;  // in the order of `after`
  std::vector<UncomparedRow> uncompared;
  std::vector<std::string> only_before, only_after;
  std::vector<std::string> warnings;  // devices, drivers, clocks or methods that differ
};

// Throws Error(usage) where the options mean nothing.
Comparison compare(const Result& before, const Result& after, const CompareOptions& options = {});

// Rows that are slower by more than `slower` fail.
struct FailOn {
  double slower = 0.0;
};
// "slower:5%", "slower:0.5%", or "slower": any row with that verdict. Throws Error(usage).
FailOn parse_fail_on(std::string_view text);
// True where a row's verdict is slower and its ratio is above 1 + FailOn::slower; where a row that
// had times before failed; where `after` was interrupted; and where no row could be compared at all:
// a check that did not look at everything is not passed.
bool fails(const Comparison& comparison, const FailOn& fail_on);

std::string comparison_text(const Comparison& comparison);
std::string comparison_json(const Comparison& comparison);  // "graft-bench-compare/1"

}  // namespace graft::bench
