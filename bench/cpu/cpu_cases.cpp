// The cases of a CPU: the hand-written kernels on all threads, and the layers by both algorithms.

#include "bench/cpu/cpu_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>

#include "bench/cases/timed.h"
#include "engine/base/memory.h"
#include "engine/vgg16/vgg16.h"
#include "kernels/cpu/gemm_convolution.h"
#include "kernels/cpu/winograd_convolution.h"

namespace graft::bench {
namespace {

class KernelSubject final : public Subject {
 public:
  KernelSubject(const CpuContext& context, const KernelWork& work) : context_(context) {
    executions_.resize(context.pool.threads());
    // By the thread that uses it: the first access to a page decides its NUMA node.
    context.pool.parallel_for(executions_.size(), [&](std::size_t piece, std::size_t) {
      executions_[piece] = work.prepare();
    });
  }
  double sample(CacheState cache, std::size_t times) override {
    if (cache == CacheState::cold) context_.flush();
    return seconds_of([&] {
      context_.pool.parallel_for(executions_.size(), [&](std::size_t piece, std::size_t) {
        for (std::size_t i = 0; i < times; ++i) executions_[piece]();
      });
    });
  }

 private:
  const CpuContext& context_;
  std::vector<std::function<void()>> executions_;
};

Case kernel_case(const CpuContext& context, const KernelWork& work) {
  Case what = named_case(Suite::kernels, work.name, work.axes);
  const auto threads = static_cast<double>(context.pool.threads());
  what.cost = {threads * work.flop, threads * work.bytes, Precision::fp32};
  what.prepare = [&context, work, name = what.name, bytes = what.cost.bytes] {
    check_memory(name, bytes, "choose fewer --threads");
    return std::make_unique<KernelSubject>(context, work);
  };
  return what;
}

enum class Algorithm { winograd, direct };

// A layer of the network at one batch, and the memory of its activations.
struct Layer {
  std::string name;
  LayerShape shape;
  std::size_t batch;

  // Floats from one image to the next: one cache line more than an image needs, so that the same
  // pixel of two images maps to different cache sets.
  std::size_t input_stride() const {
    return shape.height * shape.width * shape.inputs + cpu::channel_block;
  }
  std::size_t output_stride() const {
    return shape.output_height() * shape.output_width() * shape.outputs + cpu::channel_block;
  }
};

// The convolution by WinogradConvolution or GemmConvolution, on all threads.
template <typename Convolution>
std::function<void()> prepare(cpu::ThreadPool& pool, Convolution convolution, const Layer& layer) {
  const std::size_t from = layer.input_stride(), to = layer.output_stride();
  const auto weights = shared_filled(convolution.weights_size());
  const auto bias = shared_filled(layer.shape.outputs);
  const auto scratch = shared_filled(convolution.scratch_size(pool.threads()));
  const auto input = shared_filled(layer.batch * from), output = shared_filled(layer.batch * to);
  return
      [&pool, convolution, batch = layer.batch, from, to, weights, bias, scratch, input, output] {
        convolution.run(pool, weights->data(), bias->data(),
                        {batch, input->data(), from, output->data(), to}, scratch->data());
      };
}

// The first convolution, eight rows of an image in a piece.
std::function<void()> prepare_rgb(const CpuContext& context, const Layer& layer) {
  const cpu::KernelTable& kernels = cpu::kernels_for(context.isa);
  const auto [height, width, inputs, outputs, pooled] = layer.shape;
  const std::size_t from = (height + 2) * (width + 2) * 3 + cpu::channel_block;
  const std::size_t to = layer.output_stride();
  const auto kernel = shared_filled(27 * outputs), bias = shared_filled(outputs);
  const auto input = shared_filled(layer.batch * from), output = shared_filled(layer.batch * to);
  return [&pool = context.pool, &kernels, shape = layer.shape, batch = layer.batch, from, to,
          kernel, bias, input, output] {
    constexpr std::size_t rows_in_piece = 8;
    const std::size_t pieces = (shape.height + rows_in_piece - 1) / rows_in_piece;
    pool.parallel_for(batch * pieces, [&](std::size_t piece, std::size_t) {
      const std::size_t image = piece / pieces, first = piece % pieces * rows_in_piece;
      kernels.convolution_rgb({shape.width, shape.outputs, input->data() + image * from,
                               kernel->data(), bias->data(), output->data() + image * to, first,
                               std::min(rows_in_piece, shape.height - first)});
    });
  };
}

std::function<void()> prepare(const CpuContext& context, const Layer& layer, Algorithm algorithm) {
  const auto values = static_cast<double>(layer.batch) *
                      static_cast<double>(layer.input_stride() + layer.output_stride());
  check_memory(fmt::format("the layer {} for a batch of {}", layer.name, layer.batch),
               4.0 * (values + 8.0 * static_cast<double>(layer.shape.weights())),
               "choose a smaller --batch or --size");
  if (layer.shape.inputs == 3) return prepare_rgb(context, layer);
  const cpu::KernelTable& kernels = cpu::kernels_for(context.isa);
  const auto [height, width, inputs, outputs, pooled] = layer.shape;
  const cpu::ConvolutionShape shape = {height, width, inputs, outputs, pooled};
  if (algorithm == Algorithm::direct)
    return prepare(context.pool, cpu::GemmConvolution(kernels, shape), layer);
  const auto goal = layer.batch == 1 ? cpu::TileGoal::one_image : cpu::TileGoal::many_images;
  const auto blocking = cpu::winograd_blocking(shape, kernels, context.pool.threads());
  return prepare(context.pool, cpu::WinogradConvolution(kernels, shape, goal, blocking), layer);
}

Case layer_case(const CpuContext& context, const Layer& layer, Algorithm algorithm,
                ImageSize size) {
  const bool winograd = algorithm == Algorithm::winograd;
  Case what =
      named_case(Suite::layers, fmt::format("{}/{}", layer.name, winograd ? "winograd" : "direct"),
                 {{"precision", "fp32"},
                  {"size", size_text(size)},
                  {"batch", fmt::format("{}", layer.batch)}});
  what.cost = layer_cost(layer.shape, layer.batch, Precision::fp32);
  what.items = static_cast<double>(layer.batch);
  what.item = "images";
  what.prepare = [&context, layer, algorithm] {
    return std::make_unique<HostSubject>(std::ref(context.flush),
                                         prepare(context, layer, algorithm));
  };
  return what;
}

}  // namespace

std::vector<Case> cpu_kernel_cases(const CpuContext& context, const Axes& axes) {
  std::vector<Case> list;
  for (const auto& kernels : {backbone_kernels(context.isa, axes), head_kernels(context.isa, axes)})
    for (const KernelWork& work : kernels) list.push_back(kernel_case(context, work));
  return list;
}

std::vector<Case> cpu_layer_cases(const CpuContext& context, const Axes& axes) {
  std::vector<Case> list;
  for (const ImageSize size : axes.sizes) {
    for (const std::size_t batch : axes.batches) {
      const auto shapes = vgg16_shapes(size);
      for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
        const Layer layer = {std::string(vgg16_layers[i].name), shapes[i], batch};
        if (layer.shape.inputs != 3)
          list.push_back(layer_case(context, layer, Algorithm::winograd, size));
        list.push_back(layer_case(context, layer, Algorithm::direct, size));
      }
    }
  }
  return list;
}

}  // namespace graft::bench
