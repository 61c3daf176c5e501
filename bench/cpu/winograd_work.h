#pragma once
// What the matrix products of VGG16's 13 convolutions cost on a CPU at a size of image.

#include "bench/suites/vgg16_work.h"
#include "kernels/cpu/tiling.h"

namespace graft::bench {

// Floating-point operations of one image by the first layer, and by the matrix products of
// Winograd's algorithm in the others: what is left of vgg16_flop() for multiply-adds. Transforms,
// which are mostly sums, are not counted. `goal` is what the backbone cuts its planes for: one_image
// for batches of one.
inline double winograd_products(ImageSize image, cpu::TileGoal goal) {
  double flop = 0.0;
  for (const LayerWork& layer : vgg16_work(image)) {
    if (layer.inputs == 3) {
      flop += layer.flop;
      continue;
    }
    const std::size_t halving = layer.pooled ? 2 : 1;
    const cpu::Tiling tiling = cpu::tile_feature_map(
        layer.height / halving * halving, layer.width / halving * halving, layer.pooled, goal);
    flop += 2.0 * static_cast<double>(tiling.rows.points() * tiling.columns.points()) *
            static_cast<double>(layer.inputs * layer.outputs);
  }
  return flop;
}

}  // namespace graft::bench
