// dense_backward_input, dense_update and bias_update against the reference implementation and RMSprop's closed form.

#include <cmath>
#include <limits>

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

Rmsprop rmsprop(bool inside, float epsilon = 1e-7F) {
  return {1e-3F, 0.9F, static_cast<float>(1.0 - 0.9), epsilon, inside};
}

class DenseBackwardInput : public test::IsaTest {
 protected:
  std::vector<float> run(const std::vector<float>& delta, const std::vector<float>& kernel,
                         std::size_t rows, std::size_t inputs, std::size_t units) const {
    GuardedFloats from(delta, units % 4);
    GuardedFloats gradient(rows * inputs, (units + 2) % 4);
    const std::size_t half = inputs / 2;  // two pieces, as two threads would take them
    const auto piece = [&](std::size_t first, std::size_t count) {
      const std::span chunk = std::span(kernel).subspan(first * units, count * units);
      GuardedFloats weights(test::in_panels(chunk, count, units), (units + 1) % 4);
      kernels().dense_backward_input(from.data(), rows, units, weights.data(), count,
                                     gradient.data() + first, inputs);
    };
    piece(0, half);
    piece(half, inputs - half);
    EXPECT_TRUE(gradient.guards_intact());
    return {gradient.values().begin(), gradient.values().end()};
  }
};
GRAFT_FOR_EACH_ISA(DenseBackwardInput);

TEST_P(DenseBackwardInput, EqualsTheReferenceForEveryTail) {
  for (std::size_t rows = 1; rows <= 9; ++rows) {
    for (std::size_t units = 1; units <= 67; units += units < 36 ? 1 : 5) {
      for (const std::size_t inputs : {1, 2, 19, 40}) {
        const std::vector<float> delta = random_values(rows * units, 1);
        const std::vector<float> kernel = random_values(inputs * units, 2);
        ASSERT_TRUE(
            nearly_equal(run(delta, kernel, rows, inputs, units),
                         reference::dense_backward_input(delta, kernel, rows, inputs, units), 1e-5))
            << rows << " rows, " << units << " units, " << inputs << " inputs";
      }
    }
  }
}

TEST_P(DenseBackwardInput, KeepsNanAndInfinity) {
  for (const std::size_t units : {1, 5, 21}) {
    constexpr std::size_t rows = 6;
    constexpr std::size_t inputs = 7;
    std::vector<float> delta = random_values(rows * units, 3);
    std::vector<float> kernel = random_values(inputs * units, 4);
    delta[4 * units] = nan;
    kernel[6 * units + units - 1] = infinity;
    const std::vector<float> actual = run(delta, kernel, rows, inputs, units);
    EXPECT_TRUE(nearly_equal(
        actual, reference::dense_backward_input(delta, kernel, rows, inputs, units), 1e-6));
    EXPECT_TRUE(std::isnan(actual[4 * inputs]));
    EXPECT_TRUE(std::isinf(actual[6]));
  }
}

class DenseUpdate : public test::IsaTest {
 protected:
  reference::Parameters run(const reference::Parameters& old, const std::vector<float>& inputs,
                            const std::vector<float>& delta, std::size_t rows, std::size_t count,
                            std::size_t units, const Rmsprop& factors) const {
    GuardedFloats packed(test::packed_rows(inputs, rows, count), 1);
    GuardedFloats from(delta, units % 4);
    GuardedFloats kernel(test::in_panels(old.values, count, units), (units + 1) % 4);
    GuardedFloats mean_square(test::in_panels(old.mean_squares, count, units), (units + 3) % 4);
    kernels().dense_update({.packed = packed.data(),
                            .delta = from.data(),
                            .rows = rows,
                            .count = count,
                            .units = units,
                            .kernel = kernel.data(),
                            .mean_square = mean_square.data()},
                           factors);
    EXPECT_TRUE(kernel.guards_intact());
    EXPECT_TRUE(mean_square.guards_intact());
    return {test::from_panels(kernel.values(), count, units),
            test::from_panels(mean_square.values(), count, units)};
  }
};
GRAFT_FOR_EACH_ISA(DenseUpdate);

reference::Parameters random_parameters(std::size_t count) {
  reference::Parameters parameters = {random_values(count, 20), random_values(count, 21)};
  for (float& value : parameters.mean_squares) value = std::abs(value);
  return parameters;
}

TEST_P(DenseUpdate, EqualsTheReferenceForEveryTailAndBothPlacesOfEpsilon) {
  for (const bool inside : {true, false}) {
    for (const std::size_t rows : {1, 2, 5, 15, 16, 17, 35}) {
      for (std::size_t units = 1; units <= 67; units += units < 36 ? 1 : 7) {
        for (const std::size_t count : {0, 1, 3, 8, 15, 16, 27}) {
          const reference::Parameters old = random_parameters(count * units);
          const std::vector<float> inputs = random_values(rows * count, 22);
          const std::vector<float> delta = random_values(rows * units, 23);
          const auto actual = run(old, inputs, delta, rows, count, units, rmsprop(inside));
          const auto expected =
              reference::dense_update(old, inputs, delta, rows, count, units, rmsprop(inside));
          ASSERT_TRUE(nearly_equal(actual.values, expected.values, 1e-6))
              << rows << " rows, " << units << " units, " << count << " inputs";
          ASSERT_TRUE(nearly_equal(actual.mean_squares, expected.mean_squares, 1e-6));
        }
      }
    }
  }
}

TEST_P(DenseUpdate, ANanGradientReachesItsWeightAlone) {
  constexpr std::size_t rows = 4;
  constexpr std::size_t count = 9;
  constexpr std::size_t units = 35;
  const reference::Parameters old = random_parameters(count * units);
  std::vector<float> inputs = random_values(rows * count, 24);
  const std::vector<float> delta = random_values(rows * units, 25);
  inputs[2 * count + 8] = nan;
  const auto actual = run(old, inputs, delta, rows, count, units, rmsprop(true));
  const auto expected =
      reference::dense_update(old, inputs, delta, rows, count, units, rmsprop(true));
  EXPECT_TRUE(nearly_equal(actual.values, expected.values, 1e-6));
  EXPECT_TRUE(std::isnan(actual.values[8 * units + 34]));
  EXPECT_TRUE(std::isfinite(actual.values[7 * units + 34]));
}

class BiasUpdate : public test::IsaTest {};
GRAFT_FOR_EACH_ISA(BiasUpdate);

TEST_P(BiasUpdate, EqualsTheReferenceForEveryTailAndBothPlacesOfEpsilon) {
  for (const bool inside : {true, false}) {
    for (const std::size_t rows : {1, 3, 16}) {
      for (std::size_t units = 1; units <= 35; ++units) {
        const reference::Parameters old = random_parameters(units);
        const std::vector<float> delta = random_values(rows * units, 26);
        GuardedFloats bias(old.values, units % 4);
        GuardedFloats mean_square(old.mean_squares, (units + 1) % 4);
        kernels().bias_update(delta.data(), rows, units, rmsprop(inside), bias.data(),
                              mean_square.data());
        const auto expected = reference::bias_update(old, delta, rows, units, rmsprop(inside));
        ASSERT_TRUE(nearly_equal(bias.values(), expected.values, 1e-6)) << rows << ' ' << units;
        ASSERT_TRUE(nearly_equal(mean_square.values(), expected.mean_squares, 1e-6));
        ASSERT_TRUE(bias.guards_intact() && mean_square.guards_intact());
      }
    }
  }
}

// With a constant gradient g: a_n = (1 - rho^n)·g², so that n steps move a parameter by
// learning_rate·Σ g/sqrt(a_i + epsilon), or g/(sqrt(a_i) + epsilon).
TEST_P(BiasUpdate, FollowsTheClosedFormOfRmsprop) {
  constexpr float g = 1e-4F;
  for (const bool inside : {true, false}) {
    float bias = 0.25F;
    float mean_square = 0.0F;
    double moved = 0.0;
    for (int step = 1; step <= 30; ++step) {
      kernels().bias_update(&g, 1, 1, rmsprop(inside), &bias, &mean_square);
      const double a = (1.0 - std::pow(0.9, step)) * g * g;
      moved += inside ? 1e-3 * g / std::sqrt(a + 1e-7) : 1e-3 * g / (std::sqrt(a) + 1e-7);
      ASSERT_NEAR(mean_square / a, 1.0, 1e-5) << "step " << step;
      ASSERT_NEAR(bias, 0.25 - moved, 1e-6) << "step " << step;
    }
    // What the place of epsilon changes at such a gradient.
    EXPECT_GT(moved, inside ? 8e-3 : 3e-2);
    EXPECT_LT(moved, inside ? 1.2e-2 : 1e-1);
  }
}

}  // namespace
}  // namespace graft
