#pragma once
// Loader of the CUDA backend, libgraft_cuda.so in the program's folder. It is loaded on first use:
// the program also starts on a machine without CUDA, and a missing cuDNN is a plain message. No type
// of CUDA appears here.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend/backend.h"

namespace graft {

// A GPU as cuDNN must know it to build plans for an absent one.
struct GpuProperties {
  std::string name;            // "A100"
  int compute_capability = 0;  // 80 for sm_80
  int multiprocessors = 0;
  std::size_t shared_memory_per_block = 0;  // bytes, with opt-in
  int blocks_per_multiprocessor = 0;
  int threads_per_multiprocessor = 0;
  std::size_t l2_cache = 0;  // bytes
  std::size_t memory = 0;    // bytes
  int clock_khz = 0;
  int memory_clock_khz = 0;
};

// A convolution of the network with bias, ReLU and pool, as it would run.
struct LayerForecast {
  std::string name;                // block1_conv1
  std::string engine;              // cuDNN's, with its knobs
  std::vector<std::string> notes;  // "tensor core", "Winograd", …
  bool fused_bias_relu = false;    // in the convolution; else by kernels/cuda/bias_relu
  std::size_t workspace_bytes = 0;
  double convolution_flop = 0.0;   // 2 × multiplications
  double convolution_bytes = 0.0;  // activations and weights, each once
  double epilogue_bytes = 0.0;     // of the kernels after it: bias, ReLU, pool, global pool
  bool global_pool = false;        // its output is pooled to features
};

// The device memory of a backbone, all of it.
struct BackboneMemory {
  std::size_t activation_bytes = 0;  // of one of the two buffers that take turns
  std::size_t workspace_bytes = 0;
  std::size_t weight_bytes = 0;
  std::size_t image_bytes = 0;    // uint8 batches in flight
  std::size_t feature_bytes = 0;  // float batches in flight
  std::size_t total() const {
    return 2 * activation_bytes + workspace_bytes + weight_bytes + image_bytes + feature_bytes;
  }
};

// Bytes of a GPU's memory that a forecast and an advised batch size leave free for what
// BackboneMemory does not count: the code of kernels, the handles' memory, the head.
inline std::size_t reserved_memory(std::size_t memory) {
  return memory / 16;
}

// The largest batch of such images whose activations have fewer than 2^31 values, of which the first
// block's have most: cuDNN's engines are made for no more. 0: not one image has so few.
inline std::size_t largest_usual_batch(ImageSize image) {
  constexpr std::size_t most_values = 2147483647, channels = 64;
  return most_values / channels / image.height / image.width;
}

// "precision": "auto" on a GPU of this compute capability, 80 for sm_80.
inline Precision automatic_precision(int compute_capability) {
  return compute_capability >= 80 ? Precision::tf32 : Precision::fp32;
}

// "batch_size": "auto" on a GPU with so much memory, free or not: a power of two. The two buffers of
// activations take at most a quarter of the memory: weights, workspace and other programs need some
// too. At 256 the smallest layers fill the largest GPUs, and more gives nothing.
inline std::size_t automatic_batch(std::size_t memory, const BackboneOptions& options) {
  // GPUs of one model may report a few percent more or less. A power of two is the same for all.
  const std::size_t model = std::bit_floor(memory + memory / 5);
  const std::size_t values = model / 4 / 2 / storage_bytes(options.precision);  // of a buffer
  const ImageSize image = options.image_size;
  const std::size_t most =
      std::min(values / 64 / image.height / image.width, largest_usual_batch(image));
  return std::bit_floor(std::clamp<std::size_t>(most, 1, 256));
}

struct BackboneForecast {
  std::vector<LayerForecast> layers;
  BackboneMemory memory;
  std::string cudnn_version;
};

// The library's interface. Functions throw Error.
class CudaModule {
 public:
  virtual ~CudaModule() = default;
  // GPUs that CUDA_VISIBLE_DEVICES leaves, at least 1. Throws Error(device) where there is none.
  virtual int device_count() const = 0;
  // ordinal: among the devices that CUDA_VISIBLE_DEVICES leaves. Throws Error(device): no driver,
  // one too old, no such device, an architecture that was not compiled.
  virtual std::unique_ptr<Backend> make_backend(int ordinal, std::size_t threads) const = 0;
  // cuDNN's real plans for a GPU that may be absent. Needs no driver.
  virtual BackboneForecast forecast_backbone(const GpuProperties& gpu,
                                             const BackboneOptions& options) const = 0;
};

// Throws Error(device) with the reason when the library cannot be loaded: built without CUDA, or a
// library of CUDA's is missing.
const CudaModule& cuda_module();

}  // namespace graft
