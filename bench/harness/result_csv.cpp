#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "bench/harness/figures.h"
#include "bench/harness/result_file.h"
#include "bench/harness/statistics.h"

namespace graft::bench {
namespace {

using Fields = std::vector<std::string>;

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string text = "\"";
  for (const char character : field) {
    if (character == '"') text += '"';
    text += character;
  }
  return text + '"';
}

std::string line_of(const Fields& fields) {
  Fields safe;
  for (const std::string& field : fields) safe.push_back(quoted(field));
  return fmt::format("{}\r\n", fmt::join(safe, ","));
}

// The axes of all cases, in the order in which they first appear.
Fields axes_of(const Result& result) {
  Fields axes;
  for (const Measurement& measurement : result.measurements) {
    for (const auto& [axis, value] : measurement.what.axes) {
      if (std::find(axes.begin(), axes.end(), axis) == axes.end()) axes.push_back(axis);
    }
  }
  return axes;
}

std::string axis_value(const Case& what, const std::string& wanted) {
  for (const auto& [axis, value] : what.axes) {
    if (axis == wanted) return value;
  }
  return "";
}

std::string number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? fmt::format("{}", *value) : "";
}

Fields heads(const Fields& axes) {
  Fields fields = {"name", "suite"};
  for (const std::string& axis : axes) fields.push_back(fmt::format("axis {}", axis));
  const Fields figures = {"ended",
                          "samples",
                          "executions",
                          "throttled",
                          "minimum s",
                          "lower_quartile s",
                          "median s",
                          "upper_quartile s",
                          "maximum s",
                          "relative_deviation",
                          "noise",
                          "item",
                          "items/s",
                          "bytes/s",
                          "flop/s",
                          "share_of_copy",
                          "share_of_arithmetic",
                          "share_of_roofline",
                          "remarks",
                          "failure"};
  fields.insert(fields.end(), figures.begin(), figures.end());
  return fields;
}

void append_times(Fields& fields, const std::vector<double>& samples) {
  if (samples.empty()) {
    fields.insert(fields.end(), 6, "");
    return;
  }
  const Summary summary = summarise(samples);
  for (const double value : {summary.minimum, summary.lower_quartile, summary.median,
                             summary.upper_quartile, summary.maximum, summary.relative_deviation})
    fields.push_back(number(value));
}

Fields row_of(const Measurement& measurement, const Ceilings& ceilings, const Fields& axes) {
  const Case& what = measurement.what;
  Fields fields = {what.name, std::string(name_of(what.suite))};
  for (const std::string& axis : axes) fields.push_back(axis_value(what, axis));
  fields.emplace_back(name_of(measurement.ended));
  for (const std::size_t count :
       {measurement.samples.size(), measurement.executions, measurement.throttled})
    fields.push_back(fmt::format("{}", count));
  append_times(fields, measurement.samples);
  const Figures figures = figures_of(measurement, ceilings);
  fields.push_back(number(figures.noise));
  fields.push_back(what.item);
  for (const std::optional<double>& figure :
       {figures.items_per_second, figures.bytes_per_second, figures.flop_per_second,
        figures.share_of_copy, figures.share_of_arithmetic, figures.share_of_roofline})
    fields.push_back(number(figure));
  fields.push_back(fmt::format("{}", fmt::join(measurement.remarks, "; ")));
  fields.push_back(measurement.failure);
  return fields;
}

}  // namespace

std::string result_csv(const Result& result) {
  const Fields axes = axes_of(result);
  std::string text = line_of(heads(axes));
  for (const Measurement& measurement : result.measurements)
    text += line_of(row_of(measurement, result.ceilings, axes));
  return text;
}

}  // namespace graft::bench
