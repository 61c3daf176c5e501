#pragma once
// The suites that every Backend has: the network, the classifier, and the whole way from photos to
// features on disk. A device of the harness forwards them here, so that a CPU and a GPU are asked
// the same.
//
//   backbone   a batch, from images in HostBuffers to features in them, with as many batches under
//              way as a run has (Backend::batches_in_flight)
//   head       a training step of the config's classifier; evaluation and prediction of 800 rows
//   pipeline   photos on disk to features on disk, by what `graft extract` does with them; the
//              stages are the trace's spans, as shares of the time (several threads: above 1)
//
// Host clock. Cold is what the device's flush makes it, before each sample. With several batches
// under way there is no cold: the time is from one batch's features to the next one's.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "bench/harness/bench_device.h"
#include "bench/harness/cuda_bench_module.h"
#include "bench/suites/case_list.h"
#include "engine/backend/backend.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::bench {

// What the suites take from a device; borrowed, and longer there than their subjects.
struct SuiteContext {
  Backend& backend;
  const BenchSetup& setup;
  // Leaves nothing of the work in the device's caches, and waits until that is done.
  std::function<void()> flush;
  bool gives_times = true;  // false: a sample is 0 seconds
  // The config's weights, or random ones; read or made when first asked for.
  std::function<const Vgg16Weights&()> weights;
};

class SuitesOfBackend {
 public:
  // `backend` is borrowed; `flush` is as SuiteContext says.
  SuitesOfBackend(Backend& backend, BenchSetup setup, std::function<void()> flush,
                  bool gives_times);
  ~SuitesOfBackend() = default;
  SuitesOfBackend(const SuitesOfBackend&) = delete;
  SuitesOfBackend& operator=(const SuitesOfBackend&) = delete;

  // Of the suites backbone, head and pipeline; none of another.
  std::vector<Case> cases(Suite suite, const Axes& axes);
  // Of a case that cases() has listed; its Subject must not outlive this object.
  std::unique_ptr<Subject> prepare(const Case& which);

 private:
  const Vgg16Weights& weights();

  const BenchSetup setup_;
  std::optional<Vgg16Weights> weights_;
  const SuiteContext context_;
  ListedCases listed_;
};

}  // namespace graft::bench
