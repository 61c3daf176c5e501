#include "engine/vgg16/vgg16.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/base/error.h"
#include "tests/support/support.h"

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

TEST(Vgg16, FlatFeaturesAreALayersMapAfterItsPool) {
  const auto shape = [](Layer layer) {
    return vgg16_feature_shape({150, 97}, {{layer}, Pooling::none});
  };
  EXPECT_EQ(shape(Layer::block1), (FeatureShape{75, 48, 64}));
  EXPECT_EQ(shape(Layer::block2), (FeatureShape{37, 24, 128}));
  EXPECT_EQ(shape(Layer::block3), (FeatureShape{18, 12, 256}));
  EXPECT_EQ(shape(Layer::block4), (FeatureShape{9, 6, 512}));
  EXPECT_EQ(shape(Layer::block5), (FeatureShape{4, 3, 512}));
  EXPECT_EQ(shape(Layer::block3).dimensions(), (std::vector<std::size_t>{18, 12, 256}));
}

TEST(Vgg16, PooledFeaturesAreARowOfStatisticsWhateverTheImagesSize) {
  const std::vector<Layer> all = {Layer::block1, Layer::block2, Layer::block3, Layer::block4,
                                  Layer::block5};
  for (const ImageSize size : {ImageSize{32, 32}, {150, 97}}) {
    EXPECT_EQ(vgg16_feature_shape(size, {{Layer::block5}, Pooling::average}),
              (FeatureShape{1, 1, 512, true}));
    EXPECT_EQ(vgg16_feature_shape(size, {{Layer::block2, Layer::block3}, Pooling::max}).count(),
              128U + 256);
    const FeatureShape shape = vgg16_feature_shape(size, {all, Pooling::average_max});
    EXPECT_EQ(shape.dimensions(), std::vector<std::size_t>{2U * (64 + 128 + 256 + 512 + 512)});
  }
}

TEST(Vgg16, GroupsOfFeaturesAreTheStatisticsOfEachLayerInTurn) {
  const auto groups =
      vgg16_feature_groups({150, 97}, {{Layer::block1, Layer::block4}, Pooling::average_max});
  const auto is = [&](std::size_t i, Layer layer, Pooling statistic, std::size_t first,
                      std::size_t columns) {
    const FeatureGroup& group = groups.at(i);
    return group.layer == layer && group.statistic == statistic && group.first == first &&
           group.columns == columns;
  };
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_TRUE(is(0, Layer::block1, Pooling::average, 0, 64));
  EXPECT_TRUE(is(1, Layer::block1, Pooling::max, 64, 64));
  EXPECT_TRUE(is(2, Layer::block4, Pooling::average, 128, 512));
  EXPECT_TRUE(is(3, Layer::block4, Pooling::max, 640, 512));
}

TEST(Vgg16, FlatFeaturesAreOneGroup) {
  const auto groups = vgg16_feature_groups({150, 97}, {{Layer::block4}, Pooling::none});
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].layer, Layer::block4);
  EXPECT_EQ(groups[0].statistic, Pooling::none);
  EXPECT_EQ(groups[0].first, 0U);
  EXPECT_EQ(groups[0].columns, 9U * 6 * 512);
}

TEST(Vgg16, ConvolutionsOfABlockEndWithItsPool) {
  std::size_t pools = 0;
  for (const Layer layer :
       {Layer::block1, Layer::block2, Layer::block3, Layer::block4, Layer::block5}) {
    const std::size_t count = convolutions_up_to(layer);
    EXPECT_TRUE(vgg16_layers[count - 1].pool_after) << name_of(layer);
    EXPECT_TRUE(vgg16_layers[count - 1].name.starts_with(name_of(layer)));
    EXPECT_EQ(std::count_if(vgg16_layers.begin(),
                            vgg16_layers.begin() + static_cast<std::ptrdiff_t>(count),
                            [](const Vgg16Layer& one) { return one.pool_after; }),
              static_cast<std::ptrdiff_t>(++pools));
  }
  EXPECT_EQ(convolutions_of({{Layer::block1, Layer::block3}, Pooling::max}), 7U);
}

TEST(Vgg16, RefusesLayersThatAreNoFeatures) {
  const auto refusal = [](const FeatureSource& source) {
    const std::string sentence = test::error_of([&] { vgg16_feature_shape({150, 150}, source); });
    EXPECT_EQ(test::error_of([&] { vgg16_feature_groups({150, 150}, source); }), sentence);
    return sentence;
  };
  const std::string refused =
      "Features need one layer, or several that ascend and a features.pooling other than \"none\".";
  EXPECT_EQ(refusal({{}, Pooling::none}), refused);
  EXPECT_EQ(refusal({{}, Pooling::average}), refused);
  EXPECT_EQ(refusal({{Layer::block1, Layer::block2}, Pooling::none}), refused);
  EXPECT_EQ(refusal({{Layer::block2, Layer::block1}, Pooling::max}), refused);
  EXPECT_EQ(refusal({{Layer::block2, Layer::block2}, Pooling::max}), refused);
  EXPECT_EQ(refusal({{Layer::block2}, Pooling::none}), "");
}

// 2·9·inputs·outputs·height·width, summed by hand: 15,346,630,656 multiply-adds at 224×224.
TEST(Vgg16, CountsTheOperationsOfADirectConvolution) {
  EXPECT_EQ(convolution_flop(vgg16_shapes({224, 224})[0]), 2.0 * 9 * 3 * 64 * 224 * 224);
  EXPECT_EQ(vgg16_flop({224, 224}), 2.0 * 15'346'630'656);
  EXPECT_EQ(vgg16_flop({224, 224}, {{Layer::block1}, Pooling::average}),
            2.0 * 9 * (3 + 64) * 64 * 224 * 224);
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
