#pragma once
// The backbone on a GPU that may be absent: cuDNN's plans, the bounds on their time, and their part
// of the GPU's memory.

#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/backend/cuda_module.h"
#include "engine/forecast/gpu_registry.h"

namespace graft {

// Lower bounds on the time of a backbone by the roofline model (Williams, Waterman, Patterson
// 2009): a kernel takes at least as long as its arithmetic at the peak rate, and at least as long
// as its bytes at the memory's bandwidth. Real kernels reach a part of either. All activations
// count as device memory traffic; where they stay in the L2 cache, the memory's bound is too high
// by that much.
struct Roofline {
  double flop_per_second = 0.0;
  double bytes_per_second = 0.0;
};

enum class Limiter { arithmetic, memory };
inline Limiter limiter_of(double memory_seconds, double seconds) {  // of the larger share
  return 2.0 * memory_seconds >= seconds ? Limiter::memory : Limiter::arithmetic;
}

// Seconds of one batch.
struct LayerBound {
  double arithmetic = 0.0;  // the convolution's, at the peak
  double memory = 0.0;      // the convolution's activations and weights, at the bandwidth
  double epilogue = 0.0;    // the kernels after it, which only move bytes
  double seconds() const { return std::max(arithmetic, memory) + epilogue; }
  // The part at the bandwidth's limit.
  double memory_seconds() const { return epilogue + (memory >= arithmetic ? memory : 0.0); }
  Limiter limiter() const { return limiter_of(memory_seconds(), seconds()); }
};

// Winograd's algorithm multiplies less often than direct convolution (Lavin, Gray 2016): with t×t
// tiles, t²/(9·(t − 2)²) of the times. With "Winograd" among a layer's notes the arithmetic counts
// as that of 13×13 tiles where the notes say so. Else it counts as that of 6×6 tiles, a quarter:
// the least that smaller tiles can need, so that the bound holds. With "FFT" no arithmetic is
// counted: it depends on tiles that cuDNN does not name.
LayerBound layer_bound(const LayerForecast& layer, const Roofline& roofline);

struct BackboneBound {
  std::vector<LayerBound> layers;
  double flop = 0.0, bytes = 0.0;  // of all layers with their epilogues
  double seconds = 0.0;
  double memory_seconds = 0.0;
  Limiter limiter() const { return limiter_of(memory_seconds, seconds); }
};

BackboneBound backbone_bound(const BackboneForecast& forecast, const Roofline& roofline);

struct GpuForecast {
  Gpu gpu;                  // its memory: the GPU's or that of --memory
  std::size_t usable = 0;   // bytes of it, for the backbone
  BackboneOptions options;  // with the batch of the forecast
  bool fits = false;
  BackboneForecast backbone;
  BackboneBound bound;
  double images_per_second() const {  // at most
    return static_cast<double>(options.batch_size) / bound.seconds;
  }
};

// options.batch_size 0: automatic_batch(). Throws Error(device) when the GPU has no arithmetic of
// that precision, or as CudaModule::forecast_backbone.
GpuForecast forecast_for_gpu(const CudaModule& module, const Gpu& gpu, std::size_t memory,
                             BackboneOptions options);

}  // namespace graft
