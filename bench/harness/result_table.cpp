#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "bench/harness/result_file.h"
#include "bench/harness/statistics.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

// Empty where it is not a positive finite number.
std::optional<double> quotient(double numerator, double denominator) {
  const double value = numerator / denominator;
  return numerator > 0.0 && denominator > 0.0 && std::isfinite(value) ? std::optional(value)
                                                                      : std::nullopt;
}

std::optional<double> quotient(const std::optional<double>& numerator, double denominator) {
  return numerator ? quotient(*numerator, denominator) : std::nullopt;
}

// "driver 580.65.06, CUDA 13.0", without the empty ones.
std::string known(const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    if (!value.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  }
  return text;
}

std::string conditions_text(const Conditions& conditions) {
  std::vector<std::string> parts;
  const auto add = [&](const std::optional<double>& value, std::string_view unit) {
    if (value) parts.push_back(fmt::format("{:.0f} {}", *value, unit));
  };
  add(conditions.clock_mhz, "MHz");
  add(conditions.memory_clock_mhz, "MHz (memory)");
  add(conditions.temperature_celsius, "C");
  add(conditions.power_watts, "W");
  if (conditions.power_capped == true) parts.emplace_back("power cap");
  for (const std::string& reason : conditions.throttle_reasons) parts.push_back(reason);
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string ceilings_text(const Ceilings& ceilings) {
  std::vector<std::string> parts;
  if (ceilings.bytes_per_second > 0.0)
    parts.push_back(fmt::format("copy {} GB/s", four_digits(ceilings.bytes_per_second / 1e9)));
  for (const auto& [precision, peak] : ceilings.flop_per_second)
    parts.push_back(fmt::format("{} {} GFLOP/s", name_of(precision), four_digits(peak / 1e9)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string method_text(const Result& result) {
  const Method& method = result.method;
  if (!result.has_timer) return "each case ran once";
  return fmt::format(
      "{} caches, noise at most {:.3g} %, at least {} samples, at most {:.3g} s a case",
      name_of(method.cache), 100.0 * method.noise, method.least_samples, method.seconds);
}

void append_line(std::string& text, std::string_view name, const std::string& value) {
  if (!value.empty()) text += fmt::format("{:<10}{}\n", name, value);
}

std::string head_of(const Result& result) {
  const DeviceIdentity& device = result.device;
  const BuildIdentity& build = result.build;
  const std::string_view between = device.device.empty() || device.name.empty() ? "" : ", ";
  std::string text;
  append_line(text, "device", fmt::format("{}{}{}", device.device, between, device.name));
  append_line(text, "",
              known({{"driver", device.driver}, {"CUDA", device.cuda}, {"cuDNN", device.cudnn}}));
  append_line(text, "graft",
              fmt::format("{}{}",
                          known({{"version", build.version},
                                 {"commit", build.commit},
                                 {"by", build.compiler},
                                 {"build", build.build_type}}),
                          build.dirty ? ", with uncommitted changes" : ""));
  append_line(text, "date", result.date);
  append_line(text, "method", method_text(result));
  append_line(text, "at start", conditions_text(result.at_start));
  append_line(text, "at end", conditions_text(result.at_end));
  append_line(text, "ceilings", ceilings_text(result.ceilings));
  for (const std::string& warning : result.warnings) append_line(text, "!", warning);
  if (!result.complete) append_line(text, "!", "interrupted: the remaining cases are missing");
  return text;
}

const std::vector<TextTable::Column>& columns() {
  static const std::vector<TextTable::Column> all = {
      {"case", Align::left}, {"min"},        {"q1"},   {"median"}, {"q3"},      {"max"},
      {"", Align::left},     {"noise"},      {"rate"}, {"GB/s"},   {"of copy"}, {"GFLOP/s"},
      {"of peak"},           {"of roofline"}};
  return all;
}

std::string optional_text(const std::optional<double>& value, double unit) {
  return value ? four_digits(*value / unit) : "";
}

std::string optional_percent(const std::optional<double>& share) {
  return share ? percent(*share, 1) : "";
}

// The unit in which a time has digits before the point, and its seconds.
std::pair<std::string_view, double> unit_of(double seconds) {
  if (seconds < 1e-3) return {"us", 1e-6};
  if (seconds < 1.0) return {"ms", 1e-3};
  return {"s", 1.0};
}

std::vector<std::string> cells_of(const Measurement& measurement, const Result& result) {
  const Case& what = measurement.what;
  if (measurement.ended == Ended::no_timer)
    return {what.name, "", "", "", "", "", result.has_timer ? "no timer" : result.warnings.at(0)};
  if (measurement.samples.empty()) return {what.name};
  const Summary summary = summarise(measurement.samples);
  const auto [unit, unit_seconds] = unit_of(summary.median);
  std::vector<std::string> cells = {what.name};
  for (const double time : {summary.minimum, summary.lower_quartile, summary.median,
                            summary.upper_quartile, summary.maximum})
    cells.push_back(four_digits(time / unit_seconds));
  cells.emplace_back(unit);
  const Figures figures = figures_of(measurement, result.ceilings);
  cells.push_back(std::isfinite(summary.noise) ? percent(summary.noise, 2) : "");
  cells.push_back(figures.items_per_second
                      ? fmt::format("{} {}/s", four_digits(*figures.items_per_second), what.item)
                      : "");
  cells.push_back(optional_text(figures.bytes_per_second, 1e9));
  cells.push_back(optional_percent(figures.share_of_copy));
  cells.push_back(optional_text(figures.flop_per_second, 1e9));
  cells.push_back(optional_percent(figures.share_of_arithmetic));
  cells.push_back(optional_percent(figures.share_of_roofline));
  return cells;
}

void add_row(TextTable& table, const Measurement& measurement, const Result& result) {
  table.row(cells_of(measurement, result));
  if (measurement.ended == Ended::failed) table.note("failed: " + measurement.failure);
  if (measurement.ended == Ended::interrupted) table.note("interrupted");
  for (const std::string& warning : measurement.warnings) table.note(warning);
  if (measurement.stages.empty()) return;
  std::string stages = "stages:";
  for (const auto& [stage, share] : measurement.stages)
    stages += fmt::format(" {} {},", stage, percent(share, 1));
  stages.pop_back();
  table.note(stages);
}

}  // namespace

Figures figures_of(const Measurement& measurement, const Ceilings& ceilings) {
  Figures figures;
  if (measurement.samples.empty()) return figures;
  const double median = summarise(measurement.samples).median;

  const Case& what = measurement.what;
  const Cost& cost = what.cost;
  figures.items_per_second = quotient(what.items, median);
  figures.bytes_per_second = quotient(cost.bytes, median);
  figures.flop_per_second = quotient(cost.flop, median);
  const auto peak = ceilings.flop_per_second.find(cost.arithmetic);
  figures.share_of_copy = quotient(figures.bytes_per_second, ceilings.bytes_per_second);
  if (peak != ceilings.flop_per_second.end())
    figures.share_of_arithmetic = quotient(figures.flop_per_second, peak->second);
  // A part without a ceiling could be the slower one.
  const bool all_known = (cost.bytes > 0.0) == figures.share_of_copy.has_value() &&
                         (cost.flop > 0.0) == figures.share_of_arithmetic.has_value();
  if (all_known && (figures.share_of_copy || figures.share_of_arithmetic)) {
    figures.share_of_roofline =
        std::max(figures.share_of_copy.value_or(0.0), figures.share_of_arithmetic.value_or(0.0));
  }
  return figures;
}

std::string result_table(const Result& result) {
  std::string text = head_of(result);
  for (const Suite suite : all_suites) {
    TextTable table(columns());
    bool any = false;
    for (const Measurement& measurement : result.measurements) {
      if (measurement.what.suite != suite) continue;
      add_row(table, measurement, result);
      any = true;
    }
    if (any) text += fmt::format("\n{}", table.text());
  }
  return text;
}

}  // namespace graft::bench
