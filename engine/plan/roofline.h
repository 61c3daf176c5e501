#pragma once
// How quick a backbone can be at best, by the roofline model (Williams, Waterman, Patterson 2009):
// a kernel takes at least as long as its arithmetic at the peak rate, and at least as long as its
// bytes at the memory's bandwidth. These are bounds, not forecasts: real kernels reach a part of
// either. Each plane counts as read from and written to the device memory; where a plane stays in
// the L2 cache, the memory's bound is too high by that much.

#include <vector>

#include "engine/backend/cuda_module.h"

namespace graft {

struct Roofline {
  double flop_per_second = 0.0;
  double bytes_per_second = 0.0;
};

enum class Limiter { arithmetic, memory };

// Seconds of one batch.
struct LayerBound {
  double arithmetic = 0.0;  // the convolution's, at the peak
  double memory = 0.0;      // the convolution's planes and weights, at the bandwidth
  double epilogue = 0.0;    // the kernels after it, which only move bytes
  double seconds() const;
  double memory_seconds() const;  // what of it is spent at the bandwidth's limit
  Limiter limiter() const;        // of the larger share of seconds()
};

// Winograd's algorithm multiplies less often than the sum itself (Lavin, Gray 2016): with tiles of
// t×t, t²/(9·(t − 2)²) of the times. With "Winograd" among a layer's notes the arithmetic counts as
// that of tiles of 13 where the notes say so, and else of 6, a quarter: the least that the smaller
// tiles can need, so that the bound holds. With "FFT" no arithmetic is counted: how much it takes
// depends on tiles that cuDNN does not name.
LayerBound layer_bound(const PlannedLayer& layer, const Roofline& roofline);

struct BackboneBound {
  std::vector<LayerBound> layers;
  double flop = 0.0, bytes = 0.0;  // of all layers with their epilogues
  double seconds = 0.0;
  double memory_seconds = 0.0;
  Limiter limiter() const;
};

BackboneBound backbone_bound(const BackbonePlan& plan, const Roofline& roofline);

}  // namespace graft
