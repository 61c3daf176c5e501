// A result as JSON. bench/results/README.md documents each key; result_reader.cpp reads them.

#include <fmt/format.h>

#include <cmath>

#include "bench/harness/json_node.h"
#include "bench/harness/result_file.h"
#include "bench/harness/statistics.h"
#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

// JSON has no other numbers; `place` and `key` say where one stood.
double finite(double value, std::string_view place, std::string_view key) {
  if (std::isfinite(value)) return value;
  throw Error(ErrorKind::usage,
              fmt::format("{}: {}: {} is no number that JSON can hold", place, key, value));
}

Json of_text(std::string_view text) {
  return escape_invalid_utf8(text);
}

Json of_texts(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push_back(of_text(text));
  return list;
}

Json of_optional(const std::optional<double>& value, std::string_view place, std::string_view key) {
  return value ? Json(finite(*value, place, key)) : Json();
}

Json of_device(const DeviceIdentity& device) {
  return {
      {"device", of_text(device.device)},   {"name", of_text(device.name)},
      {"driver", of_text(device.driver)},   {"cuda", of_text(device.cuda)},
      {"cudnn", of_text(device.cudnn)},     {"instruction_set", of_text(device.instruction_set)},
      {"memory_bytes", device.memory_bytes}};
}

Json of_build(const BuildIdentity& build) {
  return {{"version", of_text(build.version)},
          {"commit", of_text(build.commit)},
          {"dirty", build.dirty},
          {"compiler", of_text(build.compiler)},
          {"build_type", of_text(build.build_type)}};
}

Json of_method(const Method& method) {
  return {{"cache", name_of(method.cache)},
          {"noise", finite(method.noise, "method", "noise")},
          {"least_samples", method.least_samples},
          {"seconds", finite(method.seconds, "method", "seconds")},
          {"warm_up_seconds", finite(method.warm_up_seconds, "method", "warm_up_seconds")}};
}

Json of_conditions(const Conditions& conditions, std::string_view place) {
  const auto number = [&](const std::optional<double>& value, std::string_view key) {
    return of_optional(value, place, key);
  };
  Json json;
  json["clock_mhz"] = number(conditions.clock_mhz, "clock_mhz");
  json["memory_clock_mhz"] = number(conditions.memory_clock_mhz, "memory_clock_mhz");
  json["temperature_celsius"] = number(conditions.temperature_celsius, "temperature_celsius");
  json["power_watts"] = number(conditions.power_watts, "power_watts");
  json["clocks_locked"] = conditions.clocks_locked ? Json(*conditions.clocks_locked) : Json();
  json["other_processes"] = conditions.other_processes ? Json(*conditions.other_processes) : Json();
  json["throttle_reasons"] = of_texts(conditions.throttle_reasons);
  return json;
}

Json of_ceilings(const Ceilings& ceilings) {
  Json peaks = Json::object();
  for (const auto& [precision, peak] : ceilings.flop_per_second)
    peaks[std::string(name_of(precision))] = finite(peak, "ceilings", "flop_per_second");
  Json json;
  json["bytes_per_second"] = finite(ceilings.bytes_per_second, "ceilings", "bytes_per_second");
  json["flop_per_second"] = std::move(peaks);
  return json;
}

Json of_config(const std::string& config) {
  if (config.empty()) return {};
  Json json = Json::parse(config, nullptr, false);
  if (json.is_discarded())
    throw Error(ErrorKind::usage, "config: this is not JSON, and a result keeps it as such");
  return json;
}

Json of_summary(const std::vector<double>& samples, std::string_view name) {
  if (samples.empty()) return {};
  const Summary summary = summarise(samples);
  const double noise = noise_of(samples);
  return {{"minimum", summary.minimum},
          {"lower_quartile", summary.lower_quartile},
          {"median", summary.median},
          {"upper_quartile", summary.upper_quartile},
          {"maximum", summary.maximum},
          {"relative_deviation", finite(summary.relative_deviation, name, "relative_deviation")},
          {"noise", std::isfinite(noise) ? Json(noise) : Json()}};
}

Json of_case(const Case& what) {
  Json axes = Json::object();
  for (const auto& [axis, value] : what.axes) axes[escape_invalid_utf8(axis)] = of_text(value);
  Json cost;
  cost["flop"] = finite(what.cost.flop, what.name, "cost.flop");
  cost["bytes"] = finite(what.cost.bytes, what.name, "cost.bytes");
  cost["arithmetic"] = name_of(what.cost.arithmetic);
  Json json;
  json["name"] = of_text(what.name);
  json["suite"] = name_of(what.suite);
  json["axes"] = std::move(axes);
  json["cost"] = std::move(cost);
  json["clock"] = name_of(what.clock);
  json["items"] = finite(what.items, what.name, "items");
  json["item"] = of_text(what.item);
  return json;
}

Json of_measurement(const Measurement& measurement) {
  const std::string& name = measurement.what.name;
  for (const double sample : measurement.samples) finite(sample, name, "samples");
  Json stages = Json::object();
  for (const auto& [stage, share] : measurement.stages)
    stages[escape_invalid_utf8(stage)] = finite(share, name, "stages");
  Json json = of_case(measurement.what);
  json["ended"] = name_of(measurement.ended);
  json["failure"] = of_text(measurement.failure);
  json["remarks"] = of_texts(measurement.remarks);
  json["executions"] = measurement.executions;
  json["throttled"] = measurement.throttled;
  json["summary"] = of_summary(measurement.samples, name);
  json["stages"] = std::move(stages);
  json["samples"] = measurement.samples;
  return json;
}

}  // namespace

std::string result_json(const Result& result) {
  Json head;
  head["schema"] = result_schema;
  head["date"] = of_text(result.date);
  head["device"] = of_device(result.device);
  head["build"] = of_build(result.build);
  head["method"] = of_method(result.method);
  head["gives_times"] = result.gives_times;
  head["complete"] = result.complete;
  head["remarks"] = of_texts(result.remarks);
  head["at_start"] = of_conditions(result.at_start, "at_start");
  head["at_end"] = of_conditions(result.at_end, "at_end");
  head["ceilings"] = of_ceilings(result.ceilings);
  head["config"] = of_config(result.config);

  std::string text = "{";
  for (const auto& [key, value] : head.items())
    text += fmt::format("\n \"{}\": {},", key, value.dump());
  text += "\n \"measurements\": [";
  const char* between = "";
  for (const Measurement& measurement : result.measurements) {
    text += fmt::format("{}\n  {}", between, of_measurement(measurement).dump());
    between = ",";
  }
  return text + "\n ]\n}\n";
}

}  // namespace graft::bench
