#pragma once
// The paper of a plot: shapes as SVG, and what tells one result from another without colour.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/harness/plot.h"

namespace graft::bench {

inline constexpr double page_width = 1000;
inline constexpr double page_margin = 32;
inline constexpr std::string_view ink = "#1f2328";
inline constexpr std::string_view faint_ink = "#59636e";
inline constexpr std::string_view grid_colour = "#d8dde3";

// Shapes are added from the top to the bottom; the height is known when the page is closed.
class Page {
 public:
  struct Point {
    double x = 0.0, y = 0.0;
  };

  // `attributes` are SVG's, as they stand; `content` is any text.
  void text(Point at, std::string_view attributes, std::string_view content);
  void line(Point from, Point to, std::string_view attributes);
  void rectangle(Point at, double width, double height, std::string_view attributes);
  // The mark of a result, with a text that viewers show when it is pointed at.
  void mark(Point at, std::size_t result, std::string_view tip);
  std::string svg(double height, std::string_view title) const;

 private:
  std::string shapes_;
};

std::string_view dashes_of(std::size_t result);  // of stroke-dasharray
std::string hatching_of(std::size_t result);     // of fill

// A name for each case of all results, in order; what a number in the drawing refers to.
std::vector<std::string> names_of_cases(std::span<const Result> results);

// Each draws from `top` down and returns where it ends.
double draw_roofline(Page& page, std::span<const Result> results, double top);
double draw_bars(Page& page, std::span<const Result> results, double top);

}  // namespace graft::bench
