#pragma once
// A GPU that lets itself be measured is a library of its own, libgraft_cuda_bench.so beside the
// program (bench/cuda), so that neither the program nor the backend carries its micro-kernels. It
// shows one symbol,
//   extern "C" const graft::bench::CudaBenchModule* graft_cuda_bench_2();
// No type of CUDA appears here.

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>

#include "bench/harness/bench_device.h"
#include "engine/config/config.h"

namespace graft::bench {

// What a device and its suites take from the user, beside the axes.
struct BenchSetup {
  // As a run would have it. Used: threads, cache, seed, data, backbone.algorithm, backbone.autotune,
  // backbone.weights, pipeline, head, train. data.train empty: photos are made; backbone.weights not
  // there: the weights are random.
  Config config;
  // An existing folder for what is made and read meanwhile: photos, features. The same at each call,
  // and asked for only when something has to be made.
  std::function<std::filesystem::path()> scratch;
  // Ends a sample of many batches early, with Error(interrupted).
  std::stop_token stop;
};

class CudaBenchModule {
 public:
  virtual ~CudaBenchModule() = default;
  // ordinal: among the devices that CUDA_VISIBLE_DEVICES leaves. Throws Error(device): no driver,
  // one too old, no such device, an architecture that was not compiled. `setup` is copied.
  virtual std::unique_ptr<BenchDevice> make_device(int ordinal, const BenchSetup& setup) const = 0;
};

}  // namespace graft::bench
