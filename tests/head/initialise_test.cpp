#include <bit>
#include <cmath>

#include "engine/base/error.h"
#include "engine/head/trainer.h"
#include "golden_values.h"
#include "tests/support/support.h"

namespace graft {
namespace {

HeadOptions recipe(std::uint64_t seed) {
  HeadOptions options;
  options.inputs = 8192;
  options.hidden = {256};
  options.seed = seed;
  return options;
}

TEST(InitialHeadState, IsTheOneThatPublishedPhiloxGives) {
  const HeadState seed_1 = initial_head_state(recipe(1));
  const HeadState seed_2 = initial_head_state(recipe(2));
  std::size_t place = 0;
  for (const std::size_t index : golden::kernel_0_indices) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(seed_1.parameters[0].kernel[index]),
              golden::kernel_0_seed_1[place]);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(seed_2.parameters[0].kernel[index]),
              golden::kernel_0_seed_2[place]);
    ++place;
  }
  place = 0;
  for (const std::uint32_t bits : golden::kernel_1_seed_1) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(seed_1.parameters[1].kernel[place++]), bits);
  }
}

TEST(InitialHeadState, HasTheShapesOfTheLayersAndZeroBiasesAndMeanSquares) {
  HeadOptions options;
  options.inputs = 12;
  options.hidden = {32, 16};
  options.classes = 3;
  const HeadState state = initial_head_state(options);
  const std::vector<std::pair<std::size_t, std::size_t>> shapes = {{12, 32}, {32, 16}, {16, 3}};
  ASSERT_EQ(state.parameters.size(), shapes.size());
  ASSERT_EQ(state.mean_squares.size(), shapes.size());
  for (std::size_t layer = 0; layer < shapes.size(); ++layer) {
    const auto [inputs, outputs] = shapes[layer];
    for (const auto* layers : {&state.parameters, &state.mean_squares}) {
      EXPECT_EQ((*layers)[layer].inputs, inputs);
      EXPECT_EQ((*layers)[layer].outputs, outputs);
      EXPECT_EQ((*layers)[layer].kernel.size(), inputs * outputs);
      EXPECT_EQ((*layers)[layer].bias, std::vector<float>(outputs));
    }
    EXPECT_EQ(state.mean_squares[layer].kernel, std::vector<float>(inputs * outputs));
  }
}

TEST(InitialHeadState, ABinaryHeadWithoutHiddenLayersIsOneDenseWithOneOutput) {
  HeadOptions options;
  options.inputs = 5;
  options.hidden = {};
  const HeadState state = initial_head_state(options);
  ASSERT_EQ(state.parameters.size(), 1U);
  EXPECT_EQ(state.parameters[0].kernel.size(), 5U);
  EXPECT_EQ(state.parameters[0].bias.size(), 1U);
}

// A uniform variable on [−l, l) has mean 0, variance l²/3 and fourth moment l⁴/5. The bounds are
// five standard errors of those means over n values.
TEST(InitialHeadState, KernelsAreUniformWithinGlorotsLimit) {
  const HeadState state = initial_head_state(recipe(7));
  const std::vector<float>& kernel = state.parameters[0].kernel;
  const double limit = static_cast<float>(std::sqrt(6.0 / (8192 + 256)));
  double sum = 0.0, squares = 0.0, fourths = 0.0;
  for (const float value : kernel) {
    ASSERT_GE(value, -limit);
    ASSERT_LT(value, limit);
    const double unit = value / limit;
    sum += unit;
    squares += unit * unit;
    fourths += unit * unit * unit * unit;
  }
  const auto n = static_cast<double>(kernel.size());
  EXPECT_NEAR(sum / n, 0.0, 5 * std::sqrt(1.0 / 3.0 / n));
  EXPECT_NEAR(squares / n, 1.0 / 3.0, 5 * std::sqrt((1.0 / 5.0 - 1.0 / 9.0) / n));
  EXPECT_NEAR(fourths / n, 1.0 / 5.0, 5 * std::sqrt((1.0 / 9.0 - 1.0 / 25.0) / n));
}

TEST(InitialHeadState, ComesFromTheSeedAlone) {
  const HeadState once = initial_head_state(recipe(3));
  EXPECT_EQ(once.parameters[0].kernel, initial_head_state(recipe(3)).parameters[0].kernel);
  EXPECT_NE(once.parameters[0].kernel, initial_head_state(recipe(4)).parameters[0].kernel);
}

TEST(InitialHeadState, LayersOfOneShapeDiffer) {
  HeadOptions options;
  options.inputs = 8;
  options.hidden = {8, 8};
  const HeadState state = initial_head_state(options);
  EXPECT_NE(state.parameters[0].kernel, state.parameters[1].kernel);
}

TEST(InitialHeadState, ImpossibleSizesAreRefusedBeforeMemoryIsTaken) {
  HeadOptions options = recipe(1);
  options.hidden = {std::size_t{1} << 60U};
  EXPECT_THROW(initial_head_state(options), Error);
  options.hidden = {16, 0};
  EXPECT_THROW(initial_head_state(options), Error);
  options.hidden = std::vector<std::size_t>(256, 2);
  EXPECT_THROW(initial_head_state(options), Error);
}

}  // namespace
}  // namespace graft
