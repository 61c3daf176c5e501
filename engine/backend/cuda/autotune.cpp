#include "engine/backend/cuda/autotune.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "engine/backend/cuda/errors.h"
#include "engine/backend/cuda/resources.h"
#include "engine/backend/cuda/storage_type.h"
#include "engine/base/error.h"
#include "kernels/cuda/bias_relu.h"

namespace graft::cuda {
namespace {

constexpr std::size_t timed_runs = 5;
// A plan that is slower than the best by this factor in its first timed run gets no more of them.
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

// In fp16 a sum may overflow, and the difference of two such is a NaN. The backbone refuses what is
// not finite, and must see it: a ReLU that makes a NaN 0 would hide it. kernels/cuda/bias_relu
// keeps it; an engine that fuses the ReLU does where cuDNN says so.
bool keeps_nan(const ConvolutionPlan& plan) {
  if (plan.problem().precision != Precision::fp16 || !plan.problem().bias_relu) return true;
  return std::ranges::find(plan.notes(), "strict NaN propagation") != plan.notes().end();
}

ConvolutionPlan by_heuristics(const CudnnDevice& device, const ConvolutionProblem& problem) {
  auto plans = first_candidate(device, problem);
  if (problem.bias_relu && (plans.empty() || !keeps_nan(plans.front()))) {
    plans = first_candidate(device, unfused(problem));
  }
  if (plans.empty()) no_plan(device, problem);
  return std::move(plans.front());
}

// Memory with small, finite numbers in it, whatever type they are read as.
DeviceBuffer filled(std::size_t bytes, const Stream& stream) {
  constexpr int byte = 0x3C;  // 0x3C3C is 1.06 as a half, 0.011 as a bfloat16
  DeviceBuffer buffer(bytes);
  GRAFT_CUDA_CHECK(cudaMemsetAsync(buffer.data(), byte, bytes, stream.get()));
  return buffer;
}

// Runs plans of one layer on memory of its own.
class Stopwatch {
 public:
  explicit Stopwatch(const ConvolutionProblem& layer)
      : layer_(layer),
        pixels_(layer.batch * layer.height * layer.width),
        x_(filled(pixels_ * layer.input_channels * storage_bytes(layer.precision), stream_)),
        filters_(filled(
            9 * layer.input_channels * layer.output_channels * storage_bytes(layer.precision),
            stream_)),
        bias_(filled(layer.output_channels * sizeof(float), stream_)),
        y_(pixels_ * layer.output_channels * storage_bytes(layer.precision)) {}

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
    try {
      workspace_ = DeviceBuffer(bytes);
      return true;
    } catch (const Failure& failure) {
      if (failure.code() != cudaErrorMemoryAllocation) throw;
      cudaGetLastError();
      return false;
    }
  }

  // The plan, and what comes after it until bias and ReLU are done, if they belong to the layer.
  void enqueue(const ConvolutionPlan& plan) {
    plan.run(stream_.get(), x_.data(), filters_.data(), bias_.data(), y_.data(), workspace_.data());
    if (!layer_.bias_relu || plan.problem().bias_relu) return;
    with_storage_type(layer_.precision, [&](auto zero) {
      using T = decltype(zero);
      bias_relu(y_.as<T>(), bias_.as<float>(), pixels_, layer_.output_channels, stream_.get());
    });
  }

  float once(const ConvolutionPlan& plan) {
    begin_.record(stream_);
    enqueue(plan);
    end_.record(stream_);
    end_.wait();
    float milliseconds = 0.0F;
    GRAFT_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()));
    return milliseconds;
  }

  ConvolutionProblem layer_;
  std::size_t pixels_;
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
  std::size_t winner = 0;  // of equal times the first: the heuristics thought it better
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
