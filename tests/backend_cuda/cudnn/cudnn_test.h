#pragma once
// Problems, devices and reference convolutions for the tests of cuDNN's plans.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/backend/cuda/cudnn/convolution.h"
#include "engine/backend/cuda/runtime/resources.h"
#include "engine/base/error.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft::test {

inline GpuProperties described_gpu(int compute_capability) {
  constexpr std::size_t mib = std::size_t{1} << 20U;
  switch (compute_capability) {
    case 75:
      return {"T4", 75, 40, 65536, 16, 1024, 4 * mib, 16 * 1024 * mib, 1590000, 5001000};
    case 80:
      return {"A100", 80, 108, 166912, 32, 2048, 40 * mib, 40 * 1024 * mib, 1410000, 1215000};
    case 100:
      return {"B200", 100, 148, 232448, 32, 2048, 126 * mib, 180 * 1024 * mib, 1965000, 3996000};
    default:
      return {"H100", 90, 132, 232448, 32, 2048, 50 * mib, 80 * 1024 * mib, 1980000, 2619000};
  }
}

inline bool has_note(const cuda::ConvolutionPlan& plan, const std::string& word) {
  return std::ranges::find(plan.notes(), word) != plan.notes().end();
}

// The first plans that are offered.
inline std::vector<cuda::ConvolutionPlan> candidates(
    const cuda::CudnnDevice& device, const cuda::ConvolutionProblem& problem,
    std::size_t most = SIZE_MAX, cuda::ChosenBy chosen_by = cuda::ChosenBy::heuristics) {
  std::vector<cuda::ConvolutionPlan> plans;
  cuda::Warnings warnings;
  const auto take = [&](cuda::ConvolutionPlan& plan) {
    if (plans.size() < most) plans.push_back(std::move(plan));
    return plans.size() == most;
  };
  for (const auto source : {cuda::PlanSource::heuristics, cuda::PlanSource::fallback})
    cuda::offer_plans(device, problem, source, chosen_by, warnings, take);
  return plans;
}

inline cuda::ConvolutionPlan read_back(const cuda::CudnnDevice& device,
                                       const cuda::ConvolutionProblem& problem,
                                       const std::string& text) {
  return cuda::ConvolutionPlan::deserialised(device, problem, cuda::ChosenBy::heuristics, text);
}

inline cuda::ConvolutionProblem small_problem(Precision precision, bool bias_relu) {
  return {2, 5, 7, 16, 24, precision, bias_relu};
}

constexpr Precision all_precisions[] = {Precision::fp32, Precision::tf32, Precision::fp16,
                                        Precision::bf16};

// Operands of a convolution, and its result by plain loops in double.
template <typename T>
struct ConvolutionData {
  cuda::ConvolutionProblem problem;
  std::vector<float> x, filters, bias;

  explicit ConvolutionData(const cuda::ConvolutionProblem& of)
      : problem(of),
        x(rounded<T>(random_numbers(of.batch * of.height * of.width * of.input_channels, 1))),
        filters(rounded<T>(random_numbers(9 * of.input_channels * of.output_channels, 2, 0.2F))),
        bias(rounded<T>(random_numbers(of.output_channels, 3))) {}

  std::vector<float> expected() const {
    const cuda::ConvolutionProblem& p = problem;
    std::vector<float> y;
    for (std::size_t n = 0; n < p.batch; ++n)
      for (std::size_t row = 0; row < p.height; ++row)
        for (std::size_t column = 0; column < p.width; ++column)
          for (std::size_t k = 0; k < p.output_channels; ++k) {
            const double sum = window(n, row, column, k) + (p.bias_relu ? bias[k] : 0.0);
            y.push_back(static_cast<float>(p.bias_relu ? std::max(sum, 0.0) : sum));
          }
    return y;
  }

  std::vector<float> run(const cuda::ConvolutionPlan& plan) const {
    const DeviceArray<T> dx(stored<T>(x));
    const DeviceArray<T> df(stored<T>(filters));
    const DeviceArray<T> db(stored<T>(bias));
    const DeviceArray<T> dy(problem.batch * problem.height * problem.width *
                            problem.output_channels);
    const DeviceArray<std::byte> workspace(plan.workspace_bytes());
    const cuda::Stream stream;
    plan.run(stream.get(), dx.get(), df.get(), problem.bias_relu ? db.get() : nullptr, dy.get(),
             plan.workspace_bytes() == 0 ? nullptr : workspace.get());
    stream.wait();
    EXPECT_TRUE(dy.guards_intact());
    return numbers(dy.host());
  }

 private:
  double window(std::size_t n, std::size_t row, std::size_t column, std::size_t k) const {
    const cuda::ConvolutionProblem& p = problem;
    double sum = 0.0;
    for (std::size_t r = 0; r < 3; ++r)
      for (std::size_t s = 0; s < 3; ++s) {
        // Padded coordinates: 0 is the padding before the first row or column.
        if (row + r == 0 || row + r > p.height || column + s == 0 || column + s > p.width) continue;
        const std::size_t pixel = (n * p.height + row + r - 1) * p.width + column + s - 1;
        for (std::size_t c = 0; c < p.input_channels; ++c)
          sum += static_cast<double>(x[pixel * p.input_channels + c]) *
                 filters[((k * 3 + r) * 3 + s) * p.input_channels + c];
      }
    return sum;
  }
};

}  // namespace graft::test
