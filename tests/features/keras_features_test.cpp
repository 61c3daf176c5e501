// The whole way from photo files to features, against Keras.

#include <gtest/gtest.h>

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

  PredictionRequest request;
  request.root = reference / "data" / "cats_and_dogs" / "train";
  request.files = arrays.at("files").strings();
  request.data.image_size = {150, 150};
  request.batch_size = 8;
  request.decode_threads = 2;
  const std::size_t columns = vgg16_feature_shape(request.data.image_size).count();
  ASSERT_EQ(expected.size(), request.files.size() * columns);

  const auto backend = make_backend("cpu", 0);
  BackboneOptions options;
  options.image_size = request.data.image_size;
  options.preprocess = request.data.preprocess;
  options.batch_size = request.batch_size;
  options.algorithm = GetParam();
  const auto backbone = backend->make_backbone(load_vgg16_weights(*weights_file), options);
  std::size_t rows = 0;
  double largest_difference = 0.0;
  stream_features(
      request, *backend, *backbone,
      [&](std::span<const std::size_t> files, FeatureView view) {
        for (std::size_t i = 0; i < view.rows; ++i) {
          ASSERT_EQ(files[i], rows++);
          for (std::size_t column = 0; column < columns; ++column) {
            const double value = view.row(i)[column];
            ASSERT_TRUE(std::isfinite(value));
            largest_difference = std::max(largest_difference,
                                          std::abs(value - expected[files[i] * columns + column]));
          }
        }
      },
      [&](std::size_t file, const std::string& reason) {
        ADD_FAILURE() << request.files[file] << ": " << reason;
      },
      {});
  EXPECT_EQ(rows, 32U);
  EXPECT_LE(largest_difference, 1e-4);
  RecordProperty("largest_difference", std::to_string(largest_difference));
}

}  // namespace
}  // namespace graft
