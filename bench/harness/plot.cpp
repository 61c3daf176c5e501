#include "bench/harness/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bench/harness/plot_page.h"
#include "engine/base/error.h"

namespace graft::bench {
namespace {

std::string label_of(const Result& result) {
  const BuildIdentity& build = result.build;
  std::string label = result.device.name.empty() ? result.device.device : result.device.name;
  if (!build.commit.empty())
    label += fmt::format(", {:.10}{}", build.commit, build.dirty ? " with changes" : "");
  if (!result.date.empty()) label += ", " + result.date;
  for (const std::string& remark : result.remarks) label += "; " + remark;
  if (!result.complete) label += "; interrupted";
  return label;
}

void check(std::span<const Result> results) {
  if (results.empty()) throw Error(ErrorKind::usage, "There is no result to draw; name a file.");
  if (results.size() > most_plotted_results)
    throw Error(ErrorKind::usage,
                fmt::format("{} results are more than a drawing can tell apart; give {} at most.",
                            results.size(), most_plotted_results));
  for (std::size_t index = 0; index < results.size(); ++index) {
    const Result& result = results[index];
    const bool has_times =
        result.gives_times &&
        std::any_of(result.measurements.begin(), result.measurements.end(),
                    [](const Measurement& measurement) { return !measurement.samples.empty(); });
    if (!has_times)
      throw Error(ErrorKind::usage,
                  fmt::format("Result {} of {} ({}) has no times, so there is nothing to draw; "
                              "measure on a device that is there.",
                              index + 1, results.size(), label_of(result)));
  }
}

double draw_legend(Page& page, std::span<const Result> results, double top) {
  for (std::size_t index = 0; index < results.size(); ++index) {
    const double y = top + 20.0 * static_cast<double>(index);
    page.mark({page_margin + 6, y}, index, label_of(results[index]));
    page.line({page_margin + 18, y}, {page_margin + 58, y},
              fmt::format("stroke=\"{}\" stroke-width=\"1.6\" stroke-dasharray=\"{}\"", ink,
                          dashes_of(index)));
    page.rectangle({page_margin + 66, y - 6}, 30, 12,
                   fmt::format("fill=\"{}\" stroke=\"{}\"", hatching_of(index), ink));
    page.text({page_margin + 106, y + 4}, "", label_of(results[index]));
  }
  return top + 20.0 * static_cast<double>(results.size());
}

}  // namespace

std::vector<std::string> names_of_cases(std::span<const Result> results) {
  std::vector<std::string> names;
  std::set<std::string_view> known;
  for (const Result& result : results) {
    for (const Measurement& measurement : result.measurements) {
      if (known.insert(measurement.what.name).second) names.push_back(measurement.what.name);
    }
  }
  return names;
}

std::string plot_svg(std::span<const Result> results) {
  check(results);
  Page page;
  double y = draw_legend(page, results, 32);
  y = draw_roofline(page, results, y + 16);
  y = draw_bars(page, results, y + 16);
  return page.svg(y + page_margin, "graft bench");
}

}  // namespace graft::bench
