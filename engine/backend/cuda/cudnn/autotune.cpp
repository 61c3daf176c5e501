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

DeviceBuffer filled(std::size_t bytes, int byte, const Stream& stream) {
  DeviceBuffer buffer(bytes);
  GRAFT_CUDA_CHECK(cudaMemsetAsync(buffer.data(), byte, bytes, stream.get()));
  return buffer;
}

// Bytes of finite numbers, whatever type they are read as: 0x3C3C is 1.06 as a half and 0.011 as a
// bfloat16, 0x7B7B is 61280 as a half. A sum of products of a large and a moderate half is
// beyond the type.
constexpr int moderate = 0x3C, large_half = 0x7B;

// Runs plans of one layer on memory of its own, which is less than the backbone takes.
class TrialRun {
 public:
  TrialRun(const CudnnDevice& device, const ConvolutionProblem& layer)
      : device_(device),
        layer_(layer),
        value_(storage_bytes(layer.precision)),
        x_(filled(layer.pixels() * layer.input_channels * value_,
                  layer.precision == Precision::fp16 ? large_half : moderate, stream_)),
        filters_(filled(layer.weights() * value_, moderate, stream_)),
        bias_(filled(layer.output_channels * sizeof(float), moderate, stream_)),
        y_(layer.pixels() * layer.output_channels * value_) {}

  // Whether the plan runs and keeps an overflow. Warns where it does not. Throws Failure where it is
  // the device that failed, or has no memory for the workspace.
  bool succeeds(const ConvolutionPlan& plan, Warnings& warnings) {
    take_workspace(plan.workspace_bytes());
    try {
      enqueue(plan);
      stream_.wait();
      if (keeps_overflow()) return true;
      warn_of_skipped(warnings, plan.problem(), plan.engine(), "it hides an overflow of fp16");
    } catch (const LibraryFailure& failure) {
      skip_after(failure, device_, plan.problem(), plan.engine(), warnings);
    }
    return false;
  }

  // The median of the plan's times in milliseconds; the first time where that is above `limit`.
  float time(const ConvolutionPlan& plan, float limit) {
    std::array<float, timed_runs> times{};
    for (std::size_t run = 0; run < timed_runs; ++run) {
      begin_.record(stream_);
      enqueue(plan);
      end_.record(stream_);
      end_.wait();
      times[run] = end_.milliseconds_since(begin_);
      if (run == 0 && times[0] > limit) return times[0];
    }
    std::nth_element(times.begin(), times.begin() + timed_runs / 2, times.end());
    return times[timed_runs / 2];
  }

 private:
  void take_workspace(std::size_t bytes) {
    if (bytes <= workspace_.size()) return;
    stream_.wait();
    workspace_ = DeviceBuffer();
    workspace_ = DeviceBuffer(bytes);
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

  // In fp16, whether the first image's values are Inf.
  bool keeps_overflow() {
    if (layer_.precision != Precision::fp16) return true;
    std::vector<__half> values(y_.size() / sizeof(__half) / layer_.batch);
    copy_to_host(values.data(), y_.data(), values.size() * sizeof(__half), stream_);
    stream_.wait();
    return std::ranges::all_of(values, [](__half value) {
      return __half2float(value) == std::numeric_limits<float>::infinity();
    });
  }

  const CudnnDevice& device_;
  ConvolutionProblem layer_;
  std::size_t value_;  // bytes
  Stream stream_;
  Event begin_{Event::Timing::on}, end_{Event::Timing::on};
  DeviceBuffer x_, filters_, bias_, y_, workspace_;
};

// The last plan that `accept` accepted; by heuristics it is the first too. A fallback engine comes
// after all others, and a fused plan, where the layer may have it, before those that are not fused.
template <typename Accept>
ConvolutionPlan accepted_plan(const CudnnDevice& device, const ConvolutionProblem& layer,
                              ChosenBy chosen_by, Warnings& warnings, const Accept& accept) {
  std::optional<ConvolutionPlan> accepted;
  const auto take = [&](ConvolutionPlan& plan) {
    if (!accept(plan)) return false;
    accepted = std::move(plan);
    return chosen_by == ChosenBy::heuristics;
  };
  for (const PlanSource source : {PlanSource::heuristics, PlanSource::fallback}) {
    if (source == PlanSource::fallback && !accepted) {
      warnings.push_back(
          fmt::format("cuDNN has only slow fallback engines for the convolution of {}; try another "
                      "backbone.batch_size",
                      text_of(layer)));
    }
    for (const bool fused : {true, false}) {
      if (accepted && chosen_by == ChosenBy::heuristics) return std::move(*accepted);
      ConvolutionProblem problem = layer;
      problem.bias_relu = fused;
      if (fused && !layer.bias_relu) continue;
      offer_plans(device, problem, source, chosen_by, warnings, take);
    }
  }
  if (accepted) return std::move(*accepted);
  throw Error(ErrorKind::device,
              "cuDNN {} has no deterministic plan that runs for a convolution of {} on sm_{}; "
              "choose another backbone.precision or a smaller batch_size",
              cudnn_version(), text_of(layer), device.compute_capability());
}

// Of equal times the first: the heuristics prefer it.
ConvolutionPlan by_time(const CudnnDevice& device, const ConvolutionProblem& problem,
                        Warnings& warnings) {
  TrialRun trial(device, problem);
  float best = std::numeric_limits<float>::infinity();
  return accepted_plan(device, problem, ChosenBy::time, warnings, [&](const ConvolutionPlan& plan) {
    const auto succeeds = if_memory_allows([&] { return trial.succeeds(plan, warnings); });
    if (!succeeds.value_or(false)) return false;
    const float time = trial.time(plan, best * hopeless);
    if (time >= best) return false;
    best = time;
    return true;
  });
}

}  // namespace

std::shared_ptr<const ConvolutionPlan> choose_plan(const CudnnDevice& device,
                                                   const ConvolutionProblem& problem, bool autotune,
                                                   PlanCache& cache) {
  const bool timed = autotune && device.can_run();
  return cache.get(device, problem, timed ? ChosenBy::time : ChosenBy::heuristics, [&] {
    Warnings& warnings = cache.warnings();
    if (!device.can_run()) return forecast_plan(device, problem, warnings);
    if (timed) return by_time(device, problem, warnings);
    TrialRun trial(device, problem);
    return accepted_plan(
        device, problem, ChosenBy::heuristics, warnings,
        [&](const ConvolutionPlan& plan) { return trial.succeeds(plan, warnings); });
  });
}

ConvolutionPlan forecast_plan(const CudnnDevice& device, const ConvolutionProblem& problem,
                              Warnings& warnings) {
  return accepted_plan(device, problem, ChosenBy::heuristics, warnings,
                       [](const ConvolutionPlan&) { return true; });
}

}  // namespace graft::cuda
