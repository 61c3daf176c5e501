#include "bench/harness/plot_page.h"

#include <fmt/format.h>

#include <array>

#include "engine/base/text.h"

namespace graft::bench {
namespace {

constexpr std::array<std::string_view, most_plotted_results> dashes = {"none",    "7 4",  "2 3",
                                                                       "9 3 2 3", "14 4", "1 5"};

// Outlines around (0, 0), 5 high and wide on either side.
constexpr std::array<std::string_view, most_plotted_results> outlines = {
    "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z",
    "M-4.5 -4.5H4.5V4.5H-4.5Z",
    "M0 -5.5L5.5 4.5H-5.5Z",
    "M0 -6L6 0L0 6L-6 0Z",
    "M0 5.5L5.5 -4.5H-5.5Z",
    "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z"};

// What a pattern of 6 by 6 holds on white.
constexpr std::array<std::string_view, most_plotted_results> hatchings = {
    "M0 0H6V6H0Z", "M-1 1L1 -1M0 6L6 0M5 7L7 5", "M0 3H6", "", "M3 0V6", "M0 3H6M3 0V6"};

std::string patterns() {
  std::string text = "<defs>\n";
  for (std::size_t result = 0; result < most_plotted_results; ++result) {
    text += fmt::format(
        "<pattern id=\"hatching-{}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
        "<rect width=\"6\" height=\"6\" fill=\"#ffffff\"/><path d=\"{}\" stroke=\"#57606a\" "
        "fill=\"{}\"/></pattern>\n",
        result, hatchings[result].empty() ? "M0 0" : hatchings[result],
        result == 0 ? "#57606a" : "none");
  }
  return text + "</defs>\n";
}

}  // namespace

void Page::text(Point at, std::string_view attributes, std::string_view content) {
  shapes_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", at.x, at.y, attributes,
                         xml_text(content));
}

void Page::line(Point from, Point to, std::string_view attributes) {
  shapes_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n",
                         from.x, from.y, to.x, to.y, attributes);
}

void Page::rectangle(Point at, double width, double height, std::string_view attributes) {
  shapes_ +=
      fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" {}/>\n", at.x,
                  at.y, width, height, attributes);
}

void Page::mark(Point at, std::size_t result, std::string_view tip) {
  shapes_ += fmt::format(
      "<path class=\"mark\" transform=\"translate({:.1f} {:.1f})\" d=\"{}\" fill=\"#ffffff\" "
      "stroke=\"{}\" stroke-width=\"1.4\"><title>{}</title></path>\n",
      at.x, at.y, outlines[result], ink, xml_text(tip));
}

std::string Page::svg(double height, std::string_view title) const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1:.0f}\" viewBox=\"0 0 "
      "{0} {1:.0f}\" role=\"img\">\n<title>{2}</title>\n<style>text{{font-family:'Helvetica "
      "Neue',Helvetica,Arial,'DejaVu Sans',sans-serif;font-size:12px;fill:{3}}}"
      ".head{{font-size:15px;font-weight:600}}.faint{{fill:{4}}}.small{{font-size:9px}}</style>\n"
      "{5}<rect width=\"{0}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n{6}</svg>\n",
      page_width, height, xml_text(title), ink, faint_ink, patterns(), shapes_);
}

std::string_view dashes_of(std::size_t result) {
  return dashes[result];
}

std::string hatching_of(std::size_t result) {
  return fmt::format("url(#hatching-{})", result);
}

}  // namespace graft::bench
