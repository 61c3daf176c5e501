#include <fmt/format.h>

#include <array>

#include "bench/cpu/cpu_cases.h"
#include "engine/vgg16/vgg16.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/preprocess.h"

namespace graft::bench {
namespace {

using cpu::Isa;
using cpu::KernelTable;

// From the size of a core's caches to more than every cache holds.
constexpr std::array<std::size_t, 3> tile_sweep = {16, 256, 4096};
constexpr std::size_t winograd_channels = 64;

KernelWork gemm(const KernelTable& kernels, std::size_t depth) {
  constexpr std::size_t rows = 6 * 14, columns = 64, calls = 64;
  return {"gemm", number_axes({{"depth", depth}}),
          2.0 * calls * rows * columns * static_cast<double>(depth),
          4.0 * calls * static_cast<double>(rows * depth + columns * depth + rows * columns), [=] {
            const auto a = shared_filled((rows + 16) * depth * calls);
            const auto b = shared_filled(columns * depth * calls);
            const auto c = shared_filled(rows * columns * calls);
            return [=] {
              for (std::size_t i = 0; i < calls; ++i) {
                const float* next_b = b->data() + (i + 1) % calls * columns * depth;
                kernels.gemm({rows, columns, depth, a->data() + i * (rows + 16) * depth,
                              b->data() + i * columns * depth, next_b,
                              c->data() + i * rows * columns, columns});
              }
            };
          }};
}

// `tiles` tiles of F(m×m) without common pixels.
KernelWork winograd_input(const KernelTable& kernels, std::size_t m, std::size_t tiles) {
  constexpr std::size_t tile_floats = cpu::winograd_max_positions * winograd_channels;
  return {"winograd_input", number_axes({{"m", m}, {"tiles", tiles}}), 0.0,
          8.0 * static_cast<double>((m + 2) * (m + 2) * winograd_channels * tiles), [=] {
            const auto input = shared_filled(tile_floats * tiles);
            const auto target = shared_filled(tile_floats * tiles);
            return [=] {
              cpu::WinogradInputTile tile{
                  m, m, {}, {}, cpu::channel_block, winograd_channels, tile_floats};
              for (std::size_t t = 0; t < tiles; ++t) {
                if (t + 1 == tiles) tile.next = 0;
                for (std::size_t p = 0; p < cpu::winograd_max_positions; ++p) {
                  const std::size_t at = t * tile_floats + p * winograd_channels;
                  tile.pixel[p] = input->data() + at;
                  tile.target[p] = target->data() + at;
                }
                kernels.winograd_input(tile);
              }
            };
          }};
}

KernelWork winograd_output(const KernelTable& kernels, std::size_t m, bool pooled,
                           std::size_t tiles) {
  constexpr std::size_t channels = winograd_channels;
  constexpr std::size_t tile_floats = cpu::winograd_max_positions * channels;
  const std::size_t side = pooled ? m / 2 : m;
  return {"winograd_output",
          {{"m", fmt::format("{}", m)},
           {"pool", pooled ? "yes" : "no"},
           {"tiles", fmt::format("{}", tiles)}},
          0.0,
          4.0 * static_cast<double>(((m + 2) * (m + 2) + side * side) * channels * tiles),
          [=] {
            const auto products = shared_filled(tile_floats * tiles);
            const auto target = shared_filled(side * side * channels * tiles);
            const auto bias = shared_filled(channels);
            return [=] {
              for (std::size_t t = 0; t < tiles; ++t) {
                float* outputs = target->data() + t * side * side * channels;
                const std::size_t next = t + 1 == tiles ? 0 : side * side * channels;
                cpu::WinogradOutputTile tile{m, m,      {},      bias->data(),    channels, m,
                                             m, pooled, outputs, side * channels, channels, next};
                for (std::size_t p = 0; p < cpu::winograd_max_positions; ++p)
                  tile.product[p] = products->data() + t * tile_floats + p * channels;
                kernels.winograd_output(tile);
              }
            };
          }};
}

// One panel of output channels of a layer, the work of one thread.
KernelWork winograd_weights(const KernelTable& kernels, std::size_t inputs) {
  const std::size_t columns = kernels.gemm_columns;
  return {"winograd_weights", number_axes({{"inputs", inputs}}), 0.0,
          4.0 * static_cast<double>((9 + cpu::winograd_max_positions) * inputs * columns), [=] {
            const auto kernel = shared_filled(9 * inputs * columns);
            const auto packed = shared_filled(cpu::winograd_max_positions * inputs * columns);
            return [=] {
              kernels.winograd_weights({inputs, columns, kernel->data(), packed->data(), 0});
            };
          }};
}

KernelWork finish(const KernelTable& kernels, bool pooled, std::size_t pixels) {
  constexpr std::size_t channels = 128;
  const std::size_t read = pooled ? 4 : 1;
  return {"finish",
          {{"pool", pooled ? "yes" : "no"}, {"pixels", fmt::format("{}", pixels)}},
          0.0,
          4.0 * static_cast<double>((read + 1) * pixels * channels),
          [=] {
            const auto product = shared_filled(read * pixels * channels);
            const auto target = shared_filled(pixels * channels);
            const auto bias = shared_filled(channels);
            return [=] {
              kernels.finish({pixels, channels, product->data(), channels, pooled, bias->data(),
                              target->data(), channels});
            };
          }};
}

KernelWork convolution_rgb(const KernelTable& kernels, ImageSize size) {
  constexpr std::size_t outputs = 64;
  const std::size_t height = size.height, width = size.width;
  return {"convolution_rgb",
          {{"size", size_text(size)}},
          2.0 * 27 * static_cast<double>(height * width * outputs),
          4.0 * static_cast<double>(height * width * (3 + outputs)),
          [=] {
            const auto input = shared_filled((height + 2) * (width + 2) * 3);
            const auto kernel = shared_filled(27 * outputs), bias = shared_filled(outputs);
            const auto output = shared_filled(height * width * outputs);
            return [=] {
              kernels.convolution_rgb({width, outputs, input->data(), kernel->data(), bias->data(),
                                       output->data(), 0, height});
            };
          }};
}

// A layer's outputs of one image.
KernelWork global_pool(const KernelTable& kernels, const LayerShape& layer) {
  const std::size_t height = layer.output_height(), width = layer.output_width();
  const std::size_t channels = layer.outputs;
  return {"global_pool",
          number_axes({{"height", height}, {"width", width}, {"channels", channels}}), 0.0,
          4.0 * static_cast<double>((height * width + 2) * channels), [=] {
            const auto map = shared_filled(height * width * channels);
            const auto average = shared_filled(channels), maximum = shared_filled(channels);
            return [=] {
              for (std::size_t c = 0; c < channels; c += cpu::global_pool_channels)
                kernels.global_pool({height, width, channels, map->data() + c, average->data() + c,
                                     maximum->data() + c});
            };
          }};
}

KernelWork preprocess(ImageSize size) {
  const std::size_t height = size.height, width = size.width;
  return {"preprocess",
          {{"size", size_text(size)}},
          0.0,
          15.0 * static_cast<double>(height * width),
          [=] {
            const auto rgb = std::make_shared<std::vector<std::uint8_t>>(height * width * 3, 77);
            const auto output = shared_filled((height + 2) * (width + 2) * 3);
            return [=, tables = caffe_tables()] {
              cpu::preprocess(tables, {height, width, rgb->data(), output->data()});
            };
          }};
}

}  // namespace

std::vector<KernelWork> backbone_kernels(Isa isa, const Axes& axes) {
  const KernelTable& kernels = cpu::kernels_for(isa);
  std::vector<KernelWork> all;
  for (const std::size_t depth : {64, 128, 256, 512}) all.push_back(gemm(kernels, depth));
  for (const std::size_t m : {6, 5, 4, 2})
    for (const std::size_t tiles : tile_sweep) all.push_back(winograd_input(kernels, m, tiles));
  for (const auto& [m, pooled] :
       {std::pair<std::size_t, bool>{6, false}, {6, true}, {5, false}, {4, true}})
    for (const std::size_t tiles : tile_sweep)
      all.push_back(winograd_output(kernels, m, pooled, tiles));
  for (const std::size_t inputs : {64, 128, 256, 512})
    all.push_back(winograd_weights(kernels, inputs));
  for (const bool pooled : {false, true})
    for (const std::size_t pixels : {256, 4096, 65536})
      all.push_back(finish(kernels, pooled, pixels));
  for (const ImageSize size : axes.sizes) {
    all.push_back(convolution_rgb(kernels, size));
    all.push_back(preprocess(size));
    for (const LayerShape& layer : vgg16_shapes(size))
      if (layer.pool_after) all.push_back(global_pool(kernels, layer));
  }
  return all;
}

}  // namespace graft::bench
