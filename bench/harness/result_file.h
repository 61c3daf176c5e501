#pragma once
// A Result as text: JSON to keep and to compare (bench/results/README.md documents it), CSV for a
// spreadsheet, a table for a terminal. No text depends on the locale.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "bench/harness/measurement.h"

namespace graft::bench {

inline constexpr std::string_view result_schema = "graft-bench/1";
// Three times what the longest run writes: 1,359 cases of most_samples (stopping.h) each, 147 MiB. A
// larger file is refused before it is read, and so are more values than a run has (json_node.h).
inline constexpr std::uint64_t largest_result_file = std::uint64_t{512} << 20;

// A line for each key and each measurement; times in seconds. Throws Error(usage) that names the
// key where a number is not finite: JSON has none of those.
std::string result_json(const Result& result);

// Throws Error(io) where the file cannot be read, and Error(data) where it is no such result, with
// the file, the key and the reason. What the summaries say is checked against the samples.
Result read_result(const std::filesystem::path& path);

// A row for each case, after a row of names; fields as RFC 4180 quotes them. A column for each axis
// that a case has. What is not known is empty.
std::string result_csv(const Result& result);

// Lines for a terminal: what was measured where, a table for each suite, and what is to be said
// beside the figures.
std::string result_table(const Result& result);

}  // namespace graft::bench
