#include <fmt/format.h>

#include <functional>
#include <string>

#include "bench/cpu/cpu_cases.h"
#include "bench/cpu/filled.h"
#include "bench/suites/timed.h"
#include "bench/suites/vgg16_work.h"
#include "engine/base/memory.h"
#include "kernels/cpu/gemm_convolution.h"
#include "kernels/cpu/winograd_convolution.h"

namespace graft::bench {
namespace {

// A cache line more than a plane needs: the same pixel of two images falls in different sets.
std::size_t stride_of(double values) {
  return static_cast<std::size_t>(values) + cpu::channel_block;
}

void check_layer_memory(const LayerWork& layer, std::size_t batch) {
  check_memory(fmt::format("The layer {} for a batch of {}", layer.name, batch),
               4.0 * (static_cast<double>(batch) * (layer.input_values + layer.output_values) +
                      8.0 * layer.weight_values),
               "choose a smaller --batch or --size");
}

class LayerSubject final : public Subject {
 public:
  LayerSubject(const CpuContext& context, std::function<void()> execution)
      : context_(context), execution_(std::move(execution)) {}
  double sample(CacheState cache, std::size_t times) override {
    if (cache == CacheState::cold) context_.flush.run();
    return seconds_of([&] {
      for (std::size_t i = 0; i < times; ++i) execution_();
    });
  }

 private:
  const CpuContext& context_;
  const std::function<void()> execution_;
};

cpu::ConvolutionShape shape_of(const LayerWork& layer) {
  return {layer.height, layer.width, layer.inputs, layer.outputs, layer.pooled};
}

// The convolution by `Layer`, WinogradConvolution or GemmConvolution, on all threads.
template <typename Layer>
std::function<void()> prepared(cpu::ThreadPool& pool, Layer convolution, const LayerWork& layer,
                               std::size_t batch) {
  check_layer_memory(layer, batch);
  const std::size_t from = stride_of(layer.input_values), to = stride_of(layer.output_values);
  const auto weights = shared_filled(convolution.weights_size());
  const auto bias = shared_filled(layer.outputs);
  const auto scratch = shared_filled(convolution.scratch_size(pool.threads()));
  const auto input = shared_filled(batch * from), output = shared_filled(batch * to);
  return [&pool, convolution, batch, from, to, weights, bias, scratch, input, output] {
    convolution.run(pool, weights->data(), bias->data(),
                    {batch, input->data(), from, output->data(), to}, scratch->data());
  };
}

// The first convolution, an image a piece.
std::function<void()> prepared_rgb(const CpuContext& context, const LayerWork& layer,
                                   std::size_t batch) {
  check_layer_memory(layer, batch);
  const cpu::KernelTable& kernels = cpu::kernels_for(context.isa);
  const std::size_t height = layer.height, width = layer.width, outputs = layer.outputs;
  const std::size_t from = (height + 2) * (width + 2) * 3 + cpu::channel_block;
  const std::size_t to = stride_of(layer.output_values);
  const auto kernel = shared_filled(27 * outputs), bias = shared_filled(outputs);
  const auto input = shared_filled(batch * from), output = shared_filled(batch * to);
  return [&pool = context.pool, &kernels, height, width, outputs, batch, from, to, kernel, bias,
          input, output] {
    constexpr std::size_t rows_in_piece = 8;
    const std::size_t pieces = (height + rows_in_piece - 1) / rows_in_piece;
    pool.parallel_for(batch * pieces, [&](std::size_t piece, std::size_t) {
      const std::size_t image = piece / pieces, first = piece % pieces * rows_in_piece;
      kernels.convolution_rgb({width, outputs, input->data() + image * from, kernel->data(),
                               bias->data(), output->data() + image * to, first,
                               std::min(rows_in_piece, height - first)});
    });
  };
}

enum class Way { winograd, direct };

std::function<void()> prepared(const CpuContext& context, const LayerWork& layer, Way way,
                               std::size_t batch) {
  const cpu::KernelTable& kernels = cpu::kernels_for(context.isa);
  if (layer.inputs == 3) return prepared_rgb(context, layer, batch);
  if (way == Way::direct)
    return prepared(context.pool, cpu::GemmConvolution(kernels, shape_of(layer)), layer, batch);
  const auto goal = batch == 1 ? cpu::TileGoal::one_image : cpu::TileGoal::many_images;
  return prepared(context.pool,
                  cpu::WinogradConvolution(
                      kernels, shape_of(layer), goal,
                      cpu::winograd_blocking(shape_of(layer), kernels, context.pool.threads())),
                  layer, batch);
}

ListedCase layer_case(const CpuContext& context, const LayerWork& layer, Way way, ImageSize size,
                      std::size_t batch) {
  ListedCase listed;
  listed.what = named_case(
      Suite::layers, fmt::format("{}/{}", layer.name, way == Way::winograd ? "winograd" : "direct"),
      {{"precision", "fp32"}, {"size", size_text(size)}, {"batch", fmt::format("{}", batch)}});
  listed.what.cost = cost_of(layer, batch, Precision::fp32);
  listed.what.items = static_cast<double>(batch);
  listed.what.item = "images";
  listed.prepare = [&context, layer, way, batch] {
    return std::make_unique<LayerSubject>(context, prepared(context, layer, way, batch));
  };
  return listed;
}

}  // namespace

CaseList cpu_layer_cases(const CpuContext& context, const Axes& axes) {
  CaseList list;
  for (const ImageSize size : axes.sizes) {
    for (const std::size_t batch : axes.batches) {
      for (const LayerWork& layer : vgg16_work(size)) {
        if (layer.inputs != 3)
          list.push_back(layer_case(context, layer, Way::winograd, size, batch));
        list.push_back(layer_case(context, layer, Way::direct, size, batch));
      }
    }
  }
  return list;
}

}  // namespace graft::bench
