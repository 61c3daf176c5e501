#pragma once
// Results as a drawing: the roofline of each device with its cases (Williams, Waterman, Patterson
// 2009), and bars of the times. Several results stand side by side, told apart by marks, dashes and
// hatching, so that black and white is enough.

#include <span>
#include <string>

#include "bench/harness/measurement.h"

namespace graft::bench {

// As many as there are marks.
inline constexpr std::size_t most_plotted_results = 6;

// An SVG that names no outside file and holds no script. Every case of every result is in it; the
// roofline shows those whose flop and bytes are counted. Throws Error(usage) for no result, for more
// than most_plotted_results, and for one without times.
std::string plot_svg(std::span<const Result> results);

}  // namespace graft::bench
