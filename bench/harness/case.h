#pragma once
// What can be measured. A case is one piece of work at one point of the axes: a kernel, a layer, a
// network at a size and batch. Its name says all of it and stays the same from version to version:
// `graft bench compare` joins two results by it.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/config.h"

namespace graft::bench {

enum class Suite {
  kernels,   // each hand-written kernel, over a ladder of sizes
  layers,    // each of the 13 convolutions, by each way to compute it
  backbone,  // the frozen network: images in host memory to features in host memory
  head,      // the classifier: training steps, evaluation
  pipeline,  // images on disk to features on disk
};
inline constexpr std::array all_suites = {Suite::kernels, Suite::layers, Suite::backbone,
                                          Suite::head, Suite::pipeline};
std::string_view name_of(Suite suite);

// What one execution needs at least, counted from shapes: each value is read or written once, and
// the arithmetic is that of the definition (of a direct convolution, also where Winograd's
// algorithm computes it). 0: not counted, and no share of a ceiling is given.
struct Cost {
  double flop = 0.0;
  double bytes = 0.0;
  Precision arithmetic = Precision::fp32;  // whose ceiling bounds `flop`
};

// Who measures the time of an execution.
enum class Clock {
  device,  // the device itself, around the work alone (CUDA events)
  host,    // a steady clock of the host, until the result is there
};
std::string_view name_of(Clock clock);

struct Case {
  Suite suite = Suite::kernels;
  std::string name;  // "kernels/bias_relu/fp16/pixels:1440000/channels:64", unique
  std::vector<std::pair<std::string, std::string>> axes;  // {"precision", "fp16"}, {"batch", "32"}
  Cost cost;                                              // of one execution
  Clock clock = Clock::host;
  double items = 0.0;  // what one execution gets done, in units of `item`; 0: nothing counted
  std::string item;    // "images", "steps", "rows"
};

// The points that are asked for. Suites take from it what they have an axis for.
struct Axes {
  std::vector<std::size_t> batches = {1, 8, 32, 128};
  std::vector<ImageSize> sizes = {{150, 150}, {224, 224}};
  std::vector<Precision> precisions = {Precision::fp32};
};

}  // namespace graft::bench
