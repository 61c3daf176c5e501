#include "engine/backend/cuda/cudnn/autotune.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "engine/backend/cuda/cudnn/storage_type.h"
#include "engine/backend/cuda/runtime/errors.h"
#include "engine/backend/cuda/runtime/resources.h"
#include "engine/base/error.h"
#include "kernels/cuda/bias_relu.h"

namespace graft::cuda {
namespace {

constexpr std::size_t timed_runs = 5;
// A plan whose first timed run is slower than the best by this factor gets no more runs.
constexpr float hopeless = 1.5F;

[[noreturn]] void no_plan(const CudnnDevice& device, const ConvolutionProblem& problem) {
  throw Error(ErrorKind::device,
              fmt::format("cuDNN {} has no deterministic plan for a convolution of {} on sm_{}; "
                          "choose another backbone.precision or batch_size",
                          cudnn_version(), text_of(problem), device.compute_capability()));
}

ConvolutionProblem unfused(ConvolutionProblem problem) {
  problem.bias_relu = false;
  return problem;
}

// In fp16 a sum may overflow, and the difference of two such sums is a NaN. The backbone refuses
// features that are not finite, and must see them: a ReLU that makes a NaN 0 would hide it.
// kernels/cuda/bias_relu keeps a NaN; an engine that fuses the ReLU does where cuDNN says so.
bool keeps_nan(const ConvolutionPlan& plan) {
  if (plan.problem().precision != Precision::fp16 || !plan.problem().bias_relu) return true;
  return std::ranges::find(plan.notes(), "strict NaN propagation") != plan.notes().end();
}

ConvolutionPlan by_heuristics(const CudnnDevice& device, const ConvolutionProblem& problem) {
  auto plans = candidates(device, problem, 1);
  if (problem.bias_relu && (plans.empty() || !keeps_nan(plans.front()))) {
    plans = candidates(device, unfused(problem), 1);
  }
  if (plans.empty()) no_plan(device, problem);
  return std::move(plans.front());
}

// Memory of small, finite numbers, whatever type they are read as.
DeviceBuffer filled(std::size_t bytes, const Stream& stream) {
  constexpr int byte = 0x3C;  // 0x3C3C is 1.06 as a half, 0.011 as a bfloat16
  DeviceBuffer buffer(bytes);
  GRAFT_CUDA_CHECK(cudaMemsetAsync(buffer.data(), byte, bytes, stream.get()));
  return buffer;
}

// Times plans of one layer, on memory of its own.
class Stopwatch {
 public:
  explicit Stopwatch(const ConvolutionProblem& layer)
      : layer_(layer),
        value_(storage_bytes(layer.precision)),
        x_(filled(layer.pixels() * layer.input_channels * value_, stream_)),
        filters_(filled(layer.weights() * value_, stream_)),
        bias_(filled(layer.output_channels * sizeof(float), stream_)),
        y_(layer.pixels() * layer.output_channels * value_) {}

  // The median of the plan's times in milliseconds; the first time where that is above `limit`;
  // nothing where its workspace does not fit or cuDNN refuses to run it after all.
  std::optional<float> time(const ConvolutionPlan& plan, float limit) {
    if (!take_workspace(plan.workspace_bytes())) return std::nullopt;
    try {
      enqueue(plan);  // loads the kernels
    } catch (const LibraryFailure&) {
      stream_.wait();  // throws where it is the device that failed
      return std::nullopt;
    }
    std::array<float, timed_runs> times{};
    for (std::size_t run = 0; run < timed_runs; ++run) {
      times[run] = once(plan);
      if (run == 0 && times[0] > limit) return times[0];
    }
    std::nth_element(times.begin(), times.begin() + timed_runs / 2, times.end());
    return times[timed_runs / 2];
  }

 private:
  bool take_workspace(std::size_t bytes) {
    if (bytes <= workspace_.size()) return true;
    stream_.wait();
    workspace_ = DeviceBuffer();
    auto larger = if_memory_allows([&] { return DeviceBuffer(bytes); });
    if (larger) workspace_ = std::move(*larger);
    return larger.has_value();
  }

  // The plan, then bias and ReLU where the layer has them and the plan does not.
  void enqueue(const ConvolutionPlan& plan) {
    plan.run(stream_.get(), x_.data(), filters_.data(), bias_.data(), y_.data(), workspace_.data());
    if (!layer_.bias_relu || plan.problem().bias_relu) return;
    with_storage_type(layer_.precision, [&](auto zero) {
      using T = decltype(zero);
      bias_relu(y_.as<T>(), bias_.as<float>(), layer_.pixels(), layer_.output_channels,
                stream_.get());
    });
  }

  float once(const ConvolutionPlan& plan) {
    begin_.record(stream_);
    enqueue(plan);
    end_.record(stream_);
    end_.wait();
    return end_.milliseconds_since(begin_);
  }

  ConvolutionProblem layer_;
  std::size_t value_;  // bytes
  Stream stream_;
  Event begin_{Event::Timing::on}, end_{Event::Timing::on};
  DeviceBuffer x_, filters_, bias_, y_, workspace_;
};

ConvolutionPlan by_time(const CudnnDevice& device, const ConvolutionProblem& problem) {
  std::vector<ConvolutionPlan> plans = candidates(device, problem);
  if (problem.bias_relu) {
    auto more = candidates(device, unfused(problem));
    std::move(more.begin(), more.end(), std::back_inserter(plans));
    std::erase_if(plans, [](const ConvolutionPlan& plan) { return !keeps_nan(plan); });
  }
  if (plans.empty()) no_plan(device, problem);
  Stopwatch stopwatch(problem);
  float best = std::numeric_limits<float>::infinity();
  std::size_t winner = 0;  // of equal times the first: the heuristics prefer it
  for (std::size_t n = 0; n < plans.size(); ++n) {
    const auto time = stopwatch.time(plans[n], best * hopeless);
    if (time && *time < best) {
      best = *time;
      winner = n;
    }
  }
  if (best == std::numeric_limits<float>::infinity()) {
    throw Error(ErrorKind::device,
                fmt::format("no plan for a convolution of {} runs in the GPU's free memory: choose "
                            "a smaller backbone.batch_size",
                            text_of(problem)));
  }
  return std::move(plans[winner]);
}

}  // namespace

std::shared_ptr<const ConvolutionPlan> choose_plan(const CudnnDevice& device,
                                                   const ConvolutionProblem& problem, bool autotune,
                                                   PlanCache& cache) {
  const bool timed = autotune && device.can_run();
  return cache.get(device, problem, timed ? "autotune" : "heuristics", [&] {
    return timed ? by_time(device, problem) : by_heuristics(device, problem);
  });
}

}  // namespace graft::cuda
