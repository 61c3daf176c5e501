// Five epochs of a small head against Keras 3 and a float64 replay of both forms of RMSprop:
// head_trace.npz of the reference folder.

#include <gtest/gtest.h>

#include "engine/backend/cpu/cpu_head.h"
#include "tests/support/npz.h"
#include "tests/support/support.h"

namespace graft {
namespace {

constexpr std::size_t batch = 16;
constexpr std::size_t epochs = 5;

struct Trace {
  const char* loss;  // binary or softmax
  bool epsilon_inside_sqrt;
  cpu::Isa isa;
};

// How the parameter is printed beside a test's name (else as bytes, padding included).
void PrintTo(const Trace& trace, std::ostream* out) {
  *out << trace.loss << (trace.epsilon_inside_sqrt ? " keras3 " : " keras2 ") << name_of(trace.isa);
}

class CpuHeadTrace : public ::testing::TestWithParam<Trace> {
 protected:
  using Arrays = std::map<std::string, test::NpzArray>;

  static std::string form() { return GetParam().epsilon_inside_sqrt ? "keras3" : "keras2"; }

  static HeadState state(const Arrays& arrays, const std::string& prefix) {
    HeadState state;
    for (const char* layer : {"1", "2"}) {
      const test::NpzArray& kernel = arrays.at(prefix + "_kernel" + layer);
      state.parameters.push_back({kernel.shape.at(0), kernel.shape.at(1), kernel.floats(),
                                  arrays.at(prefix + "_bias" + layer).floats()});
    }
    return state;
  }

  static HeadOptions options(const HeadState& initial) {
    HeadOptions options;
    options.inputs = initial.parameters[0].inputs;
    options.hidden = {initial.parameters[0].outputs};
    options.classes = initial.parameters[1].outputs == 1 ? 2 : initial.parameters[1].outputs;
    options.dropout = 0.0;
    options.batch_size = batch;
    options.optimizer.epsilon_inside_sqrt = GetParam().epsilon_inside_sqrt;
    return options;
  }

  static void expect_near(const HeadState& actual, const HeadState& expected, double tolerance) {
    for (std::size_t layer = 0; layer < 2; ++layer) {
      EXPECT_TRUE(test::nearly_equal(actual.parameters[layer].kernel,
                                     expected.parameters[layer].kernel, tolerance))
          << "kernel of layer " << layer;
      EXPECT_TRUE(test::nearly_equal(actual.parameters[layer].bias, expected.parameters[layer].bias,
                                     tolerance))
          << "bias of layer " << layer;
    }
  }
};

TEST_P(CpuHeadTrace, LossOfEveryBatchAndFinalParametersAreThoseOfKeras) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  if (!cpu::supports(GetParam().isa)) GTEST_SKIP() << "this processor lacks the vector unit";
  const Arrays arrays = test::read_npz(reference / "reference" / "head_trace.npz");
  const std::string loss = GetParam().loss;
  const HeadState initial = state(arrays, loss + "_init");
  cpu::ThreadPool pool(2);
  const auto head = cpu::make_cpu_head(options(initial), pool, cpu::kernels_for(GetParam().isa));
  head->set_state(initial);

  const test::NpzArray& x = arrays.at("x");
  const std::vector<float> features = x.floats();
  std::vector<std::uint32_t> labels;
  for (const float label : arrays.at(loss + "_labels").floats()) {
    labels.push_back(static_cast<std::uint32_t>(label));
  }
  head->set_training_data({features.data(), x.shape.at(0), x.shape.at(1)}, labels);

  const std::vector<double> expected = arrays.at(loss + "_" + form() + "_batch_loss").doubles();
  const std::size_t batches = labels.size() / batch;
  ASSERT_EQ(expected.size(), epochs * batches);
  for (std::size_t step = 0; step < expected.size(); ++step) {
    std::vector<std::uint32_t> rows;
    for (std::size_t i = 0; i < batch; ++i) {
      rows.push_back(static_cast<std::uint32_t>(step % batches * batch + i));
    }
    head->train_step(rows, step);
    EXPECT_NEAR(head->take_totals().loss(), expected[step], 1e-5 * expected[step])
        << "batch " << step;
  }
  const HeadState final = head->state();
  expect_near(final, state(arrays, loss + "_" + form() + "_float64_final"), 2e-5);
  if (GetParam().epsilon_inside_sqrt) {
    expect_near(final, state(arrays, loss + "_keras3_final"), 2e-5);
  }
}

std::vector<Trace> traces() {
  std::vector<Trace> traces;
  for (const char* loss : {"binary", "softmax"}) {
    for (const bool inside : {false, true}) {
      for (const cpu::Isa isa : cpu::all_isas) traces.push_back({loss, inside, isa});
    }
  }
  return traces;
}

std::string trace_name(const ::testing::TestParamInfo<Trace>& test) {
  std::string name(test.param.loss);
  name.append(test.param.epsilon_inside_sqrt ? "_keras3_" : "_keras2_");
  for (const char letter : cpu::name_of(test.param.isa)) {
    if (letter != '-') name.push_back(letter);
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(EachForm, CpuHeadTrace, ::testing::ValuesIn(traces()), trace_name);

}  // namespace
}  // namespace graft
