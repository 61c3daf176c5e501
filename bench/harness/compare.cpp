#include "bench/harness/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

using ByName = std::map<std::string_view, const Measurement*>;

ByName by_name(const Result& result) {
  ByName measurements;
  for (const Measurement& measurement : result.measurements)
    measurements.emplace(measurement.what.name, &measurement);
  return measurements;
}

std::string description(const Result& result) {
  const std::string commit = result.build.commit.empty() ? "unknown" : result.build.commit;
  return fmt::format("{} ({}), commit {}{}, {}", result.device.device, result.device.name, commit,
                     result.build.dirty ? " with changes" : "", result.date);
}

void check(const CompareOptions& options) {
  if (!(options.tolerance >= 0.0 && options.tolerance < 1.0))
    throw Error(ErrorKind::usage, fmt::format("tolerance: {} is no share; give 0 or more and less "
                                              "than 1, such as 0.01",
                                              options.tolerance));
  const Bootstrap& bootstrap = options.bootstrap;
  if (!(bootstrap.confidence > 0.0 && bootstrap.confidence < 1.0) || bootstrap.resamples == 0)
    throw Error(ErrorKind::usage,
                fmt::format("confidence: {} with {} resamples gives no interval; give more than 0 "
                            "and less than 1, such as 0.95, and 1 resample or more",
                            bootstrap.confidence, bootstrap.resamples));
}

Verdict verdict_of(const Interval& interval, double tolerance) {
  if (interval.high < 1.0 - tolerance) return Verdict::faster;
  if (interval.low > 1.0 + tolerance) return Verdict::slower;
  if (interval.low >= 1.0 - tolerance && interval.high <= 1.0 + tolerance) return Verdict::same;
  return Verdict::ambiguous;
}

std::vector<std::string> remarks_of(const Measurement& before, const Measurement& after) {
  std::vector<std::string> remarks;
  for (const auto& [side, measurement] : {std::pair{"before", &before}, {"after", &after}}) {
    for (const std::string& remark : measurement->remarks)
      remarks.push_back(fmt::format("{}: {}", side, remark));
  }
  return remarks;
}

// A row takes a moment however many samples it has: the more there are, the fewer resamples, of
// which 400 still place the ends of the interval within an eighth of its standard deviation.
Bootstrap bounded(Bootstrap bootstrap, std::size_t samples) {
  constexpr std::size_t most_draws = 4'000'000;
  constexpr std::size_t least_resamples = 400;
  bootstrap.resamples =
      std::min(bootstrap.resamples, std::max(least_resamples, most_draws / samples));
  return bootstrap;
}

ComparedRow compared(const Measurement& before, const Measurement& after,
                     const CompareOptions& options) {
  ComparedRow row;
  row.name = after.what.name;
  row.before = summarise(before.samples).median;
  row.after = summarise(after.samples).median;
  row.ratio = row.after / row.before;
  row.interval =
      interval_of_ratio(before.samples, after.samples,
                        bounded(options.bootstrap, before.samples.size() + after.samples.size()));
  row.remarks = remarks_of(before, after);
  const std::size_t fewest = std::min(before.samples.size(), after.samples.size());
  if (fewest < least_samples_to_compare) {
    row.remarks.push_back(fmt::format("{} are too few for a verdict, which takes {}",
                                      counted(fewest, "sample", "samples"),
                                      least_samples_to_compare));
  } else {
    row.verdict = verdict_of(row.interval, options.tolerance);
  }
  return row;
}

// Samples from before it failed are no measurement of it.
bool has_times(const Measurement& measurement) {
  return !measurement.samples.empty() && measurement.ended != Ended::failed;
}

std::string why_no_times(const Measurement& measurement) {
  if (measurement.ended == Ended::failed) return "failed: " + measurement.failure;
  if (measurement.ended == Ended::no_times) return "the device gives no times";
  return "there are no samples";
}

UncomparedRow uncompared(const Measurement& before, const Measurement& after) {
  UncomparedRow row{after.what.name, "", has_times(before) && after.ended == Ended::failed};
  if (!has_times(before)) row.reason = "before: " + why_no_times(before);
  if (!has_times(after))
    row.reason += (row.reason.empty() ? "after: " : "; after: ") + why_no_times(after);
  return row;
}

std::vector<std::string> warnings_of(const Result& before, const Result& after) {
  std::vector<std::string> warnings;
  const auto differ = [&](std::string_view what, const std::string& one, const std::string& other) {
    if (one == other) return;
    const auto shown = [](const std::string& text) { return text.empty() ? "unknown" : text; };
    warnings.push_back(fmt::format("{}: {} before, {} after", what, shown(one), shown(other)));
  };
  const auto clock = [](const Result& of) -> std::string {
    // An idle device may not tell; at the end it comes from work.
    const std::optional<bool> locked =
        of.at_start.clocks_locked ? of.at_start.clocks_locked : of.at_end.clocks_locked;
    return !locked ? "" : *locked ? "locked" : "not locked";
  };
  const auto method = [](const Method& of) {
    return fmt::format("{} caches, noise {}, {} samples, {} s, {} s to warm up", name_of(of.cache),
                       of.noise, of.least_samples, of.seconds, of.warm_up_seconds);
  };
  differ("devices", before.device.name, after.device.name);
  differ("instruction sets", before.device.instruction_set, after.device.instruction_set);
  differ("drivers", before.device.driver, after.device.driver);
  differ("CUDA", before.device.cuda, after.device.cuda);
  differ("cuDNN", before.device.cudnn, after.device.cudnn);
  differ("compilers", before.build.compiler, after.build.compiler);
  differ("builds", before.build.build_type, after.build.build_type);
  differ("clocks", clock(before), clock(after));
  differ("methods", method(before.method), method(after.method));
  for (const auto& [side, result] : {std::pair{"before", &before}, {"after", &after}}) {
    if (!result->complete) warnings.push_back(fmt::format("{}: interrupted", side));
    for (const std::string& remark : result->remarks)
      warnings.push_back(fmt::format("{}: {}", side, remark));
  }
  return warnings;
}

}  // namespace

Comparison compare(const Result& before, const Result& after, const CompareOptions& options) {
  check(options);
  Comparison comparison;
  comparison.after_is_whole = after.complete;
  comparison.before = description(before);
  comparison.after = description(after);
  comparison.options = options;
  comparison.warnings = warnings_of(before, after);
  const ByName earlier = by_name(before);
  const ByName later = by_name(after);
  for (const Measurement& measurement : after.measurements) {
    const auto found = earlier.find(measurement.what.name);
    if (found == earlier.end()) {
      comparison.only_after.push_back(measurement.what.name);
    } else if (!has_times(*found->second) || !has_times(measurement)) {
      comparison.uncompared.push_back(uncompared(*found->second, measurement));
    } else {
      comparison.rows.push_back(compared(*found->second, measurement, options));
    }
  }
  for (const Measurement& measurement : before.measurements) {
    if (!later.contains(measurement.what.name))
      comparison.only_before.push_back(measurement.what.name);
  }
  return comparison;
}

FailOn parse_fail_on(std::string_view text) {
  constexpr std::string_view word = "slower";
  if (text == word) return {};
  std::string_view number = text;
  double percents = -1.0;
  if (number.starts_with("slower:") && number.ends_with('%')) {
    number = number.substr(word.size() + 1, number.size() - word.size() - 2);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), percents);
    if (error != std::errc{} || end != number.data() + number.size()) percents = -1.0;
  }
  if (!(percents >= 0.0 && percents <= 1e6)) {
    throw Error(ErrorKind::usage,
                fmt::format("--fail-on: \"{}\" is no condition; give slower:5%, or slower for any "
                            "row that is slower",
                            escape_invalid_utf8(text)));
  }
  return {percents / 100.0};
}

bool fails(const Comparison& comparison, const FailOn& fail_on) {
  const auto is_too_slow = [&](const ComparedRow& row) {
    return row.verdict == Verdict::slower && row.ratio > 1.0 + fail_on.slower;
  };
  return !comparison.after_is_whole || comparison.rows.empty() ||
         std::any_of(comparison.rows.begin(), comparison.rows.end(), is_too_slow) ||
         std::any_of(comparison.uncompared.begin(), comparison.uncompared.end(),
                     [](const UncomparedRow& row) { return row.lost; });
}

}  // namespace graft::bench
