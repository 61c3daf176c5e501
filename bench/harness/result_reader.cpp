// Reads what result_json wrote, and checks that it means something.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <set>

#include "bench/harness/json_node.h"
#include "bench/harness/result_file.h"
#include "bench/harness/statistics.h"
#include "bench/harness/stopping.h"
#include "engine/base/file.h"

namespace graft::bench {
namespace {

constexpr std::array all_precisions = {Precision::fp32, Precision::tf32, Precision::fp16,
                                       Precision::bf16};
constexpr std::array all_clocks = {Clock::device, Clock::host};
constexpr std::array all_caches = {CacheState::cold, CacheState::hot};
constexpr std::array all_endings = {Ended::settled, Ended::time_cap, Ended::no_times,
                                    Ended::interrupted, Ended::failed};

void check_schema(const JsonNode& schema) {
  const std::string found = schema.text();
  if (found == result_schema) return;
  schema.refuse(
      fmt::format("\"{}\" where this program reads \"{}\"; read it with the graft that "
                  "wrote it, or measure again",
                  found, result_schema));
}

DeviceIdentity device_of(const JsonNode& node) {
  return {node["device"].text(),       node["name"].text(),  node["driver"].text(),
          node["cuda"].text(),         node["cudnn"].text(), node["instruction_set"].text(),
          node["memory_bytes"].count()};
}

BuildIdentity build_of(const JsonNode& node) {
  return {node["version"].text(), node["commit"].text(), node["dirty"].flag(),
          node["compiler"].text(), node["build_type"].text()};
}

Method method_of(const JsonNode& node) {
  return {node["cache"].word(all_caches), node["noise"].number_from(0.0),
          node["least_samples"].count(), node["seconds"].number_from(0.0),
          node["warm_up_seconds"].number_from(0.0)};
}

Conditions conditions_of(const JsonNode& node) {
  Conditions conditions;
  conditions.clock_mhz = node["clock_mhz"].number_or_null();
  conditions.memory_clock_mhz = node["memory_clock_mhz"].number_or_null();
  conditions.temperature_celsius = node["temperature_celsius"].number_or_null();
  conditions.power_watts = node["power_watts"].number_or_null();
  conditions.clocks_locked = node["clocks_locked"].flag_or_null();
  conditions.other_processes = node["other_processes"].count_or_null();
  conditions.throttle_reasons = node["throttle_reasons"].texts();
  return conditions;
}

Ceilings ceilings_of(const JsonNode& node) {
  Ceilings ceilings;
  ceilings.bytes_per_second = node["bytes_per_second"].number_from(0.0);
  const JsonNode peaks = node["flop_per_second"];
  for (const auto& [name, peak] : peaks.members()) {
    const Json word = name;
    const Precision precision =
        JsonNode(word, "ceilings.flop_per_second", peaks.file()).word(all_precisions);
    ceilings.flop_per_second[precision] = peak.number_from(0.0);
  }
  return ceilings;
}

Case case_of(const JsonNode& node) {
  Case what;
  what.name = node["name"].text();
  what.suite = node["suite"].word(all_suites);
  for (const auto& [axis, value] : node["axes"].members())
    what.axes.emplace_back(axis, value.text());
  const JsonNode cost = node["cost"];
  what.cost = {cost["flop"].number_from(0.0), cost["bytes"].number_from(0.0),
               cost["arithmetic"].word(all_precisions)};
  what.clock = node["clock"].word(all_clocks);
  what.items = node["items"].number_from(0.0);
  what.item = node["item"].text();
  return what;
}

std::vector<double> samples_of(const JsonNode& node) {
  std::vector<double> samples;
  for (const JsonNode& sample : node.list()) {
    samples.push_back(sample.number());
    if (samples.back() <= 0.0) sample.refuse(fmt::format("{} s is no time", samples.back()));
  }
  if (samples.size() > most_samples) node.refuse(fmt::format("more than {} samples", most_samples));
  return samples;
}

// `follows` is not finite where the samples are too few.
void check_noise(const JsonNode& node, double follows) {
  const std::optional<double> found = node.number_or_null();
  if (found.has_value() != std::isfinite(follows) ||
      (found && std::abs(*found - follows) > 1e-9 * follows + 1e-15))
    node.refuse("does not follow from the samples; figures are measured, not written");
}

// A figure that somebody wrote by hand does not pass for a measured one.
void check_summary(const JsonNode& node, const std::vector<double>& samples) {
  if (samples.empty() != node.is_null())
    node.refuse("is there without samples, or they without it");
  if (samples.empty()) return;
  const Summary summary = summarise(samples);
  const std::array<std::pair<const char*, double>, 6> values = {
      {{"minimum", summary.minimum},
       {"lower_quartile", summary.lower_quartile},
       {"median", summary.median},
       {"upper_quartile", summary.upper_quartile},
       {"maximum", summary.maximum},
       {"relative_deviation", summary.relative_deviation}}};
  for (const auto& [key, follows] : values) {
    const double found = node[key].number();
    if (std::abs(found - follows) > 1e-9 * std::abs(follows) + 1e-300)
      node[key].refuse(
          fmt::format("{} does not follow from the samples, which give {}; figures "
                      "are measured, not written",
                      found, follows));
  }
  check_noise(node["noise"], noise_of(samples));
}

// What no run writes.
void check_ending(const JsonNode& node, const Measurement& measurement, bool complete) {
  if (measurement.executions == 0) node["executions"].refuse("0 of them take no time");
  if (complete && measurement.ended == Ended::interrupted)
    node["ended"].refuse("\"interrupted\" in a result that says it is complete");
  if ((measurement.ended == Ended::failed) == measurement.failure.empty())
    node["failure"].refuse("what failed has a sentence, and nothing else has one");
}

Measurement measurement_of(const JsonNode& node, const Result& head) {
  Measurement measurement;
  measurement.what = case_of(node);
  measurement.ended = node["ended"].word(all_endings);
  measurement.failure = node["failure"].text();
  measurement.remarks = node["remarks"].texts();
  measurement.executions = node["executions"].count();
  measurement.throttled = node["throttled"].count();
  measurement.samples = samples_of(node["samples"]);
  check_summary(node["summary"], measurement.samples);
  check_ending(node, measurement, head.complete);
  for (const auto& [stage, share] : node["stages"].members())
    measurement.stages.emplace_back(stage, share.number_from(0.0));
  if (!measurement.samples.empty() && (!head.gives_times || measurement.ended == Ended::no_times))
    node["samples"].refuse("there are times from a device that gives none");
  return measurement;
}

std::vector<Measurement> measurements_of(const JsonNode& list, const Result& head) {
  std::vector<Measurement> measurements;
  std::set<std::string> names;
  for (const JsonNode& node : list.list()) {
    measurements.push_back(measurement_of(node, head));
    const std::string& name = measurements.back().what.name;
    if (!names.insert(name).second) node["name"].refuse(fmt::format("\"{}\" stands twice", name));
  }
  return measurements;
}

}  // namespace

Result read_result(const std::filesystem::path& path) {
  const std::string file = path.string();
  const Json json = parse_result_text(read_text_file(path, largest_result_file), file);
  const JsonNode node(json, "", file);
  check_schema(node["schema"]);
  Result result;
  result.date = node["date"].text();
  result.device = device_of(node["device"]);
  result.build = build_of(node["build"]);
  result.method = method_of(node["method"]);
  result.gives_times = node["gives_times"].flag();
  result.complete = node["complete"].flag();
  result.remarks = node["remarks"].texts();
  result.at_start = conditions_of(node["at_start"]);
  result.at_end = conditions_of(node["at_end"]);
  result.ceilings = ceilings_of(node["ceilings"]);
  result.config = node["config"].dumped();
  result.measurements = measurements_of(node["measurements"], result);
  return result;
}

}  // namespace graft::bench
