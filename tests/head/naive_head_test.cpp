// The head that the other tests lean on, against float64 replays of Keras' two RMSprop forms.

#include "tests/reference/naive_head.h"

#include <numeric>

#include "tests/support/npz.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using Arrays = std::map<std::string, NpzArray>;

DenseParameters dense(const Arrays& arrays, const std::string& prefix, const std::string& layer) {
  const NpzArray& kernel = arrays.at(prefix + "_kernel" + layer);
  return {kernel.shape[0], kernel.shape[1], kernel.floats(),
          arrays.at(prefix + "_bias" + layer).floats()};
}

HeadState zeroed(HeadState state) {
  state.mean_squares = state.parameters;
  for (DenseParameters& layer : state.mean_squares) {
    std::fill(layer.kernel.begin(), layer.kernel.end(), 0.0F);
    std::fill(layer.bias.begin(), layer.bias.end(), 0.0F);
  }
  return state;
}

void replay(const Arrays& arrays, const std::string& loss, const std::string& rmsprop) {
  const std::vector<float> x = arrays.at("x").floats();
  const std::vector<float> y = arrays.at(loss + "_labels").floats();
  const std::vector<std::uint32_t> labels(y.begin(), y.end());
  HeadOptions options;
  options.inputs = 512;
  options.hidden = {32};
  options.classes = loss == "binary" ? 2 : 3;
  options.dropout = 0.0;
  options.optimizer.epsilon_inside_sqrt = rmsprop == "keras3";
  reference::NaiveHead head(options);
  head.set_state(
      zeroed({{dense(arrays, loss + "_init", "1"), dense(arrays, loss + "_init", "2")}, {}}));
  head.set_training_data({x.data(), 64, 512}, labels);

  const auto expected = arrays.at(loss + "_" + rmsprop + "_batch_loss").doubles();
  for (std::size_t step = 0; step < expected.size(); ++step) {
    std::vector<std::uint32_t> rows(16);
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(16 * (step % 4)));
    head.train_step(rows, step);
    EXPECT_NEAR(head.take_totals().loss(), expected[step], 1e-5 * expected[step])
        << "step " << step;
  }
  const std::string prefix = loss + "_" + rmsprop + "_float64_final";
  const HeadState state = head.state();
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const auto final = dense(arrays, prefix, std::to_string(layer + 1));
    EXPECT_TRUE(nearly_equal(state.parameters[layer].kernel, final.kernel, 1e-5));
    EXPECT_TRUE(nearly_equal(state.parameters[layer].bias, final.bias, 1e-5));
  }
}

TEST(NaiveHead, FollowsTheReferenceTrace) {
  GRAFT_REFERENCE_OR_SKIP(folder);
  const Arrays arrays = read_npz(folder / "reference" / "head_trace.npz");
  for (const char* loss : {"binary", "softmax"}) {
    for (const char* rmsprop : {"keras2", "keras3"}) {
      SCOPED_TRACE(std::string(loss) + ", " + rmsprop);
      replay(arrays, loss, rmsprop);
    }
  }
}

}  // namespace
}  // namespace graft::test
