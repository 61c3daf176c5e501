#pragma once
// What VGG16's 13 convolutions cost at a size of image: floating-point operations of one image, a
// product and a sum each.

#include "engine/config/config.h"
#include "engine/weights/vgg16_weights.h"
#include "kernels/cpu/convolution_shape.h"
#include "kernels/cpu/tiling.h"

namespace graft::bench {

struct Vgg16Work {
  double direct = 0;    // by a direct convolution that leaves out what floor pooling drops
  double products = 0;  // by the first layer, and by the matrix products of Winograd's algorithm in
                        // the others: what is left of `direct` for multiply-adds. Transforms, which
                        // are mostly sums, are not counted.
};

// `goal` is what the backbone cuts its planes for: one_image for batches of one.
inline Vgg16Work vgg16_work(ImageSize image, cpu::TileGoal goal) {
  Vgg16Work work;
  std::size_t height = image.height, width = image.width;
  for (const Vgg16Layer& layer : vgg16_layers) {
    const std::size_t halving = layer.pool_after ? 2 : 1;
    const std::size_t rows = height / halving * halving, columns = width / halving * halving;
    const double channels = static_cast<double>(layer.input_channels * layer.output_channels);
    const double direct = 2.0 * 9.0 * static_cast<double>(rows * columns) * channels;
    work.direct += direct;
    if (&layer == vgg16_layers.data()) {
      work.products += direct;
    } else {
      const cpu::PlaneTiling tiling = cpu::tile_plane(rows, columns, layer.pool_after, goal);
      work.products +=
          2.0 * static_cast<double>(tiling.rows.points() * tiling.columns.points()) * channels;
    }
    height = rows / halving;
    width = columns / halving;
  }
  return work;
}

}  // namespace graft::bench
