// Training on every device of the program: gradients against central differences, steps against the
// reference implementation in float64, and five epochs against Keras.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/backend/head_device.h"
#include "tests/backend/head_samples.h"
#include "tests/reference/head.h"
#include "tests/support/npz.h"

namespace graft::test {
namespace {

void expect_near(const std::vector<DenseParameters>& actual,
                 const std::vector<DenseParameters>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t layer = 0; layer < actual.size(); ++layer) {
    EXPECT_TRUE(nearly_equal(actual[layer].kernel, expected[layer].kernel, tolerance))
        << "kernel of layer " << layer;
    EXPECT_TRUE(nearly_equal(actual[layer].bias, expected[layer].bias, tolerance))
        << "bias of layer " << layer;
  }
}

struct Case {
  std::vector<std::size_t> hidden;
  std::size_t classes = 2;
  double dropout = 0.0;
  bool epsilon_inside_sqrt = true;
  bool weighted = false;
};

std::string name_of(const Case& of) {
  std::string name = of.classes == 2 ? "binary" : "softmax" + std::to_string(of.classes);
  name += of.epsilon_inside_sqrt ? "_keras3" : "_keras2";
  if (of.dropout > 0.0) name += "_dropout";
  if (of.weighted) name += "_weighted";
  for (const std::size_t units : of.hidden) name.append("_").append(std::to_string(units));
  return name;
}
void PrintTo(const Case& of, std::ostream* out) {
  *out << name_of(of);
}

// A test for each device and case.
class OnDeviceAndCase : public HeadDeviceTest,
                        public ::testing::WithParamInterface<std::tuple<NamedHeadDevice, Case>> {
 protected:
  void SetUp() override { open(std::get<0>(GetParam())); }
  static HeadOptions options(std::size_t inputs) {
    const Case& of = std::get<1>(GetParam());
    HeadOptions options;
    options.inputs = inputs;
    options.hidden = of.hidden;
    options.classes = of.classes;
    options.dropout = of.dropout;
    options.optimizer.epsilon_inside_sqrt = of.epsilon_inside_sqrt;
    const std::vector<float> weights = {0.5F, 2.0F, 1.5F, 0.25F, 3.0F};
    if (of.weighted)
      options.class_weights.assign(weights.begin(),
                                   weights.begin() + static_cast<std::ptrdiff_t>(of.classes));
    return options;
  }
};

const auto test_name = [](const auto& test) {
  return std::get<0>(test.param).name + "_" + name_of(std::get<1>(test.param));
};

// ---- Gradients ----

// The slope of the mean loss along one parameter; nothing where a ReLU bends in between.
std::optional<double> slope(reference::ReferenceHead& head, double& parameter,
                            const Samples& samples, std::uint64_t step) {
  constexpr double half = 1e-5;
  const double value = parameter;
  parameter = value + half;
  const double above = head.loss(samples.view(), samples.labels, step);
  const auto signs_above = head.take_signs();
  parameter = value - half;
  const double below = head.loss(samples.view(), samples.labels, step);
  parameter = value;
  if (signs_above != head.take_signs()) return std::nullopt;
  return (above - below) / (2.0 * half);
}

class HeadGradient : public OnDeviceAndCase {};

TEST_P(HeadGradient, EqualsCentralDifferences) {
  constexpr std::size_t batch = 5;
  constexpr std::uint64_t step = 3;
  HeadOptions head_options = options(37);
  head_options.batch_size = batch;
  head_options.seed = 9;
  // With rho = 0 the running mean is the square of the gradient, and the step goes against its sign.
  head_options.optimizer.rho = 0.0;
  head_options.optimizer.learning_rate = 0.5;
  head_options.optimizer.epsilon = 1e-12;
  const Samples samples = random_samples(batch, 37, head_options.classes, 4);
  const HeadState before = random_state(head_options, 5);
  const auto head = make(head_options);
  head->set_state(before);
  head->set_training_data(samples.view(), samples.labels, {});
  train_step(*head, first_rows(batch), step);
  const HeadState after = head->state();

  reference::ReferenceHead reference(head_options);
  reference.set_state(before);
  std::size_t parameters = 0, checked = 0;
  double largest = 0.0;
  const auto check = [&](std::vector<double>& moved, const std::vector<float>& old_values,
                         const std::vector<float>& new_values, const std::vector<float>& squares) {
    for (std::size_t i = 0; i < moved.size(); ++i) {
      ++parameters;
      const std::optional<double> expected = slope(reference, moved[i], samples, step);
      if (!expected) continue;
      ++checked;
      const double size = std::sqrt(static_cast<double>(squares[i]));
      const double gradient = new_values[i] < old_values[i] ? size : -size;
      EXPECT_NEAR(gradient, *expected, 1e-6 + 1e-5 * std::abs(*expected)) << "parameter " << i;
      largest = std::max(largest, size);
    }
  };
  for (std::size_t layer = 0; layer < after.parameters.size(); ++layer) {
    SCOPED_TRACE(::testing::Message() << "layer " << layer);
    const DenseParameters& old_values = before.parameters[layer];
    const DenseParameters& new_values = after.parameters[layer];
    const DenseParameters& squares = after.mean_squares[layer];
    auto& [kernel, bias] = reference.layers()[layer];
    check(kernel, old_values.kernel, new_values.kernel, squares.kernel);
    check(bias, old_values.bias, new_values.bias, squares.bias);
  }
  EXPECT_GT(checked, parameters * 95 / 100);
  EXPECT_GT(largest, 1e-2);
}

INSTANTIATE_TEST_SUITE_P(
    EachForm, HeadGradient,
    ::testing::Combine(::testing::ValuesIn(head_devices()),
                       ::testing::Values(Case{{}, 2, 0.0}, Case{{}, 3, 0.0}, Case{{}, 4, 0.5},
                                         Case{{21}, 2, 0.0}, Case{{21}, 2, 0.4}, Case{{21}, 3, 0.0},
                                         Case{{21}, 5, 0.4}, Case{{19, 11}, 2, 0.0},
                                         Case{{19, 11}, 2, 0.3}, Case{{11, 18}, 4, 0.3},
                                         Case{{21}, 2, 0.4, true, true},
                                         Case{{21}, 5, 0.0, true, true})),
    test_name);

// ---- Steps ----

class HeadTraining : public OnDeviceAndCase {
 protected:
  // An epoch on the device and on the reference, batch by batch.
  void expect_same_epoch(const HeadOptions& options, std::size_t rows,
                         std::uint64_t step = (1ULL << 40U) + 5) {  // the masks take all its bits
    const Samples samples = random_samples(rows, options.inputs, options.classes, 11);
    const auto head = make(options);
    reference::ReferenceHead expected(options);
    for (Head* each : {head.get(), static_cast<Head*>(&expected)}) {
      each->set_state(random_state(options, 21));
      each->set_training_data(samples.view(), samples.labels, {});
    }
    for (const auto& batch : shuffled_batches(rows, options.batch_size, 5)) {
      train_step(expected, batch, step);
      train_step(*head, batch, step++);
      const Totals due = expected.take_totals();
      const Totals totals = head->take_totals();
      EXPECT_NEAR(totals.loss(), due.loss(), 1e-5 * due.loss());
      EXPECT_EQ(totals.correct, due.correct);
      EXPECT_EQ(totals.count, batch.size());
    }
    const HeadState state = head->state(), due = expected.state();
    // Outside the root, the small epsilon magnifies the rounding of a small gradient.
    const bool inside = options.optimizer.epsilon_inside_sqrt;
    expect_near(state.parameters, due.parameters, inside ? 2e-5 : 5e-5);
    expect_near(state.mean_squares, due.mean_squares, 2e-5);
  }
};

// 7 batches, the last of 4 rows.
TEST_P(HeadTraining, IsThatOfTheReference) {
  HeadOptions of_case = options(96);
  of_case.seed = 0x1234567890ULL;
  of_case.optimizer.learning_rate = 1e-3;
  expect_same_epoch(of_case, 100);
}

// 7 batches of 9 at which the rate reaches 0: no batch has the rate of another.
TEST_P(HeadTraining, WithALinearScheduleIsThatOfTheReference) {
  HeadOptions of_case = options(96);
  of_case.optimizer.learning_rate = 5e-4;
  of_case.steps = 9;
  expect_same_epoch(of_case, 100, 1);
}

std::vector<Case> training_cases() {
  std::vector<Case> cases;
  for (const std::size_t classes : {2, 5}) {
    for (const double dropout : {0.0, 0.5}) {
      for (const auto& hidden : std::vector<std::vector<std::size_t>>{{}, {256}, {32, 17}}) {
        cases.push_back({hidden, classes, dropout, false});
        // Both forms of epsilon with each loss and each rate, not with each shape.
        if (hidden.size() == 1) cases.push_back({hidden, classes, dropout, true});
        if (hidden.size() == 2) cases.push_back({hidden, classes, dropout, true, true});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(EachForm, HeadTraining,
                         ::testing::Combine(::testing::ValuesIn(head_devices()),
                                            ::testing::ValuesIn(training_cases())),
                         test_name);

class HeadOfTheRecipe : public HeadTraining {};

TEST_P(HeadOfTheRecipe, TrainsAsTheReference) {
  HeadOptions of_case = options(8192);
  of_case.optimizer.learning_rate = 1e-4;
  expect_same_epoch(of_case, 40);
}

INSTANTIATE_TEST_SUITE_P(EachForm, HeadOfTheRecipe,
                         ::testing::Combine(::testing::ValuesIn(head_devices()),
                                            ::testing::Values(Case{{256}, 2, 0.5})),
                         test_name);

// ---- Keras ----

// head_trace.npz of the reference folder: Keras 3, and a float64 replay of both forms of RMSprop.
class HeadKerasTrace : public OnDeviceAndCase {
 protected:
  static std::string loss() { return std::get<1>(GetParam()).classes == 2 ? "binary" : "softmax"; }
  HeadState state_of(const std::string& name) const {
    HeadState state;
    for (const char* layer : {"1", "2"}) {
      const NpzArray& kernel = arrays_.at(loss() + name + "_kernel" + layer);
      const std::vector<float> bias = arrays_.at(loss() + name + "_bias" + layer).floats();
      state.parameters.push_back({kernel.shape.at(0), kernel.shape.at(1), kernel.floats(), bias});
    }
    return with_zero_mean_squares(std::move(state));
  }

  std::map<std::string, NpzArray> arrays_;
};

TEST_P(HeadKerasTrace, HasTheLossOfEveryBatchAndTheFinalParameters) {
  GRAFT_REFERENCE_OR_SKIP(reference_files);
  arrays_ = read_npz(reference_files / "reference" / "head_trace.npz");
  const NpzArray& x = arrays_.at("x");
  const std::vector<float> features = x.floats();
  const std::vector<float> y = arrays_.at(loss() + "_labels").floats();
  const std::vector<std::uint32_t> labels(y.begin(), y.end());
  const auto head = make(options(x.shape.at(1)));
  head->set_state(state_of("_init"));
  head->set_training_data({features.data(), x.shape.at(0), x.shape.at(1)}, labels, {});

  const bool inside = std::get<1>(GetParam()).epsilon_inside_sqrt;
  const std::string form = inside ? "_keras3" : "_keras2";
  const std::vector<double> expected = arrays_.at(loss() + form + "_batch_loss").doubles();
  ASSERT_EQ(expected.size(), 20U);  // five epochs of four batches
  for (std::size_t step = 0; step < expected.size(); ++step) {
    std::vector<std::uint32_t> rows = first_rows(16);
    for (std::uint32_t& row : rows) row += static_cast<std::uint32_t>(step % 4 * 16);
    train_step(*head, rows, step);
    EXPECT_NEAR(head->take_totals().loss(), expected[step], 1e-5 * expected[step])
        << "batch " << step;
  }
  const HeadState trained = head->state();
  expect_near(trained.parameters, state_of(form + "_float64_final").parameters, 2e-5);
  if (inside) expect_near(trained.parameters, state_of("_keras3_final").parameters, 2e-5);
}

// The reference implementation, which all others are compared with, is held to Keras too.
class ReferenceDevice final : public HeadDevice {
 public:
  std::unique_ptr<Head> make_head(const HeadOptions& options) override {
    return std::make_unique<reference::ReferenceHead>(options);
  }
};

std::vector<NamedHeadDevice> devices_and_reference() {
  std::vector<NamedHeadDevice> devices = head_devices();
  devices.push_back({"reference", [] { return std::make_unique<ReferenceDevice>(); }});
  return devices;
}

INSTANTIATE_TEST_SUITE_P(
    EachForm, HeadKerasTrace,
    ::testing::Combine(::testing::ValuesIn(devices_and_reference()),
                       ::testing::Values(Case{{32}, 2, 0.0, false}, Case{{32}, 2, 0.0, true},
                                         Case{{32}, 3, 0.0, false}, Case{{32}, 3, 0.0, true})),
    test_name);

}  // namespace
}  // namespace graft::test
