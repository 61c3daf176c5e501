#pragma once
// A case: one piece of work at one point of the axes. A kernel, a layer, or a network at an image
// size and batch. bench/compare.py joins two results by the name, so a name never changes.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/config.h"

namespace graft::bench {

enum class Suite {
  kernels,   // each hand-written kernel, over a sweep of sizes
  layers,    // each of the 13 convolutions, by each algorithm
  backbone,  // the frozen network: images in host memory to features in host memory
  head,      // the classifier: training steps, evaluation
  pipeline,  // images on disk to features on disk, and its stages on the host
};
inline constexpr std::array all_suites = {Suite::kernels, Suite::layers, Suite::backbone,
                                          Suite::head, Suite::pipeline};
std::string_view name_of(Suite suite);

// The least work of one execution, counted from shapes: each value is read or written once, and the
// arithmetic is that of the definition (direct convolution, also where Winograd computes it).
// 0: not counted, and the case has no share of that ceiling.
struct Cost {
  double flop = 0.0;
  double bytes = 0.0;
  Precision arithmetic = Precision::fp32;  // the ceiling for `flop`
};

enum class Clock {
  device,  // the device's, around the work alone (CUDA events)
  host,    // the host's steady clock, until the result is available
};
std::string_view name_of(Clock clock);

using AxisValues = std::vector<std::pair<std::string, std::string>>;

struct Case {
  Suite suite = Suite::kernels;
  std::string name;  // "kernels/bias_relu/fp16/pixels:1440000/channels:64", unique
  AxisValues axes;   // {"precision", "fp16"}, {"batch", "32"}
  Cost cost;         // of one execution
  Clock clock = Clock::host;
  double items = 0.0;  // processed by one execution; 0: not counted
  std::string item;    // "images", "steps", "rows"
};

// The requested points. A suite uses the axes that it has.
struct Axes {
  std::vector<std::size_t> batches = {1, 8, 32, 128};
  std::vector<ImageSize> sizes = {{150, 150}, {224, 224}};
  std::vector<Precision> precisions = {Precision::fp32};
};

}  // namespace graft::bench
