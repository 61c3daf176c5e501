// The roofline: flop/s over flop/byte, both logarithmic. All arithmetic is on decimal logarithms, so
// that no value is too large or too small to be drawn.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bench/harness/figures.h"
#include "bench/harness/plot_page.h"
#include "bench/harness/text_table.h"

namespace graft::bench {
namespace {

constexpr double left = 90;
constexpr double width = page_width - left - page_margin;
constexpr double height = 420;
constexpr double most_ticks = 12;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void hold(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // To whole decades, with room around what it holds.
  void widen() {
    low = std::floor(low - 0.2);
    high = std::ceil(high + 0.2);
  }
  double share(double value) const { return (value - low) / (high - low); }
};

struct Dot {
  std::size_t result = 0, number = 0;
  double intensity = 0.0, speed = 0.0;  // decimal logarithms of flop/byte and flop/s
  std::string tip;
};

struct Panel {
  double top = 0.0;
  Range x, y;

  Page::Point at(double intensity, double speed) const {
    return {left + width * x.share(intensity), top + height * (1.0 - y.share(speed))};
  }
};

std::vector<Dot> dots_of(std::span<const Result> results) {
  const std::vector<std::string> names = names_of_cases(results);
  std::vector<Dot> dots;
  for (std::size_t index = 0; index < results.size(); ++index) {
    for (const Measurement& measurement : results[index].measurements) {
      const Cost& cost = measurement.what.cost;
      const Figures figures = figures_of(measurement, results[index].ceilings);
      if (!figures.median || cost.flop <= 0.0 || cost.bytes <= 0.0) continue;
      const auto found = std::find(names.begin(), names.end(), measurement.what.name);
      const std::string share =
          figures.share_of_roofline
              ? fmt::format(", {} of the roofline", percent(*figures.share_of_roofline, 1))
              : "";
      dots.push_back(
          {index, static_cast<std::size_t>(found - names.begin()) + 1,
           std::log10(cost.flop) - std::log10(cost.bytes),
           std::log10(cost.flop) - std::log10(*figures.median),
           fmt::format("{}: {}{}", measurement.what.name, time_text(*figures.median), share)});
    }
  }
  return dots;
}

Panel panel_of(std::span<const Result> results, const std::vector<Dot>& dots, double top) {
  Panel panel{top, {}, {}};
  for (const Dot& dot : dots) {
    panel.x.hold(dot.intensity);
    panel.y.hold(dot.speed);
  }
  for (const Result& result : results) {
    for (const auto& [precision, peak] : result.ceilings.flop_per_second) {
      if (peak <= 0.0) continue;
      panel.y.hold(std::log10(peak));
      if (result.ceilings.bytes_per_second > 0.0)
        panel.x.hold(std::log10(peak) - std::log10(result.ceilings.bytes_per_second));
    }
  }
  panel.x.widen();
  panel.y.widen();
  return panel;
}

// What a tick at 10^decade is called; flop/s are counted in 10^9.
std::string decade_label(double decade) {
  if (decade >= -3.0 && decade <= 6.0) return fmt::format("{:g}", std::pow(10.0, decade));
  return fmt::format("1e{:.0f}", decade);
}

void draw_axes(Page& page, const Panel& panel) {
  const std::string grid = fmt::format("stroke=\"{}\"", grid_colour);
  const auto step = [](const Range& range) {
    return std::max(1.0, std::ceil((range.high - range.low) / most_ticks));
  };
  for (double decade = panel.x.low; decade <= panel.x.high; decade += step(panel.x)) {
    page.line(panel.at(decade, panel.y.low), panel.at(decade, panel.y.high), grid);
    const Page::Point foot = panel.at(decade, panel.y.low);
    page.text({foot.x, foot.y + 16}, "class=\"faint\" text-anchor=\"middle\"",
              decade_label(decade));
  }
  for (double decade = panel.y.low; decade <= panel.y.high; decade += step(panel.y)) {
    page.line(panel.at(panel.x.low, decade), panel.at(panel.x.high, decade), grid);
    const Page::Point side = panel.at(panel.x.low, decade);
    page.text({side.x - 8, side.y + 4}, "class=\"faint\" text-anchor=\"end\"",
              decade_label(decade - 9.0));
  }
  page.text({left + width / 2, panel.top + height + 34}, "class=\"faint\" text-anchor=\"middle\"",
            "flop per byte");
}

// The memory's slope up to the highest peak, and each peak from the slope on.
void draw_ceilings(Page& page, const Panel& panel, const Ceilings& ceilings, std::size_t result) {
  const std::string style =
      fmt::format("class=\"ceiling\" stroke=\"{}\" stroke-width=\"1.6\" stroke-dasharray=\"{}\"",
                  ink, dashes_of(result));
  const bool has_slope = ceilings.bytes_per_second > 0.0;
  const double slope = has_slope ? std::log10(ceilings.bytes_per_second) : 0.0;
  double highest = -std::numeric_limits<double>::infinity();
  for (const auto& [precision, peak] : ceilings.flop_per_second) {
    if (peak <= 0.0) continue;
    const double level = std::log10(peak);
    highest = std::max(highest, level);
    const double from = has_slope ? std::max(panel.x.low, level - slope) : panel.x.low;
    page.line(panel.at(from, level), panel.at(panel.x.high, level), style);
    const Page::Point end = panel.at(panel.x.high, level);
    page.text({end.x - 4, end.y - 5}, "text-anchor=\"end\"",
              fmt::format("{} {} GFLOP/s", name_of(precision), four_digits(peak / 1e9)));
  }
  if (!has_slope) return;
  if (!std::isfinite(highest)) highest = panel.y.high;
  const double from = std::max(panel.x.low, panel.y.low - slope);
  const double to = std::min(panel.x.high, highest - slope);
  if (from >= to) return;
  page.line(panel.at(from, from + slope), panel.at(to, to + slope), style);
  const Page::Point middle = panel.at((from + to) / 2.0, (from + to) / 2.0 + slope);
  page.text({middle.x - 8, middle.y - 6}, "text-anchor=\"end\"",
            fmt::format("copy {} GB/s", four_digits(ceilings.bytes_per_second / 1e9)));
}

}  // namespace

double draw_roofline(Page& page, std::span<const Result> results, double top) {
  const std::vector<Dot> dots = dots_of(results);
  if (dots.empty()) {
    page.text({page_margin, top + 14}, "class=\"faint\"",
              "No case counts its flop and its bytes: there is no roofline.");
    return top + 20;
  }
  page.text(
      {page_margin, top + 14}, "class=\"head\"",
      "Roofline, GFLOP/s; lines are what the devices reach at best, numbers those of the bars");
  const Panel panel = panel_of(results, dots, top + 30);
  draw_axes(page, panel);
  for (std::size_t index = 0; index < results.size(); ++index)
    draw_ceilings(page, panel, results[index].ceilings, index);
  for (const Dot& dot : dots) {
    const Page::Point at = panel.at(dot.intensity, dot.speed);
    page.mark(at, dot.result, dot.tip);
    page.text({at.x + 7, at.y + 3}, "class=\"small\"", fmt::format("{}", dot.number));
  }
  return panel.top + height + 44;
}

}  // namespace graft::bench
