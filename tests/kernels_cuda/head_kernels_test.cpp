// gather_rows, relu_dropout, column_sums, rmsprop, advance against their reference implementations.

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/gather_rows.h"
#include "kernels/cuda/relu_dropout.h"
#include "kernels/cuda/rmsprop.h"
#include "kernels/cuda/training_step.h"
#include "tests/kernels_cuda/cuda_test.h"
#include "tests/reference/feature_map_ops.h"
#include "tests/reference/head_ops.h"

namespace graft {
namespace {

using test::DeviceArray;
using test::nearly_equal;
using test::odd_numbers;
using test::random_numbers;

class GatherRows : public test::CudaTest {
 protected:
  static void expect_gathered(const std::vector<std::uint32_t>& rows, std::size_t columns,
                              std::size_t offset) {
    const std::vector<std::uint32_t> labels = {3, 1, 4, 1, 5};
    const std::vector<float> features = odd_numbers(labels.size() * columns, 1);
    std::vector<float> expected;
    std::vector<std::uint32_t> expected_labels;
    for (const std::uint32_t row : rows) {
      const auto first = features.begin() + static_cast<std::ptrdiff_t>(row * columns);
      expected.insert(expected.end(), first, first + static_cast<std::ptrdiff_t>(columns));
      expected_labels.push_back(labels[row]);
    }
    const DeviceArray<float> from(features, offset);
    const DeviceArray<std::uint32_t> from_labels(labels);
    // The batch is a part of the order, which it begins not at its first row.
    std::vector<std::uint32_t> order(offset, 99);
    order.insert(order.end(), rows.begin(), rows.end());
    const DeviceArray<std::uint32_t> indices(order);
    const DeviceArray<std::uint64_t> first(std::vector<std::uint64_t>{offset});
    cuda::GatherSource source = {from.get(), from_labels.get(), columns};
    const auto expect_out = [&](const std::vector<float>& values) {
      const DeviceArray<float> out(rows.size() * columns, (offset + columns) % 2);
      const DeviceArray<std::uint32_t> out_labels(rows.size());
      cuda::gather_rows(out.get(), out_labels.get(), source, indices.get(), first.get(),
                        rows.size(), nullptr);
      ASSERT_TRUE(nearly_equal(out.host(), values, 0.0)) << rows.size() << " × " << columns;
      ASSERT_EQ(out_labels.host(), expected_labels);
      ASSERT_TRUE(out.guards_intact());
      ASSERT_TRUE(out_labels.guards_intact());
    };
    expect_out(expected);
    const std::vector<float> means = random_numbers(columns, 2),
                             scales = random_numbers(columns, 3);
    const DeviceArray<float> mean(means, columns % 3), scale(scales, offset % 2);
    source.mean = mean.get();
    source.scale = scale.get();
    expect_out(reference::normalized(expected, means, scales));
  }
};

TEST_F(GatherRows, BringsRowsAndLabelsInTheOrderOfTheIndices) {
  for (const std::size_t columns : {0, 1, 2, 3, 4, 5, 7, 8, 9, 1023, 1024, 1025, 1030}) {
    for (const std::size_t offset : {0, 1, 3}) {
      std::vector<std::uint32_t> rows;
      for (const std::uint32_t row : {4, 0, 0, 3, 1, 2, 4}) {
        if (columns < 10) expect_gathered(rows, columns, offset);
        rows.push_back(row);
      }
      expect_gathered(rows, columns, offset);
    }
  }
}

// The step of a stream is read on the device: the one that is passed by value is another.
void relu_dropout(float* values, const float* bias, std::size_t rows, std::size_t units,
                  Dropout dropout) {
  const DeviceArray<std::uint64_t> step(std::vector<std::uint64_t>{dropout.stream.step});
  dropout.stream.step += 77;
  cuda::relu_dropout(values, bias, rows, units, dropout,
                     dropout.threshold == 0 ? nullptr : step.get(), nullptr);
  GRAFT_CUDA_CHECK(cudaDeviceSynchronize());
}

class CudaReluDropout : public test::CudaTest {
 protected:
  static RandomStream stream() {
    return {0x123456789ABCULL, RandomPurpose::dropout, 1, 1ULL << 33U};
  }
  static Dropout dropout(double rate) {
    return {stream(), dropout_threshold(rate), static_cast<float>(1.0 / (1.0 - rate))};
  }
  static std::vector<float> sums(const std::vector<float>& values, const std::vector<float>& bias) {
    std::vector<float> out = values;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += bias[i % bias.size()];
    return out;
  }
  // In float, as the CPU's kernel computes it: equal to the bit.
  static std::vector<float> reference(const std::vector<float>& before, double rate) {
    std::vector<float> out(before.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!reference::is_kept(stream(), rate, i)) continue;
      out[i] = (before[i] <= 0.0F ? 0.0F : before[i]) * static_cast<float>(1.0 / (1.0 - rate));
    }
    return out;
  }
  static void expect_forward(std::size_t rows, std::size_t units, double rate, std::size_t offset) {
    const std::vector<float> values = odd_numbers(rows * units, 11);
    const std::vector<float> bias = random_numbers(units, 12);
    const DeviceArray<float> data(values, offset);
    const DeviceArray<float> biases(bias, offset % 2);
    relu_dropout(data.get(), biases.get(), rows, units, dropout(rate));
    const std::vector<float> before = sums(values, bias);
    ASSERT_TRUE(nearly_equal(data.host(), reference(before, rate), 0.0))
        << rows << " × " << units << ", rate " << rate << ", offset " << offset;
    ASSERT_TRUE(
        nearly_equal(data.host(), reference::relu_dropout(before, stream(), rate, 0), 1e-6));
    ASSERT_TRUE(data.guards_intact());
  }
};

TEST_F(CudaReluDropout, ForwardHasTheCpusMaskForEverySizeAndAlignment) {
  for (const double rate : {0.0, 0.3, 0.5, 0.9}) {
    for (std::size_t units = 1; units <= 9; ++units) {
      for (std::size_t rows = 0; rows <= 4; ++rows) {
        for (const std::size_t offset : {0, 1, 2}) expect_forward(rows, units, rate, offset);
      }
    }
  }
  expect_forward(5, 256, 0.5, 0);
  expect_forward(3, 341, 0.5, 0);
}

TEST_F(CudaReluDropout, OtherStepsLayersAndSeedsMakeOtherMasks) {
  const auto mask = [](const RandomStream& of) {
    const DeviceArray<float> values(std::vector<float>(64, 1.0F));
    const DeviceArray<float> bias(std::vector<float>(64, 0.0F));
    relu_dropout(values.get(), bias.get(), 1, 64, {of, dropout_threshold(0.5), 2.0F});
    return values.host();
  };
  const std::vector<float> base = mask({1, RandomPurpose::dropout, 0, 0});
  EXPECT_EQ(base, mask({1, RandomPurpose::dropout, 0, 0}));
  EXPECT_NE(base, mask({1ULL << 40U, RandomPurpose::dropout, 0, 0}));
  EXPECT_NE(base, mask({1, RandomPurpose::dropout, 1, 0}));
  EXPECT_NE(base, mask({1, RandomPurpose::dropout, 0, 1}));
  EXPECT_NE(base, mask({1, RandomPurpose::dropout, 0, 1ULL << 40U}));
}

TEST_F(CudaReluDropout, BackwardPassesWhatWasKeptAndAboveZero) {
  for (const double rate : {0.0, 0.4}) {
    for (std::size_t count = 0; count <= 33; ++count) {
      for (const std::size_t offset : {0, 1, 3}) {
        const std::vector<float> before = odd_numbers(count, 13);
        const std::vector<float> gradient = random_numbers(count, 14);
        const DeviceArray<float> outputs(reference(before, rate), offset);
        const DeviceArray<float> actual(gradient, (offset + count % 2) % 4);
        cuda::relu_dropout_backward(actual.get(), outputs.get(), count,
                                    static_cast<float>(1.0 / (1.0 - rate)), nullptr);
        ASSERT_TRUE(nearly_equal(
            actual.host(), reference::relu_dropout_backward(gradient, before, stream(), rate, 0),
            1e-6))
            << count << ", rate " << rate << ", offset " << offset;
        ASSERT_TRUE(actual.guards_intact());
      }
    }
  }
}

class ColumnSums : public test::CudaTest {};

TEST_F(ColumnSums, AddsTheRowsInOrder) {
  for (const std::size_t units : {0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 130}) {
    for (const std::size_t rows : {0, 1, 2, 7, 8, 9, 16, 17, 50}) {
      const std::vector<float> delta = random_numbers(rows * units, 15, 100.0F);
      const DeviceArray<float> from(delta, rows % 4);
      const DeviceArray<float> sums(units, units % 3);
      cuda::column_sums(sums.get(), from.get(), rows, units, nullptr);
      ASSERT_TRUE(nearly_equal(sums.host(), reference::column_sums(delta, rows, units), 0.0))
          << rows << " × " << units;
      ASSERT_TRUE(sums.guards_intact());
    }
  }
}

TEST_F(ColumnSums, KeepsNanAndInfinityInTheirColumn) {
  const std::vector<float> delta = odd_numbers(6 * 5, 16);
  const DeviceArray<float> from(delta);
  const DeviceArray<float> sums(5);
  cuda::column_sums(sums.get(), from.get(), 6, 5, nullptr);
  EXPECT_TRUE(nearly_equal(sums.host(), reference::column_sums(delta, 6, 5), 0.0));
}

std::vector<float> squares(std::size_t count, std::uint32_t seed) {
  std::vector<float> values = random_numbers(count, seed);
  for (float& value : values) value *= value;
  return values;
}

// In float with a fused mean, as the CPU's AVX kernels: equal to the bit.
reference::Parameters rmsprop_in_float(reference::Parameters values,
                                       const std::vector<float>& gradient, const Rmsprop& by) {
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const float g = gradient[i];
    const float a = std::fma(by.rho, values.mean_squares[i], by.one_minus_rho * (g * g));
    const float divisor =
        by.epsilon_inside_sqrt ? std::sqrt(a + by.epsilon) : std::sqrt(a) + by.epsilon;
    values.mean_squares[i] = a;
    values.values[i] -= by.learning_rate * g / divisor;
  }
  return values;
}

class CudaRmsprop : public test::CudaTest {
 protected:
  // The learning rate is read on the device: the one that is passed by value is another.
  static void update(std::span<const cuda::ParameterTensor> tensors, Rmsprop by) {
    const DeviceArray<float> rate(std::vector<float>{by.learning_rate});
    by.learning_rate = 77.0F;
    cuda::rmsprop(tensors, by, rate.get(), nullptr);
    GRAFT_CUDA_CHECK(cudaDeviceSynchronize());
  }
  static Rmsprop factors(bool inside) {
    return {1e-3F, 0.9F, static_cast<float>(1.0 - 0.9), 1e-7F, inside};
  }
  struct Tensor {
    Tensor(std::size_t count, std::size_t offset, std::uint32_t seed)
        : old{random_numbers(count, seed), squares(count, seed + 1)},
          gradient(odd_numbers(count, seed + 2)),
          parameters(old.values, offset),
          mean_squares(old.mean_squares, (offset + count) % 2),
          gradients(gradient, offset) {}
    cuda::ParameterTensor view() const {
      return {parameters.get(), mean_squares.get(), gradients.get(), gradient.size()};
    }
    void expect_updated(const Rmsprop& by) const {
      const reference::Parameters now = rmsprop_in_float(old, gradient, by);
      ASSERT_TRUE(nearly_equal(parameters.host(), now.values, 0.0)) << gradient.size();
      ASSERT_TRUE(nearly_equal(mean_squares.host(), now.mean_squares, 0.0)) << gradient.size();
      const std::vector<double> exact(gradient.begin(), gradient.end());
      ASSERT_TRUE(nearly_equal(parameters.host(), reference::rmsprop(old, exact, by).values, 1e-6));
      ASSERT_TRUE(parameters.guards_intact());
      ASSERT_TRUE(mean_squares.guards_intact());
    }
    reference::Parameters old;
    std::vector<float> gradient;
    DeviceArray<float> parameters, mean_squares, gradients;
  };
};

TEST_F(CudaRmsprop, UpdatesOneTensorOfEverySizeAndAlignment) {
  for (const bool inside : {true, false}) {
    for (std::size_t count = 0; count <= 17; ++count) {
      for (const std::size_t offset : {0, 1}) {
        const Tensor tensor(count, offset, static_cast<std::uint32_t>(count));
        const cuda::ParameterTensor view = tensor.view();
        update({&view, 1}, factors(inside));
        tensor.expect_updated(factors(inside));
      }
    }
  }
}

TEST_F(CudaRmsprop, UpdatesAllTensorsInOneLaunch) {
  for (const bool inside : {true, false}) {
    std::vector<std::unique_ptr<Tensor>> tensors;
    std::vector<cuda::ParameterTensor> views;
    for (const std::size_t count : {1023, 1, 0, 1024, 1025, 4, 2500, 0}) {
      tensors.push_back(
          std::make_unique<Tensor>(count, count % 4, static_cast<std::uint32_t>(count)));
      views.push_back(tensors.back()->view());
    }
    update(views, factors(inside));
    for (const auto& tensor : tensors) tensor->expect_updated(factors(inside));
  }
}

TEST_F(CudaRmsprop, RefusesMoreTensorsThanFitALaunch) {
  const std::vector<cuda::ParameterTensor> views(cuda::most_tensors + 1);
  EXPECT_EQ(test::error_of([&] { cuda::rmsprop(views, factors(true), nullptr, nullptr); }),
            "rmsprop: a head of 65 tensors: at most 64 (32 Dense layers) fit one launch");
  update(std::span(views).first(cuda::most_tensors), factors(true));  // all empty
}

// The rate of every step, to the bit: the GPU divides in double as the CPU does.
class Advance : public test::CudaTest {
 protected:
  static void expect_steps(const LearningRate& rate, std::uint64_t first_step,
                           std::uint64_t steps) {
    const cuda::TrainingStep first = {first_step, 3, 9.0F};
    const DeviceArray<cuda::TrainingStep> now(std::vector<cuda::TrainingStep>{first});
    for (std::uint64_t i = 1; i <= steps; ++i) {
      cuda::advance(now.get(), 16, rate, nullptr);
      const cuda::TrainingStep step = now.host().front();
      ASSERT_EQ(step.step, first_step + i);
      ASSERT_EQ(step.first, 3 + 16 * i);
      ASSERT_EQ(step.learning_rate, rate.at(step.step)) << "step " << step.step;
    }
    ASSERT_TRUE(now.guards_intact());
  }
};

TEST_F(Advance, HasTheNextStepsNumberRowsAndRate) {
  expect_steps({1e-4, 0}, 0, 3);
  for (const std::uint64_t steps : {1, 7, 1250}) {
    for (const double rate : {1e-4, 1.0 / 3.0, 7e-39}) expect_steps({rate, steps}, 0, steps + 2);
  }
  expect_steps({1e-3, (1ULL << 48U) - 1}, (1ULL << 48U) - 4, 3);
}

}  // namespace
}  // namespace graft
