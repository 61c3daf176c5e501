// The bars: the median of each case with a line from the lower to the upper quartile, a bar for each
// result, a scale for each suite.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "bench/harness/plot_page.h"
#include "bench/harness/statistics.h"
#include "bench/harness/text_table.h"

namespace graft::bench {
namespace {

constexpr double left = page_margin + 28;
constexpr double longest = 700;
constexpr double bar_height = 11;
constexpr double largest_linear_ratio = 30.0;  // beyond it short bars would vanish

// Of the times of a suite: linear from 0, or logarithmic where they lie too far apart.
struct Scale {
  double shortest = 0.0, longest_time = 0.0;

  bool is_linear() const { return longest_time / largest_linear_ratio <= shortest; }
  double length(double seconds) const {
    if (is_linear()) return longest * (seconds / longest_time);
    const double low = std::log10(shortest) - 0.3;  // the shortest bar is one still
    return longest * (std::log10(seconds) - low) / (std::log10(longest_time) - low);
  }
};

using Row = std::vector<const Measurement*>;  // of each result; null where it lacks the case

std::map<std::string_view, Row> rows_of(std::span<const Result> results) {
  std::map<std::string_view, Row> rows;
  for (std::size_t index = 0; index < results.size(); ++index) {
    for (const Measurement& measurement : results[index].measurements) {
      Row& row = rows[measurement.what.name];
      row.resize(results.size());
      row[index] = &measurement;
    }
  }
  return rows;
}

Suite suite_of(const Row& row) {
  const auto present = std::find_if(row.begin(), row.end(), [](const Measurement* measurement) {
    return measurement != nullptr;
  });
  return (*present)->what.suite;
}

// Nothing where no case of the suite has a time.
std::optional<Scale> scale_of(std::span<const Result> results, Suite suite) {
  std::optional<Scale> scale;
  for (const Result& result : results) {
    for (const Measurement& measurement : result.measurements) {
      if (measurement.what.suite != suite || measurement.samples.empty()) continue;
      const Summary summary = summarise(measurement.samples);
      if (!scale) scale = Scale{summary.lower_quartile, summary.upper_quartile};
      scale->shortest = std::min(scale->shortest, summary.lower_quartile);
      scale->longest_time = std::max(scale->longest_time, summary.upper_quartile);
    }
  }
  return scale;
}

void draw_bar(Page& page, const Summary& summary, const Scale& scale, std::size_t result,
              double top) {
  const double length = scale.length(summary.median);
  const double low = left + scale.length(summary.lower_quartile);
  const double high = left + scale.length(summary.upper_quartile);
  const double middle = top + bar_height / 2;
  page.rectangle({left, top}, length, bar_height,
                 fmt::format("class=\"bar\" fill=\"{}\" stroke=\"{}\"", hatching_of(result), ink));
  page.line({low, middle}, {high, middle}, "stroke=\"#ffffff\" stroke-width=\"5\"");
  page.line({low, middle}, {high, middle},
            fmt::format("class=\"whisker\" stroke=\"{}\" stroke-width=\"2\"", ink));
  page.text({std::max(left + length, high) + 8, top + bar_height - 1}, "",
            time_text(summary.median));
}

double draw_case(Page& page, const std::string& label, const Row& row, const Scale& scale,
                 double top) {
  page.text({page_margin, top + 11}, "", label);
  double y = top + 16;
  for (std::size_t result = 0; result < row.size(); ++result) {
    if (row[result] == nullptr) continue;
    const Measurement& measurement = *row[result];
    if (measurement.samples.empty()) {
      page.mark({left - 12, y + bar_height / 2}, result, measurement.failure);
      page.text({left, y + bar_height - 1}, "class=\"faint\"",
                fmt::format("no time: {}", name_of(measurement.ended)));
    } else {
      draw_bar(page, summarise(measurement.samples), scale, result, y);
    }
    y += bar_height + 4;
  }
  return y + 4;
}

}  // namespace

double draw_bars(Page& page, std::span<const Result> results, double top) {
  const std::vector<std::string> names = names_of_cases(results);
  const std::map<std::string_view, Row> rows = rows_of(results);
  double y = top;
  for (const Suite suite : all_suites) {
    const std::optional<Scale> scale = scale_of(results, suite);
    bool titled = false;
    for (std::size_t index = 0; index < names.size(); ++index) {
      const Row& row = rows.at(names[index]);
      if (suite_of(row) != suite) continue;
      if (!titled) {
        const bool logarithmic = scale && !scale->is_linear();
        page.text({page_margin, y + 14}, "class=\"head\"",
                  fmt::format("{}: median time and quartiles, {}", name_of(suite),
                              logarithmic ? "logarithmic" : "linear from 0"));
        y += 24;
        titled = true;
      }
      y = draw_case(page, fmt::format("{}  {}", index + 1, names[index]), row,
                    scale.value_or(Scale{}), y);
    }
    if (titled) y += 10;
  }
  return y;
}

}  // namespace graft::bench
