// From photo files to features, against Keras.

#include <gmock/gmock.h>

#include <cmath>
#include <string>

#include "engine/features/features.h"
#include "engine/weights/vgg16_weights.h"
#include "tests/support/npz.h"
#include "tests/support/support.h"

namespace graft {
namespace {

class KerasFeatures : public ::testing::TestWithParam<ConvolutionAlgorithm> {};
INSTANTIATE_TEST_SUITE_P(, KerasFeatures,
                         ::testing::Values(ConvolutionAlgorithm::winograd,
                                           ConvolutionAlgorithm::direct),
                         [](const auto& algorithm) {
                           return std::string(name_of(algorithm.param));
                         });

TEST_P(KerasFeatures, ThirtyTwoPhotosAreWithin1e4) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const auto weights_file = test::vgg16_weights_file();
  if (!weights_file) GTEST_SKIP() << "needs the VGG16 weights (tools/fetch_weights.sh)";
  const auto arrays = test::read_npz(reference / "reference" / "seed_features_keras.npz");
  const std::vector<float> expected = arrays.at("features").floats();

  const std::vector<std::string> files = arrays.at("files").strings();
  PipelineRequest request;
  request.options = {{}, 8, 2};
  request.options.data.image_size = {150, 150};
  request.options.data.resize = Resize::nearest;
  request.options.data.preprocess = Preprocess::rescale;
  request.images = files.size();
  request.path = [&](std::size_t i) {
    return reference / "data" / "cats_and_dogs" / "train" / files[i];
  };
  const std::size_t columns = request.options.shape().count();
  ASSERT_EQ(expected.size(), files.size() * columns);

  const auto backend = make_backend("cpu", 0);
  BackboneOptions options;
  options.image_size = request.options.data.image_size;
  options.preprocess = request.options.data.preprocess;
  options.batch_size = request.options.batch_size;
  options.algorithm = GetParam();
  const auto backbone = backend->make_backbone(load_vgg16_weights(*weights_file), options);
  std::size_t rows = 0;
  double largest_difference = 0.0;
  request.sink = [&](const FeatureBatch& batch) {
    ASSERT_EQ(batch.first, rows);
    ASSERT_THAT(batch.bad_reasons, ::testing::Each(""));
    for (std::size_t i = 0; i < batch.features.rows; ++i, ++rows) {
      for (std::size_t column = 0; column < columns; ++column) {
        const double value = batch.features.row(i)[column];
        ASSERT_TRUE(std::isfinite(value));
        largest_difference =
            std::max(largest_difference, std::abs(value - expected[rows * columns + column]));
      }
    }
  };
  SilentObserver observer;
  run_pipeline(request, {*backend, observer}, *backbone);
  EXPECT_EQ(rows, 32U);
  EXPECT_LE(largest_difference, 1e-4);
  RecordProperty("largest_difference", std::to_string(largest_difference));
}

}  // namespace
}  // namespace graft
