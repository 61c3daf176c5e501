// A result as JSON. docs/benchmark_results.md documents each key.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bench/harness/result_file.h"
#include "bench/harness/statistics.h"
#include "engine/base/error.h"

namespace graft::bench {
namespace {

using Json = nlohmann::ordered_json;

// Throws for a number that JSON lacks.
void check_finite(const Json& json, const std::string& path) {
  if (json.is_number_float() && !std::isfinite(json.get<double>()))
    throw Error(ErrorKind::usage,
                fmt::format("{}: JSON has no number {}", path, json.get<double>()));
  if (!json.is_structured()) return;
  for (const auto& [key, value] : json.items())
    check_finite(value, path.empty() ? key : fmt::format("{}.{}", path, key));
}

// On one line. Invalid UTF-8 becomes U+FFFD.
std::string text_of(const Json& json, const std::string& path) {
  check_finite(json, path);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <typename Value>
Json optional(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

template <typename Value>
Json object(const std::vector<std::pair<std::string, Value>>& values) {
  return Json::object_t(values.begin(), values.end());
}

Json device_json(const DeviceIdentity& device) {
  return {{"device", device.device},
          {"name", device.name},
          {"driver", device.driver},
          {"cuda", device.cuda},
          {"cudnn", device.cudnn},
          {"instruction_set", device.instruction_set},
          {"memory_bytes", device.memory_bytes}};
}

Json build_json(const BuildIdentity& build) {
  return {{"version", build.version},
          {"commit", build.commit},
          {"dirty", build.dirty},
          {"compiler", build.compiler},
          {"build_type", build.build_type}};
}

Json method_json(const Method& method) {
  return {{"cache", name_of(method.cache)},
          {"noise", method.noise},
          {"least_samples", method.least_samples},
          {"seconds", method.seconds},
          {"warm_up_seconds", method.warm_up_seconds}};
}

Json conditions_json(const Conditions& conditions) {
  return {{"clock_mhz", optional(conditions.clock_mhz)},
          {"memory_clock_mhz", optional(conditions.memory_clock_mhz)},
          {"temperature_celsius", optional(conditions.temperature_celsius)},
          {"power_watts", optional(conditions.power_watts)},
          {"clocks_locked", optional(conditions.clocks_locked)},
          {"other_processes", optional(conditions.other_processes)},
          {"power_capped", optional(conditions.power_capped)},
          {"throttle_reasons", conditions.throttle_reasons}};
}

Json ceilings_json(const Ceilings& ceilings) {
  Json peaks = Json::object();
  for (const auto& [precision, peak] : ceilings.flop_per_second)
    peaks[std::string(name_of(precision))] = peak;
  return {{"bytes_per_second", ceilings.bytes_per_second}, {"flop_per_second", std::move(peaks)}};
}

Json config_json(const std::string& config) {
  if (config.empty()) return {};
  Json json = Json::parse(config, nullptr, false);
  if (json.is_discarded()) throw Error(ErrorKind::usage, "config: this is not JSON");
  return json;
}

Json summary_json(const std::vector<double>& samples) {
  if (samples.empty()) return {};
  const Summary summary = summarise(samples);
  return {{"minimum", summary.minimum},
          {"lower_quartile", summary.lower_quartile},
          {"median", summary.median},
          {"upper_quartile", summary.upper_quartile},
          {"maximum", summary.maximum},
          {"relative_deviation", summary.relative_deviation},
          {"noise", std::isfinite(summary.noise) ? Json(summary.noise) : Json()}};
}

Json measurement_json(const Measurement& measurement) {
  const Case& what = measurement.what;
  return {{"name", what.name},
          {"suite", name_of(what.suite)},
          {"axes", object(what.axes)},
          {"cost",
           {{"flop", what.cost.flop},
            {"bytes", what.cost.bytes},
            {"arithmetic", name_of(what.cost.arithmetic)}}},
          {"clock", name_of(what.clock)},
          {"items", what.items},
          {"item", what.item},
          {"ended", name_of(measurement.ended)},
          {"failure", measurement.failure},
          {"warnings", measurement.warnings},
          {"executions", measurement.executions},
          {"throttled", measurement.throttled},
          {"summary", summary_json(measurement.samples)},
          {"stages", object(measurement.stages)},
          {"samples", measurement.samples}};
}

}  // namespace

std::string result_json(const Result& result) {
  const Json head = {{"schema", result_schema},
                     {"date", result.date},
                     {"device", device_json(result.device)},
                     {"build", build_json(result.build)},
                     {"method", method_json(result.method)},
                     {"has_timer", result.has_timer},
                     {"complete", result.complete},
                     {"warnings", result.warnings},
                     {"at_start", conditions_json(result.at_start)},
                     {"at_end", conditions_json(result.at_end)},
                     {"ceilings", ceilings_json(result.ceilings)},
                     {"config", config_json(result.config)}};
  std::string text = "{";
  for (const auto& [key, value] : head.items())
    text += fmt::format("\n \"{}\": {},", key, text_of(value, key));
  text += "\n \"measurements\": [";
  const char* between = "";
  for (const Measurement& measurement : result.measurements) {
    text += fmt::format("{}\n  {}", between,
                        text_of(measurement_json(measurement), measurement.what.name));
    between = ",";
  }
  return text + "\n ]\n}\n";
}

}  // namespace graft::bench
