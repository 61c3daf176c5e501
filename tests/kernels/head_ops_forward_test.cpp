// pack_rows, dense_forward, sum_chunks, relu_dropout against the reference implementation.

#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/cpu/kernels.h"
#include "tests/kernels/guarded_floats.h"
#include "tests/kernels/head_layout.h"
#include "tests/kernels/isa_test.h"
#include "tests/reference/head_ops.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::GuardedFloats;
using test::nearly_equal;
using test::random_values;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

class PackRows : public test::IsaTest {};
GRAFT_FOR_EACH_ISA(PackRows);

TEST_P(PackRows, PutsTheElementsOfABatchSideBySide) {
  for (std::size_t rows = 1; rows <= 9; ++rows) {
    for (const std::size_t count : {0, 1, 4, 15, 16, 17, 32, 50}) {
      constexpr std::size_t first = 3;
      const std::size_t length = first + count;
      const std::vector<float> values = random_values(rows * length, 1);
      std::vector<const float*> pointers;
      std::vector<float> taken;
      for (std::size_t r = 0; r < rows; ++r) {
        pointers.push_back(values.data() + r * length);
        taken.insert(taken.end(), pointers[r] + first, pointers[r] + length);
      }
      const auto expect_packed = [&](const float* mean, const float* scale) {
        GuardedFloats packed(cpu::packed_size(rows, count), rows % 4);
        std::ranges::fill(packed.values(), nan);  // every element is written
        kernels().pack_rows(pointers.data(), rows, first, count, mean, scale, packed.data());
        ASSERT_TRUE(std::ranges::equal(packed.values(), test::packed_rows(taken, rows, count)))
            << rows << " rows, " << count << " inputs";
        ASSERT_TRUE(packed.guards_intact());
      };
      expect_packed(nullptr, nullptr);
      const std::vector<float> mean = random_values(length, 2), scale = random_values(length, 3);
      taken = reference::normalized(taken, std::span(mean).subspan(first),
                                    std::span(scale).subspan(first));
      expect_packed(mean.data(), scale.data());
    }
  }
}

// The layout by hand, so that an error in its functions cannot hide in all of its users.
TEST(DenseLayout, IsLinesOfSixteen) {
  static_assert(cpu::packed_size(3, 16) == 48 && cpu::packed_size(3, 17) == 96);
  EXPECT_EQ(cpu::packed_index(3, 0, 0), 0U);
  EXPECT_EQ(cpu::packed_index(3, 0, 15), 15U);
  EXPECT_EQ(cpu::packed_index(3, 1, 0), 16U);
  EXPECT_EQ(cpu::packed_index(3, 2, 17), 16U * (3 + 2) + 1);
  constexpr std::size_t count = 100, units = 37;  // panels of 16, 16 and 5
  EXPECT_EQ(cpu::kernel_index(count, units, 0, 15), 15U);
  EXPECT_EQ(cpu::kernel_index(count, units, 1, 0), 16U);
  EXPECT_EQ(cpu::kernel_index(count, units, 0, 16), 1600U);
  EXPECT_EQ(cpu::kernel_index(count, units, 7, 34), 3200U + 7 * 5 + 2);
  EXPECT_EQ(cpu::kernel_index(count, units, 99, 36), count * units - 1);
  EXPECT_EQ(cpu::kernel_index(count, 1, 42, 0), 42U);
}

class DenseForward : public test::IsaTest {
 protected:
  // `before`: what the sums hold and the chunk is added to; empty: they are written.
  std::vector<float> run(const std::vector<float>& inputs, const std::vector<float>& kernel,
                         std::size_t rows, std::size_t count, std::size_t units, std::size_t offset,
                         const std::vector<float>& before = {}) const {
    GuardedFloats packed(test::packed_rows(inputs, rows, count), offset);
    GuardedFloats weights(test::in_panels(kernel, count, units), (offset + 1) % 4);
    GuardedFloats sums(rows * units, (offset + 2) % 4);
    std::ranges::fill(sums.values(), nan);
    std::ranges::copy(before, sums.data());
    kernels().dense_forward({.packed = packed.data(),
                             .rows = rows,
                             .count = count,
                             .kernel = weights.data(),
                             .units = units,
                             .sums = sums.data(),
                             .add = !before.empty()});
    EXPECT_TRUE(sums.guards_intact());
    return {sums.values().begin(), sums.values().end()};
  }
};
GRAFT_FOR_EACH_ISA(DenseForward);

TEST_P(DenseForward, EqualsTheReferenceForEveryTail) {
  for (std::size_t rows = 0; rows <= 25; ++rows) {
    for (std::size_t units = 1; units <= 67; units += units < 36 ? 1 : 7) {
      for (const std::size_t count : {0, 1, 2, 7, 16, 33}) {
        const std::vector<float> inputs = random_values(rows * count, 1);
        const std::vector<float> kernel = random_values(count * units, 2);
        ASSERT_TRUE(nearly_equal(run(inputs, kernel, rows, count, units, (rows + units) % 4),
                                 reference::dense(inputs, kernel, rows, count, units), 1e-6))
            << rows << " rows, " << units << " units, " << count << " inputs";
      }
    }
  }
}

TEST_P(DenseForward, EqualsTheReferenceOnAWholeChunk) {
  const std::vector<float> inputs = random_values(16 * cpu::dense_chunk, 3);
  const std::vector<float> kernel = random_values(cpu::dense_chunk * 256, 4);
  EXPECT_TRUE(nearly_equal(run(inputs, kernel, 16, cpu::dense_chunk, 256, 0),
                           reference::dense(inputs, kernel, 16, cpu::dense_chunk, 256), 1e-6));
}

TEST_P(DenseForward, AddsAChunkToTheSumsBeforeIt) {
  constexpr std::size_t rows = 7, count = 40;
  for (const std::size_t units : {1, 5, 16, 21, 48, 67}) {
    const std::vector<float> inputs = random_values(rows * count, 3);
    const std::vector<float> kernel = random_values(count * units, 4);
    const std::vector<float> before = random_values(rows * units, 5);
    const std::vector<float> chunk = run(inputs, kernel, rows, count, units, 1);
    const std::vector<float> all = run(inputs, kernel, rows, count, units, 2, before);
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(all[i], before[i] + chunk[i]) << units << " units, element " << i;
    }
  }
}

TEST_P(DenseForward, KeepsNanAndInfinityInTheirRowAndColumn) {
  constexpr std::size_t rows = 11;
  constexpr std::size_t count = 9;
  constexpr std::size_t units = 37;
  std::vector<float> inputs = random_values(rows * count, 5);
  std::vector<float> kernel = random_values(count * units, 6);
  inputs[2 * count + 4] = nan;
  inputs[10 * count + 1] = infinity;
  kernel[3 * units + 36] = nan;
  kernel[8 * units + 20] = -infinity;
  const std::vector<float> actual = run(inputs, kernel, rows, count, units, 1);
  EXPECT_TRUE(nearly_equal(actual, reference::dense(inputs, kernel, rows, count, units), 1e-6));
  EXPECT_TRUE(std::isnan(actual[2 * units]));
  EXPECT_TRUE(std::isnan(actual[36]));
  EXPECT_TRUE(std::isinf(actual[10 * units]));
  EXPECT_TRUE(std::isfinite(actual[0]));
}

TEST_P(DenseForward, ARowDoesNotDependOnItsCompany) {
  constexpr std::size_t count = 100;
  constexpr std::size_t units = 45;
  const std::vector<float> inputs = random_values(16 * count, 7);
  const std::vector<float> kernel = random_values(count * units, 8);
  const std::vector<float> together = run(inputs, kernel, 16, count, units, 0);
  for (std::size_t row = 0; row < 16; ++row) {
    const std::vector<float> alone(inputs.begin() + static_cast<std::ptrdiff_t>(row * count),
                                   inputs.begin() + static_cast<std::ptrdiff_t>((row + 1) * count));
    const std::vector<float> sums = run(alone, kernel, 1, count, units, 3);
    ASSERT_TRUE(std::equal(sums.begin(), sums.end(),
                           together.begin() + static_cast<std::ptrdiff_t>(row * units)))
        << "row " << row;
  }
}

class SumChunks : public test::IsaTest {};
GRAFT_FOR_EACH_ISA(SumChunks);

TEST_P(SumChunks, AddsChunksInOrderThenTheBias) {
  for (std::size_t units = 1; units <= 35; ++units) {
    for (const std::size_t chunks : {1, 2, 5, 32}) {
      const std::size_t stride = units + 3;
      const std::vector<float> sums = random_values(chunks * stride, 9, 100.0F);
      const std::vector<float> bias = random_values(units, 10);
      GuardedFloats from(sums, units % 4);
      GuardedFloats to(units, (units + 1) % 4);
      kernels().sum_chunks(from.data(), chunks, stride, bias.data(), units, to.data());
      for (std::size_t u = 0; u < units; ++u) {
        float expected = sums[u];
        for (std::size_t c = 1; c < chunks; ++c) expected += sums[c * stride + u];
        ASSERT_EQ(to.values()[u], expected + bias[u]) << units << ' ' << chunks << ' ' << u;
      }
      ASSERT_TRUE(to.guards_intact());
    }
  }
}

// Why a long sum is cut: 8192 equal terms, where one running float sum is off ten times more.
TEST_P(SumChunks, ChunksKeepALongSumAccurate) {
  constexpr std::size_t inputs = 8192;
  constexpr std::size_t chunks = inputs / cpu::dense_chunk;
  const std::vector<float> ones(inputs, 1.0F);
  const std::vector<float> kernel(inputs, 0.1F);
  std::vector<float> sums(chunks);
  for (std::size_t c = 0; c < chunks; ++c) {
    const std::size_t first = c * cpu::dense_chunk;
    kernels().dense_forward({.packed = ones.data() + first,
                             .rows = 1,
                             .count = cpu::dense_chunk,
                             .kernel = kernel.data() + first,
                             .units = 1,
                             .sums = &sums[c],
                             .add = false});
  }
  const float bias = 0.0F;
  float chunked = 0.0F;
  kernels().sum_chunks(sums.data(), chunks, 1, &bias, 1, &chunked);
  const double exact = static_cast<double>(0.1F) * inputs;
  const float running = std::accumulate(kernel.begin(), kernel.end(), 0.0F);
  EXPECT_LT(std::abs(chunked - exact) / exact, 4e-6);
  EXPECT_GT(std::abs(running - exact) / exact, 4e-5);
}

class ReluDropout : public test::IsaTest {
 protected:
  static RandomStream stream() { return {77, RandomPurpose::dropout, 1, 12345}; }
  static Dropout dropout(double rate) {
    return {stream(), dropout_threshold(rate), static_cast<float>(1.0 / (1.0 - rate))};
  }
};
GRAFT_FOR_EACH_ISA(ReluDropout);

TEST_P(ReluDropout, EqualsTheReferenceForEveryTailAndStart) {
  for (const double rate : {0.0, 0.3, 0.5, 0.9}) {
    for (std::size_t count = 0; count <= 140; count += count < 40 ? 1 : 9) {
      for (std::uint64_t first = 0; first < 6; ++first) {
        std::vector<float> values = random_values(count, 11);
        if (count > 3) values[3] = nan;
        if (count > 5) values[5] = infinity;
        if (count > 6) values[6] = -infinity;
        GuardedFloats data(values, (count + first) % 4);
        kernels().relu_dropout(data.data(), count, first, dropout(rate));
        ASSERT_TRUE(nearly_equal(data.values(),
                                 reference::relu_dropout(values, stream(), rate, first), 1e-6))
            << rate << ' ' << count << ' ' << first;
        ASSERT_TRUE(data.guards_intact());
      }
    }
  }
}

TEST_P(ReluDropout, AKeptNanStays) {
  std::vector<float> values = {nan, -1.0F, 2.0F};
  kernels().relu_dropout(values.data(), values.size(), 0, dropout(0.0));
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], 0.0F);
  EXPECT_EQ(values[2], 2.0F);
}

TEST_P(ReluDropout, TheMaskDoesNotDependOnHowABatchIsCut) {
  constexpr std::size_t count = 1000;
  std::vector<float> uncut(count, 1.0F);
  kernels().relu_dropout(uncut.data(), count, 0, dropout(0.5));
  for (const std::size_t piece : {1, 3, 10, 64, 333}) {
    std::vector<float> cut(count, 1.0F);
    for (std::size_t first = 0; first < count; first += piece) {
      kernels().relu_dropout(cut.data() + first, std::min(piece, count - first), first,
                             dropout(0.5));
    }
    ASSERT_EQ(cut, uncut) << "pieces of " << piece;
  }
}

TEST_P(ReluDropout, KeepsTheShareThatItShouldAndItsSum) {
  constexpr std::size_t count = 200000;
  for (const double rate : {0.1, 0.5, 0.8}) {
    std::vector<float> values(count, 1.0F);
    kernels().relu_dropout(values.data(), count, 0, dropout(rate));
    const auto kept = std::ranges::count_if(values, [](float value) { return value > 0.0F; });
    const double share = static_cast<double>(kept) / count;
    const double five_deviations = 5.0 * std::sqrt(rate * (1.0 - rate) / count);
    EXPECT_NEAR(share, 1.0 - rate, five_deviations);
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    EXPECT_NEAR(sum / count, 1.0, five_deviations / (1.0 - rate) + 1e-6);
  }
}

TEST_P(ReluDropout, OtherStepsLayersAndSeedsMakeOtherMasks) {
  const auto mask = [&](const RandomStream& of) {
    std::vector<float> values(256, 1.0F);
    kernels().relu_dropout(values.data(), values.size(), 0, {of, dropout_threshold(0.5), 2.0F});
    return values;
  };
  const std::vector<float> base = mask({1, RandomPurpose::dropout, 0, 0});
  EXPECT_NE(base, mask({2, RandomPurpose::dropout, 0, 0}));
  EXPECT_NE(base, mask({1ULL << 40U, RandomPurpose::dropout, 0, 0}));
  EXPECT_NE(base, mask({1, RandomPurpose::shuffle, 0, 0}));
  EXPECT_NE(base, mask({1, RandomPurpose::dropout, 1, 0}));
  EXPECT_NE(base, mask({1, RandomPurpose::dropout, 0, 1}));
  EXPECT_NE(base, mask({1, RandomPurpose::dropout, 0, 1ULL << 40U}));
}

TEST_P(ReluDropout, BackwardPassesWhatWasKeptAndAboveZero) {
  for (const double rate : {0.0, 0.4}) {
    for (std::size_t count = 0; count <= 67; ++count) {
      std::vector<float> before = random_values(count, 12);
      if (count > 2) before[2] = 0.0F;
      if (count > 8) before[8] = nan;
      const std::vector<float> gradient = random_values(count, 13);
      std::vector<float> outputs = before;
      kernels().relu_dropout(outputs.data(), count, 0, dropout(rate));
      GuardedFloats actual(gradient, count % 4);
      kernels().relu_dropout_backward(actual.data(), outputs.data(), count,
                                      static_cast<float>(1.0 / (1.0 - rate)));
      ASSERT_TRUE(
          nearly_equal(actual.values(),
                       reference::relu_dropout_backward(gradient, before, stream(), rate, 0), 1e-6))
          << rate << ' ' << count;
      ASSERT_TRUE(actual.guards_intact());
    }
  }
}

TEST(DropoutThreshold, IsTheComparisonWithTheRateExactly) {
  for (const double rate : {0.0, 1e-9, 0.1, 0.25, 1.0 / 3.0, 0.5, 0.999999, 0.9999999999}) {
    const std::uint32_t threshold = dropout_threshold(rate);
    for (std::int64_t around = -2; around <= 2; ++around) {
      const std::int64_t top = static_cast<std::int64_t>(threshold) + around;
      if (top < 0 || top >= (std::int64_t{1} << 24U)) continue;
      const auto word = static_cast<std::uint32_t>(top) << 8U;
      EXPECT_EQ(word >> 8U >= threshold, uniform_from_word(word) >= rate) << rate << ' ' << top;
    }
  }
}

}  // namespace
}  // namespace graft
