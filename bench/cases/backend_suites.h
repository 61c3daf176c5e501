#pragma once
// The suites of every Backend: backbone, head and pipeline. The CPU and the GPU run the same cases.
//
//   backbone   a batch, from images in HostBuffers to features in HostBuffers, with as many batches
//              in flight as in a run; on a CPU also with fewer threads
//   head       training steps of the config's classifier, one after the other; evaluation and
//              prediction of 800 rows
//   pipeline   photos on disk to features on disk, as `graft extract` does it, with the share of
//              each trace span; decoding and resizing alone, on one thread
//
// All are timed by the host's clock. Cold: the device's flush runs before each sample. With several
// batches in flight the caches are never cold: the time is from one batch's features to the next.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "bench/cases/case_list.h"
#include "bench/harness/bench_device.h"
#include "engine/backend/backend.h"
#include "engine/config/config.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::bench {

// The user's settings for a device and its suites.
struct BenchSetup {
  // Used: threads, cache, seed, data, backbone.algorithm, .autotune and .weights, pipeline, head,
  // train. Without data.train photos are generated; without a weights file weights are random.
  Config config;
  // Returns an existing folder for generated photos and features, the same at each call.
  std::function<std::filesystem::path()> scratch;
  std::stop_token stop;  // ends a sample of many batches early, with Error(interrupted)
};

// A device as the suites use it. It outlives the subjects of its cases.
struct SuiteContext {
  Backend& backend;
  const BenchSetup setup;
  const std::function<void()> flush;  // empties the device's caches, and waits for that
  // The same device with so many threads; empty: it cannot be limited.
  const std::function<std::unique_ptr<Backend>(std::size_t threads)> with_threads = {};
  mutable std::optional<Vgg16Weights> loaded_weights = {};

  // The config's weights, or random ones; read or made at the first call.
  const Vgg16Weights& weights() const;
};

// The cases of backbone, head or pipeline.
std::vector<Case> backend_cases(const SuiteContext& context, Suite suite, const Axes& axes);
std::vector<Case> backbone_cases(const SuiteContext& context, const Axes& axes);
std::vector<Case> head_cases(const SuiteContext& context, const Axes& axes);
std::vector<Case> pipeline_cases(const SuiteContext& context, const Axes& axes);

// Random values: the speed of a kernel depends on them only where they are denormal, infinite or NaN.
std::vector<float> normal_values(std::size_t count, std::uint32_t seed, float scale);

// The config's backbone at each point of the axes, and the axis values of such a point.
std::vector<BackboneOptions> options_at(const Config& config, const Axes& axes);
AxisValues axes_of(const BackboneOptions& options);

}  // namespace graft::bench
