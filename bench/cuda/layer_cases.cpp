#include "bench/cuda/cuda_cases.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "bench/cases/backend_suites.h"
#include "bench/cases/case_list.h"
#include "engine/backend/cuda/backbone/backbone_spec.h"
#include "engine/backend/cuda/cudnn/storage_type.h"
#include "engine/vgg16/vgg16.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"

namespace graft::bench {
namespace {

using cuda::ConvolutionProblem;

// An execution plan, by name and serialised.
struct Candidate {
  std::string engine;  // "28 TILE_SIZE 2 STAGES 0"
  std::string text;
};
// By problem: layers and points of the axes share problems.
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
    cuda::Warnings skipped;
    const auto add = [&](const cuda::ConvolutionPlan& plan) {
      const std::string engine = without_commas(plan.engine());
      if (std::ranges::find(at->second, engine, &Candidate::engine) == at->second.end())
        at->second.push_back({engine, plan.serialised()});
      return false;
    };
    for (const auto source : {cuda::PlanSource::heuristics, cuda::PlanSource::fallback})
      cuda::offer_plans(cudnn, problem, source, cuda::ChosenBy::time, skipped, add);
  }
  return at->second;
}

// The kernel after a convolution without bias and ReLU.
struct Epilogue {
  bool pooled;
  ConvolutionProblem problem;

  std::string name() const {
    if (problem.bias_relu) return "fused";
    return pooled ? "bias_relu_max_pool" : "bias_relu";
  }
  cuda::BatchShape shape() const {
    return {problem.batch, problem.height, problem.width, problem.output_channels};
  }
  Work work(Arrays& arrays, std::byte* y) const {
    if (problem.bias_relu) return [](cudaStream_t) {};
    const cuda::BatchShape map = shape();
    const auto* bias = arrays.zeros<float>(map.channels);
    return cuda::with_storage_type(problem.precision, [&](auto zero) -> Work {
      using T = decltype(zero);
      auto* values = reinterpret_cast<T*>(y);
      const std::size_t pixels = map.images * map.height * map.width;
      if (!pooled) {
        return [=](cudaStream_t stream) {
          cuda::bias_relu(values, bias, pixels, map.channels, stream);
        };
      }
      auto* out = arrays.zeros<T>(map.images * (map.height / 2) * (map.width / 2) * map.channels);
      return [=](cudaStream_t stream) { cuda::bias_relu_max_pool(out, values, bias, map, stream); };
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

Case listed(const DeviceContext& context, const cuda::CudnnDevice& cudnn, Case what,
            const Epilogue& epilogue, const Candidate& candidate) {
  const ConvolutionProblem& problem = epilogue.problem;
  what.clock = Clock::device;
  what.items = static_cast<double>(problem.batch);
  what.item = "images";
  what.prepare = [&context, &cudnn, name = what.name, epilogue, text = candidate.text] {
    const auto plan = context.device.run(name, [&] {
      return std::make_shared<const cuda::ConvolutionPlan>(
          cuda::ConvolutionPlan::deserialised(cudnn, epilogue.problem, cuda::ChosenBy::time, text));
    });
    return prepare_work(context, name, [plan, epilogue](Arrays& arrays) {
      return layer_work(plan, epilogue, arrays);
    });
  };
  return what;
}

}  // namespace

std::vector<Case> layer_cases(const DeviceContext& context, const cuda::CudnnDevice& cudnn,
                              const Axes& axes) {
  std::vector<Case> list;
  Candidates known;
  const auto add = [&](std::size_t layer, const BackboneOptions& options,
                       const ConvolutionProblem& problem) {
    const Epilogue epilogue = {vgg16_layers[layer].pool_after, problem};
    const LayerShape shape = vgg16_shapes(options.image_size)[layer];
    for (const Candidate& candidate : candidates_of(known, cudnn, problem)) {
      AxisValues values = axes_of(options);
      values.emplace_back("engine", candidate.engine);
      values.emplace_back("epilogue", epilogue.name());
      Case what = named_case(Suite::layers, vgg16_layers[layer].name, std::move(values));
      what.cost = layer_cost(shape, options.batch_size, options.precision);
      list.push_back(listed(context, cudnn, what, epilogue, candidate));
    }
  };
  for (const BackboneOptions& options : options_at({}, axes)) {
    const cuda::BackboneSpec spec(options);  // throws for unsupported axes
    for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
      ConvolutionProblem problem = spec.problem(layer);
      if (problem.bias_relu) add(layer, options, problem);
      problem.bias_relu = false;
      add(layer, options, problem);
    }
  }
  return list;
}

}  // namespace graft::bench
