#pragma once
// A case: one piece of work at one point of the axes. A kernel, a layer, or a network at an image
// size and batch. bench/compare.py joins two results by the name, so a name never changes.

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
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
constexpr std::array<std::string_view, all_suites.size()> names_of(Suite) {
  return {"kernels", "layers", "backbone", "head", "pipeline"};
}

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
constexpr std::array<std::string_view, 2> names_of(Clock) {
  return {"device", "host"};
}

enum class CacheState {
  cold,  // the caches are flushed before each sample, of one execution or of a sequence
  hot,   // the caches are as the previous execution left them
};
constexpr std::array<std::string_view, 2> names_of(CacheState) {
  return {"cold", "hot"};
}

using StageShares = std::vector<std::pair<std::string, double>>;

// A case with its memory and code, ready to run.
class Subject {
 public:
  virtual ~Subject() = default;
  // Executes `times` times in a row and returns the seconds by the case's clock. Cold: flushes the
  // caches first, which is not timed, and `times` is 1 unless Case::sequence is more. The work is
  // complete on return. Without a timer the value is meaningless.
  virtual double sample(CacheState cache, std::size_t times) = 0;
  // False where a profiler makes this work's launches wait for their kernels.
  virtual bool has_timer() const { return true; }
  // Shares of the last sample's time by stage: {"decode", 0.31}. Stages that overlap add up to more
  // than 1. Empty where a case has no stages.
  virtual StageShares stages() const { return {}; }
};

using AxisValues = std::vector<std::pair<std::string, std::string>>;

struct Case {
  Suite suite = Suite::kernels;
  std::string name;  // "kernels/bias_relu/fp16/pixels:1440000/channels:64", unique
  AxisValues axes;   // {"precision", "fp16"}, {"batch", "32"}
  Cost cost;         // of one execution
  Clock clock = Clock::host;
  double items = 0.0;  // processed by one execution; 0: not counted
  std::string item;    // "images", "steps", "rows"
  // The least executions of a sample, also with cold caches: of work that in use follows itself,
  // without a wait in between. 1: it does not.
  std::size_t sequence = 1;
  // Takes the memory. Throws Error(device) when there is not enough. The device outlives the Subject.
  std::function<std::unique_ptr<Subject>()> prepare = {};
};

// The requested points. A suite uses the axes that it has.
struct Axes {
  std::vector<std::size_t> batches = {1, 8, 32, 128};
  std::vector<ImageSize> sizes = {{150, 150}, {224, 224}};
  std::vector<Precision> precisions = {Precision::fp32};
};

}  // namespace graft::bench
