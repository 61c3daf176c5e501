#include "engine/vgg16/vgg16.h"

#include <gtest/gtest.h>

#include "engine/base/error.h"

namespace graft {
namespace {

TEST(Vgg16, HasItsPublishedNumberOfParameters) {
  std::size_t parameters = 0;
  for (const LayerShape& shape : vgg16_shapes({224, 224}))
    parameters += shape.weights() + shape.outputs;
  EXPECT_EQ(parameters, vgg16_parameters);
}

TEST(Vgg16, HalvesFiveTimesAndRoundsDown) {
  EXPECT_EQ(vgg16_feature_shape({224, 224}), (FeatureShape{7, 7, 512}));
  EXPECT_EQ(vgg16_feature_shape({150, 97}), (FeatureShape{4, 3, 512}));
  EXPECT_EQ(vgg16_feature_shape({32, 63}), (FeatureShape{1, 1, 512}));
  const auto shapes = vgg16_shapes({150, 97});
  EXPECT_EQ(shapes[6].height, 37U);
  EXPECT_EQ(shapes[6].output_height(), 18U);
  EXPECT_EQ(shapes[6].width, 24U);
  EXPECT_EQ(shapes[6].output_width(), 12U);
}

TEST(Vgg16, RefusesImagesThatItCannotHalveFiveTimes) {
  EXPECT_THROW(vgg16_feature_shape({31, 150}), Error);
  EXPECT_THROW(vgg16_shapes({150, 31}), Error);
}

// 2·9·inputs·outputs·height·width, summed by hand: 15,346,630,656 multiply-adds at 224×224.
TEST(Vgg16, CountsTheOperationsOfADirectConvolution) {
  EXPECT_EQ(convolution_flop(vgg16_shapes({224, 224})[0]), 2.0 * 9 * 3 * 64 * 224 * 224);
  EXPECT_EQ(vgg16_flop({224, 224}), 2.0 * 15'346'630'656);
  // The pool after block2_conv2 drops the last of 75 rows and columns.
  EXPECT_EQ(convolution_flop(vgg16_shapes({150, 150})[3]), 2.0 * 9 * 128 * 128 * 74 * 74);
}

TEST(Storage, Tf32IsStoredAsFp32) {
  EXPECT_EQ(storage_precision(Precision::tf32), Precision::fp32);
  EXPECT_EQ(storage_bytes(Precision::tf32), 4U);
  EXPECT_EQ(storage_bytes(Precision::fp16), 2U);
  EXPECT_EQ(storage_bytes(Precision::bf16), 2U);
}

}  // namespace
}  // namespace graft
