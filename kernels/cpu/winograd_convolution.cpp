#include "kernels/cpu/winograd_convolution.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "kernels/cpu/divide_up.h"

namespace graft::cpu {
namespace {

// Scratch areas start a cache line off a round size, so that the same place in neighbouring areas
// falls in different sets of the caches.
constexpr std::size_t skew = 16;

}  // namespace

WinogradBlocking winograd_blocking(const ConvolutionShape& shape, const KernelTable& kernels,
                                   std::size_t threads) {
  // Up to 128 channels V and M of so few tiles stay in or near the second-level cache.
  if (shape.inputs <= 128) {
    return {round_up(24, kernels.gemm_rows), std::min<std::size_t>(shape.outputs, 128), false};
  }
  // Larger blocks of channels read V less often; smaller ones when threads would wait for others.
  const bool even = divide_up(shape.outputs, 64) % threads == 0;
  return {round_up(84, kernels.gemm_rows), std::min<std::size_t>(shape.outputs, even ? 64 : 32),
          true};
}

// What stays the same during one run.
struct WinogradConvolution::Job {
  TileOrder order;
  FeatureMaps maps{};
  const float* weights = nullptr;
  const float* bias = nullptr;
  const float* zeros = nullptr;  // one pixel outside the input
  float* scratch = nullptr;
};

WinogradConvolution::WinogradConvolution(const KernelTable& kernels, const ConvolutionShape& shape,
                                         TileGoal goal, const WinogradBlocking& blocking)
    : kernels_(kernels), shape_(shape), blocking_(blocking) {
  shape.check();
  if (blocking.tiles == 0 || blocking.outputs == 0 || blocking.outputs % channel_block != 0) {
    throw std::invalid_argument("a block has tiles, and channels in blocks of 16");
  }
  blocking_.outputs = round_up(blocking.outputs, kernels.gemm_columns);
  const std::size_t halving = shape.pooled ? 2 : 1;
  tiling_ = tile_feature_map(shape.output_height() * halving, shape.output_width() * halving,
                             shape.pooled, goal);
}

std::size_t WinogradConvolution::panels() const {
  return divide_up(shape_.outputs, kernels_.gemm_columns);
}

std::size_t WinogradConvolution::weights_size() const {
  return winograd_max_positions * panels() * kernels_.gemm_columns * shape_.inputs;
}

std::size_t WinogradConvolution::transformed_stride() const {
  return round_up(blocking_.tiles, kernels_.gemm_rows) * shape_.inputs + skew;
}

std::size_t WinogradConvolution::product_stride() const {
  return blocking_.tiles * blocking_.outputs + skew;
}

std::size_t WinogradConvolution::scratch_size(std::size_t threads) const {
  const std::size_t transformed = positions() * transformed_stride();
  const std::size_t product = positions() * product_stride();
  return shape_.inputs + (blocking_.by_channels ? transformed + threads * product
                                                : threads * (transformed + product));
}

void WinogradConvolution::pack_weights(ThreadPool& threads, const float* kernel,
                                       float* packed) const {
  const auto piece = [&](std::size_t panel, std::size_t) {
    kernels_.winograd_weights({shape_.inputs, shape_.outputs, kernel, packed, panel});
  };
  threads.parallel_for(panels(), std::cref(piece));
}

void WinogradConvolution::run(ThreadPool& threads, const float* weights, const float* bias,
                              const FeatureMaps& maps, float* scratch) const {
  if (maps.images == 0) return;
  std::fill_n(scratch, shape_.inputs, 0.0F);
  const Job job{TileOrder(tiling_, maps.images), maps, weights, bias, scratch,
                scratch + shape_.inputs};
  if (blocking_.by_channels) {
    run_by_channels(threads, job);
  } else {
    run_by_tiles(threads, job);
  }
}

// A block of tiles. Position (i, j) has a row in V and M for each of its tiles that has it; which
// do, depends only on whether i and j are past the positions of a small tile.
class WinogradConvolution::Block {
 public:
  Block(const WinogradConvolution& layer, const Job& job, TileRange tiles)
      : tiles_(tiles),
        rows_(layer.tiling_.rows.small + 2),
        columns_(layer.tiling_.columns.small + 2) {
    for (std::size_t large_rows = 0; large_rows < 2; ++large_rows) {
      for (std::size_t large_columns = 0; large_columns < 2; ++large_columns) {
        with_position_[large_rows][large_columns] = job.order.with_position(
            large_rows != 0 ? rows_ : 0, large_columns != 0 ? columns_ : 0, tiles);
      }
    }
  }
  TileRange tiles() const { return tiles_; }
  const TileRange& with_position(std::size_t i, std::size_t j) const {
    return with_position_[i >= rows_][j >= columns_];
  }
  // Of a tile in V and M at a position that it has.
  std::size_t row_of(std::size_t tile, std::size_t i, std::size_t j) const {
    return tile - with_position(i, j).first;
  }

 private:
  TileRange tiles_;
  std::size_t rows_, columns_;
  TileRange with_position_[2][2];
};

// Blocks of nearly equal size: a small last one would read all weights for a few tiles. `sharers`
// threads take them: as many blocks for each.
std::size_t WinogradConvolution::block_tiles(const Job& job, std::size_t sharers) const {
  const std::size_t blocks = round_up(divide_up(job.order.count(), blocking_.tiles), sharers);
  const std::size_t even = round_up(divide_up(job.order.count(), blocks), kernels_.gemm_rows);
  return std::min(even, blocking_.tiles);
}

void WinogradConvolution::run_by_tiles(ThreadPool& threads, const Job& job) const {
  const std::size_t step = block_tiles(job, threads.threads());
  const auto piece = [&](std::size_t index, std::size_t thread) {
    const Block block(*this, job, {index * step, std::min((index + 1) * step, job.order.count())});
    float* transformed =
        job.scratch + thread * positions() * (transformed_stride() + product_stride());
    float* product = transformed + positions() * transformed_stride();
    transform_input(job, block, block.tiles(), transformed);
    for (std::size_t output = 0; output < shape_.outputs; output += blocking_.outputs) {
      multiply(job, block, output, transformed, product);
      transform_output(job, block, output, product);
    }
  };
  threads.parallel_for(divide_up(job.order.count(), step), std::cref(piece));
}

void WinogradConvolution::run_by_channels(ThreadPool& threads, const Job& job) const {
  constexpr std::size_t tiles_in_piece = 4;
  float* transformed = job.scratch;
  float* products = job.scratch + positions() * transformed_stride();
  const std::size_t step = block_tiles(job, 1);
  for (std::size_t first = 0; first < job.order.count(); first += step) {
    const TileRange tiles{first, std::min(first + step, job.order.count())};
    const Block block(*this, job, tiles);
    const auto transform = [&](std::size_t index, std::size_t) {
      const std::size_t begin = tiles.first + index * tiles_in_piece;
      transform_input(job, block, {begin, std::min(begin + tiles_in_piece, tiles.last)},
                      transformed);
    };
    threads.parallel_for(divide_up(tiles.count(), tiles_in_piece), std::cref(transform));
    const auto multiply_and_transform = [&](std::size_t index, std::size_t thread) {
      float* product = products + thread * positions() * product_stride();
      multiply(job, block, index * blocking_.outputs, transformed, product);
      transform_output(job, block, index * blocking_.outputs, product);
    };
    threads.parallel_for(divide_up(shape_.outputs, blocking_.outputs),
                         std::cref(multiply_and_transform));
  }
}

// Transforms `tiles`, a part of `block`, into the packed A of each position.
void WinogradConvolution::transform_input(const Job& job, const Block& block, TileRange tiles,
                                          float* transformed) const {
  const std::size_t gemm_rows = kernels_.gemm_rows;
  const std::size_t stride = transformed_stride();
  const std::size_t small_columns = tiling_.columns.small + 2;
  const std::size_t large_column = tiling_.columns.large + 1;
  // Where a row of A begins in its packed form.
  const auto packed_row = [&](std::size_t row) {
    return row / gemm_rows * gemm_rows * shape_.inputs + row % gemm_rows * channel_block;
  };
  WinogradInputTile input{};
  input.channels = shape_.inputs;
  input.target_step = gemm_rows * channel_block;
  for (std::size_t tile = tiles.first; tile < tiles.last; ++tile) {
    const TilePlace place = job.order.place(tile);
    input.rows = tiling_.rows.size(place.row);
    input.columns = tiling_.columns.size(place.column);
    input.next = input.columns * shape_.inputs;
    point_at_pixels(job, place, input);
    for (std::size_t i = 0; i < input.rows + 2; ++i) {
      float* first = transformed + i * point_columns() * stride;
      const std::size_t every = packed_row(block.row_of(tile, i, 0));
      const std::size_t large = packed_row(block.row_of(tile, i, large_column));
      for (std::size_t j = 0; j < input.columns + 2; ++j) {
        input.target[i * winograd_max_points + j] =
            first + j * stride + (j < small_columns ? every : large);
      }
    }
    kernels_.winograd_input(input);
  }
}

// The tile's window of the input, which starts one pixel up and left of its outputs.
void WinogradConvolution::point_at_pixels(const Job& job, const TilePlace& place,
                                          WinogradInputTile& input) const {
  const float* image = job.maps.input + place.image * job.maps.input_stride;
  const std::size_t top = tiling_.rows.begin(place.row), left = tiling_.columns.begin(place.column);
  for (std::size_t i = 0; i < input.rows + 2; ++i) {
    const std::size_t y = top + i;  // + 1: the numbers stay unsigned
    const bool inside = y >= 1 && y <= shape_.height;
    const float* row = inside ? image + (y - 1) * shape_.width * shape_.inputs : job.zeros;
    const float** pixel = input.pixel + i * winograd_max_points;
    for (std::size_t j = 0; j < input.columns + 2; ++j) {
      const std::size_t x = left + j;  // + 1
      pixel[j] = inside && x >= 1 && x <= shape_.width ? row + (x - 1) * shape_.inputs : job.zeros;
    }
  }
}

// The GEMMs of all positions, for the block's tiles and the output channels from `output` on.
void WinogradConvolution::multiply(const Job& job, const Block& block, std::size_t output,
                                   const float* transformed, float* product) const {
  const std::size_t padded_outputs = panels() * kernels_.gemm_columns;
  const std::size_t columns = std::min(blocking_.outputs, padded_outputs - output);
  const auto weights = [&](std::size_t i, std::size_t j) {
    return job.weights + ((i * winograd_max_points + j) * padded_outputs + output) * shape_.inputs;
  };
  for (std::size_t i = 0; i < point_rows(); ++i) {
    for (std::size_t j = 0; j < point_columns(); ++j) {
      const std::size_t position = i * point_columns() + j;
      const bool last_of_row = j + 1 == point_columns(), last_row = i + 1 == point_rows();
      kernels_.gemm({block.with_position(i, j).count(), columns, shape_.inputs,
                     transformed + position * transformed_stride(), weights(i, j),
                     last_of_row ? weights(last_row ? 0 : i + 1, 0) : weights(i, j + 1),
                     product + position * product_stride(), blocking_.outputs});
    }
  }
}

void WinogradConvolution::transform_output(const Job& job, const Block& block, std::size_t output,
                                           const float* product) const {
  const std::size_t halving = shape_.pooled ? 2 : 1;
  const std::size_t stride = product_stride();
  const std::size_t small_columns = tiling_.columns.small + 2;
  const std::size_t large_column = tiling_.columns.large + 1;
  WinogradOutputTile tile{};
  tile.bias = job.bias + output;
  tile.channels = std::min(blocking_.outputs, shape_.outputs - output);
  tile.pooled = shape_.pooled;
  tile.pixel_stride = shape_.outputs;
  tile.row_stride = shape_.output_width() * shape_.outputs;
  for (std::size_t index = block.tiles().first; index < block.tiles().last; ++index) {
    const TilePlace place = job.order.place(index);
    tile.rows = tiling_.rows.size(place.row);
    tile.columns = tiling_.columns.size(place.column);
    tile.next = tile.columns / halving * shape_.outputs;
    const std::size_t top = tiling_.rows.begin(place.row),
                      left = tiling_.columns.begin(place.column);
    tile.valid_rows = std::min(tile.rows, shape_.output_height() * halving - top);
    tile.valid_columns = std::min(tile.columns, shape_.output_width() * halving - left);
    tile.target = job.maps.output + place.image * job.maps.output_stride +
                  top / halving * tile.row_stride + left / halving * tile.pixel_stride + output;
    for (std::size_t i = 0; i < tile.rows + 2; ++i) {
      const float* first = product + i * point_columns() * stride;
      const std::size_t every = block.row_of(index, i, 0) * blocking_.outputs;
      const std::size_t large = block.row_of(index, i, large_column) * blocking_.outputs;
      for (std::size_t j = 0; j < tile.columns + 2; ++j) {
        tile.product[i * winograd_max_points + j] =
            first + j * stride + (j < small_columns ? every : large);
      }
    }
    kernels_.winograd_output(tile);
  }
}

}  // namespace graft::cpu
