// The gradients of a training step against central differences of a naive head in double precision.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/head_fixture.h"
#include "tests/reference/naive_head.h"

namespace graft {
namespace {

struct Case {
  std::vector<std::size_t> hidden;
  std::size_t classes;
  double dropout;
};

class CpuHeadGradient : public ::testing::TestWithParam<Case> {
 protected:
  static constexpr std::size_t batch = 5;
  static constexpr std::uint64_t step = 3;

  CpuHeadGradient() {
    options_.inputs = 37;
    options_.hidden = GetParam().hidden;
    options_.classes = GetParam().classes;
    options_.dropout = GetParam().dropout;
    options_.batch_size = batch;
    options_.seed = 9;
    // With rho = 0 the running mean is the square of the gradient, and the step goes against its
    // sign.
    options_.optimizer.rho = 0.0;
    options_.optimizer.learning_rate = 0.5;
    options_.optimizer.epsilon = 1e-12;
    samples_ = test::random_samples(batch, options_.inputs, options_.classes, 4);
    before_ = test::random_state(options_, 5);
  }

  HeadState step_once() const {
    cpu::ThreadPool pool(2);
    const auto head = cpu::make_cpu_head(options_, pool, cpu::kernels_for(cpu::best_isa()));
    head->set_state(before_);
    head->set_training_data(samples_.view(), samples_.labels);
    head->train_step(test::first_rows(batch), step);
    return head->state();
  }

  // The slope of the loss along one parameter; nothing where a ReLU bends in between.
  std::optional<double> slope(reference::NaiveHead& naive, double& parameter) const {
    constexpr double half = 1e-5;
    const double value = parameter;
    parameter = value + half;
    const double above = naive.loss(samples_.view(), samples_.labels, step);
    const auto signs_above = naive.take_signs();
    parameter = value - half;
    const double below = naive.loss(samples_.view(), samples_.labels, step);
    const auto signs_below = naive.take_signs();
    parameter = value;
    if (signs_above != signs_below) return std::nullopt;
    return (above - below) / (2.0 * half);
  }

  void check(std::vector<double>& parameters, const std::vector<float>& old_values,
             const std::vector<float>& new_values, const std::vector<float>& squares,
             reference::NaiveHead& naive, const std::string& what) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      ++parameters_;
      const std::optional<double> expected = slope(naive, parameters[i]);
      if (!expected) continue;
      ++checked_;
      const double size = std::sqrt(static_cast<double>(squares[i]));
      const double gradient = new_values[i] < old_values[i] ? size : -size;
      EXPECT_NEAR(gradient, *expected, 1e-6 + 1e-5 * std::abs(*expected)) << what << ' ' << i;
      largest_ = std::max(largest_, size);
    }
  }

  HeadOptions options_;
  test::Samples samples_;
  HeadState before_;
  std::size_t parameters_ = 0;
  std::size_t checked_ = 0;
  double largest_ = 0.0;
};

TEST_P(CpuHeadGradient, EqualsCentralDifferences) {
  const HeadState after = step_once();
  reference::NaiveHead naive(options_);
  naive.set_state(before_);
  for (std::size_t layer = 0; layer < after.parameters.size(); ++layer) {
    const DenseParameters& old_values = before_.parameters[layer];
    const DenseParameters& new_values = after.parameters[layer];
    const DenseParameters& squares = after.mean_squares[layer];
    const std::string name = "layer " + std::to_string(layer);
    check(naive.layers()[layer].kernel, old_values.kernel, new_values.kernel, squares.kernel, naive,
          name + " kernel");
    check(naive.layers()[layer].bias, old_values.bias, new_values.bias, squares.bias, naive,
          name + " bias");
  }
  EXPECT_GT(checked_, parameters_ * 95 / 100);
  EXPECT_GT(largest_, 1e-2);
}

std::string case_name(const ::testing::TestParamInfo<Case>& test) {
  std::string name = "hidden";
  for (const std::size_t units : test.param.hidden) name.append("_").append(std::to_string(units));
  name.append("_classes_").append(std::to_string(test.param.classes));
  return name.append(test.param.dropout > 0.0 ? "_dropout" : "_no_dropout");
}

INSTANTIATE_TEST_SUITE_P(Heads, CpuHeadGradient,
                         ::testing::Values(Case{{}, 2, 0.0}, Case{{}, 3, 0.0}, Case{{}, 4, 0.5},
                                           Case{{21}, 2, 0.0}, Case{{21}, 2, 0.4},
                                           Case{{21}, 3, 0.0}, Case{{21}, 5, 0.4},
                                           Case{{19, 11}, 2, 0.0}, Case{{19, 11}, 2, 0.3},
                                           Case{{11, 18}, 4, 0.3}),
                         case_name);

}  // namespace
}  // namespace graft
