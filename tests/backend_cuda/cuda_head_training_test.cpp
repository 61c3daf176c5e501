// Training on the GPU against the CPU backend, whose steps are proven against float64 loops and
// against Keras.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/backend_cuda/cuda_head_test.h"
#include "tests/support/npz.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::nearly_equal;

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
  std::size_t classes;
  bool epsilon_inside_sqrt;
  double dropout;
  std::vector<std::size_t> hidden;
};

void PrintTo(const Case& test, std::ostream* out) {
  *out << test.classes << " classes, dropout " << test.dropout << ", hidden";
  for (const std::size_t units : test.hidden) *out << ' ' << units;
}

class CudaHeadTraining : public test::CudaHeadTest, public ::testing::WithParamInterface<Case> {
 protected:
  static HeadOptions options() {
    HeadOptions options;
    options.inputs = 96;
    options.hidden = GetParam().hidden;
    options.classes = GetParam().classes;
    options.dropout = GetParam().dropout;
    options.batch_size = 16;
    options.seed = 0x1234567890ULL;
    options.optimizer.learning_rate = 1e-3;
    options.optimizer.epsilon_inside_sqrt = GetParam().epsilon_inside_sqrt;
    return options;
  }
};

// 7 batches, the last of 4 rows.
TEST_P(CudaHeadTraining, TheFirstEpochsLossesAndStateAreTheCpus) {
  const test::Samples samples = test::random_samples(100, 96, GetParam().classes, 11);
  const HeadState initial = test::random_state(options(), 21);
  const auto expected = make_cpu(options());
  const auto actual = make_cuda(options());
  for (Head* head : {expected.get(), actual.get()}) {
    head->set_state(initial);
    head->set_training_data(samples.view(), samples.labels);
  }
  std::uint64_t step = (1ULL << 40U) + 5;  // the masks take all of its bits
  for (const auto& rows : test::shuffled_batches(100, 16, 5)) {
    expected->train_step(rows, step);
    actual->train_step(rows, step++);
    const Totals cpu = expected->take_totals();
    const Totals gpu = actual->take_totals();
    EXPECT_NEAR(gpu.loss(), cpu.loss(), 1e-5 * cpu.loss());
    EXPECT_EQ(gpu.correct, cpu.correct);
    EXPECT_EQ(gpu.count, rows.size());
  }
  const HeadState cpu = expected->state();
  const HeadState gpu = actual->state();
  expect_near(gpu.parameters, cpu.parameters, 2e-5);
  expect_near(gpu.mean_squares, cpu.mean_squares, 2e-5);
}

std::vector<Case> cases() {
  std::vector<Case> cases;
  for (const std::size_t classes : {2, 5}) {
    for (const double dropout : {0.0, 0.5}) {
      for (const auto& hidden : std::vector<std::vector<std::size_t>>{{}, {256}, {32, 17}}) {
        // Both forms of epsilon with each loss and each rate, not with each shape.
        for (const bool inside : {false, true}) {
          if (inside && hidden.size() != 1) continue;
          cases.push_back({classes, inside, dropout, hidden});
        }
      }
    }
  }
  return cases;
}

std::string case_name(const ::testing::TestParamInfo<Case>& test) {
  std::string name = test.param.classes == 2 ? "binary" : "softmax";
  name += test.param.epsilon_inside_sqrt ? "_keras3" : "_keras2";
  name += test.param.dropout > 0.0 ? "_dropout" : "_plain";
  for (const std::size_t units : test.param.hidden) name.append("_").append(std::to_string(units));
  return name;
}

INSTANTIATE_TEST_SUITE_P(EachForm, CudaHeadTraining, ::testing::ValuesIn(cases()), case_name);

class CudaHeadEpoch : public test::CudaHeadTest {};

// A mask shows where a loss without a ReLU's kink moves: with all weights 1 and features 1, a
// hidden output is 0 where it is dropped and the same number elsewhere, so that the gradient of the
// last kernel tells kept units from dropped ones.
TEST_F(CudaHeadEpoch, DropsTheUnitsThatTheCpuDrops) {
  HeadOptions options;
  options.inputs = 1;
  options.hidden = {300};
  options.batch_size = 1;
  options.seed = 77;
  HeadState state = test::random_state(options, 1);
  std::ranges::fill(state.parameters[0].kernel, 1.0F);
  std::ranges::fill(state.parameters[0].bias, 0.0F);
  std::ranges::fill(state.parameters[1].kernel, 1e-3F);
  const std::vector<float> features = {1.0F};
  const std::vector<std::uint32_t> labels = {1};
  const auto dropped = [&](Head& head) {
    head.set_state(state);
    head.set_training_data({features.data(), 1, 1}, labels);
    head.train_step(test::first_rows(1), 9);
    std::vector<bool> units;
    const HeadState after = head.state();
    for (const float square : after.mean_squares[1].kernel) units.push_back(square == 0.0F);
    return units;
  };
  const auto expected = dropped(*make_cpu(options));
  EXPECT_EQ(dropped(*make_cuda(options)), expected);
  const auto count = std::ranges::count(expected, true);
  EXPECT_GT(count, 100);
  EXPECT_LT(count, 200);
}

// The layer of the recipe, for a few steps.
TEST_F(CudaHeadEpoch, AgreesAtTheSizeOfTheRecipe) {
  HeadOptions options;
  options.inputs = 8192;
  options.hidden = {256};
  options.batch_size = 16;
  options.optimizer.learning_rate = 1e-4;
  const test::Samples samples = test::random_samples(40, 8192, 2, 3);
  const auto expected = make_cpu(options);
  const auto actual = make_cuda(options);
  for (Head* head : {expected.get(), actual.get()}) {
    head->set_state(test::random_state(options, 4));
    head->set_training_data(samples.view(), samples.labels);
    std::uint64_t step = 0;
    for (const auto& rows : test::shuffled_batches(40, 16, 8)) head->train_step(rows, step++);
  }
  const Totals cpu = expected->take_totals();
  const Totals gpu = actual->take_totals();
  EXPECT_NEAR(gpu.loss(), cpu.loss(), 1e-5 * cpu.loss());
  EXPECT_EQ(gpu.count, 40U);
  expect_near(actual->state().parameters, expected->state().parameters, 2e-5);
}

// Five epochs of the trace of Keras, loss by loss.
class CudaHeadTrace : public test::CudaHeadTest,
                      public ::testing::WithParamInterface<std::tuple<std::string, bool>> {};

TEST_P(CudaHeadTrace, LossOfEveryBatchAndFinalParametersAreThoseOfKeras) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const auto arrays = test::read_npz(reference / "reference" / "head_trace.npz");
  const auto& [loss, inside] = GetParam();
  const std::string form = inside ? "_keras3" : "_keras2";
  const auto state_of = [&](const std::string& prefix) {
    HeadState state;
    for (const char* layer : {"1", "2"}) {
      const test::NpzArray& kernel = arrays.at(prefix + "_kernel" + layer);
      state.parameters.push_back({kernel.shape.at(0), kernel.shape.at(1), kernel.floats(),
                                  arrays.at(prefix + "_bias" + layer).floats()});
    }
    return state;
  };
  const HeadState initial = state_of(loss + "_init");
  HeadOptions options;
  options.inputs = initial.parameters[0].inputs;
  options.hidden = {initial.parameters[0].outputs};
  options.classes = initial.parameters[1].outputs == 1 ? 2 : initial.parameters[1].outputs;
  options.dropout = 0.0;
  options.batch_size = 16;
  options.optimizer.epsilon_inside_sqrt = inside;
  const auto head = make_cuda(options);
  head->set_state(initial);

  const test::NpzArray& x = arrays.at("x");
  const std::vector<float> features = x.floats();
  std::vector<std::uint32_t> labels;
  for (const float label : arrays.at(loss + "_labels").floats()) {
    labels.push_back(static_cast<std::uint32_t>(label));
  }
  head->set_training_data({features.data(), x.shape.at(0), x.shape.at(1)}, labels);
  const std::vector<double> expected = arrays.at(loss + form + "_batch_loss").doubles();
  ASSERT_EQ(expected.size(), 20U);
  for (std::size_t step = 0; step < expected.size(); ++step) {
    std::vector<std::uint32_t> rows = test::first_rows(16);
    for (std::uint32_t& row : rows) row += static_cast<std::uint32_t>(step % 4 * 16);
    head->train_step(rows, step);
    EXPECT_NEAR(head->take_totals().loss(), expected[step], 1e-5 * expected[step])
        << "batch " << step;
  }
  expect_near(head->state().parameters, state_of(loss + form + "_float64_final").parameters, 2e-5);
}

INSTANTIATE_TEST_SUITE_P(EachForm, CudaHeadTrace,
                         ::testing::Combine(::testing::Values(std::string("binary"),
                                                              std::string("softmax")),
                                            ::testing::Bool()),
                         [](const auto& test) {
                           return std::get<0>(test.param) +
                                  (std::get<1>(test.param) ? "_keras3" : "_keras2");
                         });

}  // namespace
}  // namespace graft
