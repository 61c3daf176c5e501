#include "bench/cuda/layer_suite.h"

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "bench/suites/vgg16_work.h"
#include "engine/backend/cuda/backbone_memory.h"
#include "engine/backend/cuda/backbone_plans.h"
#include "engine/backend/cuda/storage_type.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"

namespace graft::bench {
namespace {

using cuda::ConvolutionProblem;

// A plan in words, and as text to make it from again.
struct Candidate {
  std::string engine;  // "28 TILE_SIZE 2 STAGES 0"
  std::string text;
};
// By problem: layers and points of the axes share some.
using Candidates = std::map<ConvolutionProblem, std::vector<Candidate>>;

std::string without_commas(std::string engine) {
  constexpr std::string_view prefix = "engine ";
  if (engine.starts_with(prefix)) engine.erase(0, prefix.size());
  std::erase(engine, ',');
  return engine;
}

const std::vector<Candidate>& candidates_of(Candidates& known, const cuda::CudnnDevice& cudnn,
                                            const ConvolutionProblem& problem) {
  const auto [at, is_new] = known.try_emplace(problem);
  if (is_new) {
    for (const cuda::ConvolutionPlan& plan : cuda::candidates(cudnn, problem)) {
      at->second.push_back({without_commas(plan.engine()), plan.serialised()});
    }
  }
  return at->second;
}

// What follows a convolution that leaves bias and ReLU out.
struct Epilogue {
  bool pooled;
  ConvolutionProblem problem;

  std::string name() const {
    if (problem.bias_relu) return "fused";
    return pooled ? "bias_relu_max_pool" : "bias_relu";
  }
  cuda::PlaneShape shape() const {
    return {problem.batch, problem.height, problem.width, problem.output_channels};
  }
  Work work(Arrays& arrays, std::byte* y) const {
    if (problem.bias_relu) return [](cudaStream_t) {};
    const cuda::PlaneShape plane = shape();
    const auto* bias = arrays.zeros<float>(plane.channels);
    return cuda::with_storage_type(problem.precision, [&](auto zero) -> Work {
      using T = decltype(zero);
      auto* values = reinterpret_cast<T*>(y);
      const std::size_t pixels = plane.images * plane.height * plane.width;
      if (!pooled) {
        return [=](cudaStream_t stream) {
          cuda::bias_relu(values, bias, pixels, plane.channels, stream);
        };
      }
      auto* out =
          arrays.zeros<T>(plane.images * (plane.height / 2) * (plane.width / 2) * plane.channels);
      return
          [=](cudaStream_t stream) { cuda::bias_relu_max_pool(out, values, bias, plane, stream); };
    });
  }
};

Work layer_work(const std::shared_ptr<const cuda::ConvolutionPlan>& plan, const Epilogue& epilogue,
                Arrays& arrays) {
  const ConvolutionProblem& problem = plan->problem();
  const std::size_t value = storage_bytes(problem.precision);
  const std::size_t pixels = problem.batch * problem.height * problem.width;
  const auto* x = arrays.numbers<std::byte>(pixels * problem.input_channels * value);
  const auto* filters =
      arrays.numbers<std::byte>(9 * problem.input_channels * problem.output_channels * value);
  const auto* bias = arrays.zeros<std::byte>(problem.output_channels * value);
  auto* y = arrays.zeros<std::byte>(pixels * problem.output_channels * value);
  auto* workspace = arrays.zeros<std::byte>(plan->workspace_bytes());
  return [=, after = epilogue.work(arrays, y)](cudaStream_t stream) {
    plan->run(stream, x, filters, bias, y, workspace);
    after(stream);
  };
}

ListedCase listed(const DeviceContext& context, const cuda::CudnnDevice& cudnn, Case what,
                  const Epilogue& epilogue, const Candidate& candidate) {
  const ConvolutionProblem& problem = epilogue.problem;
  what.clock = Clock::device;
  what.items = static_cast<double>(problem.batch);
  what.item = "images";
  return {what, [&context, &cudnn, name = what.name, epilogue, text = candidate.text] {
            const auto plan = context.device.run(name, [&] {
              return std::make_shared<const cuda::ConvolutionPlan>(
                  cuda::ConvolutionPlan::deserialised(cudnn, epilogue.problem, text));
            });
            return prepare_work(context, name, [plan, epilogue](Arrays& arrays) {
              return layer_work(plan, epilogue, arrays);
            });
          }};
}

}  // namespace

CaseList layer_cases(const DeviceContext& context, const cuda::CudnnDevice& cudnn,
                     const Axes& axes) {
  CaseList list;
  Candidates known;
  const auto add = [&](const LayerWork& layer, const BackboneOptions& options,
                       const ConvolutionProblem& problem) {
    const Epilogue epilogue = {layer.pooled, problem};
    for (const Candidate& candidate : candidates_of(known, cudnn, problem)) {
      Case what = named_case(Suite::layers, layer.name,
                             {{"precision", std::string(name_of(options.precision))},
                              {"size", size_text(options.image_size)},
                              {"batch", std::to_string(options.batch_size)},
                              {"engine", candidate.engine},
                              {"epilogue", epilogue.name()}});
      what.cost = cost_of(layer, options.batch_size, options.precision);
      list.push_back(listed(context, cudnn, what, epilogue, candidate));
    }
  };
  for (const ImageSize size : axes.sizes) {
    for (const std::size_t batch : axes.batches) {
      for (const Precision precision : axes.precisions) {
        BackboneOptions options;
        options.image_size = size;
        options.batch_size = batch;
        options.precision = precision;
        cuda::backbone_memory(options, 0);  // refuses what no device serves
        const auto problems = cuda::backbone_problems(options);
        const auto layers = vgg16_work(size);
        for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
          ConvolutionProblem problem = problems[i];
          if (problem.bias_relu) add(layers[i], options, problem);
          problem.bias_relu = false;
          add(layers[i], options, problem);
        }
      }
    }
  }
  return list;
}

}  // namespace graft::bench
