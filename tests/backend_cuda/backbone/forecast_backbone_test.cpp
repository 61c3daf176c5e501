// The data of `graft plan`: real plans of all thirteen convolutions, and sums that add up.

#include "engine/backend/cuda/backbone/backbone_spec.h"

#include <gmock/gmock.h>

#include <ostream>

#include "engine/weights/vgg16_weights.h"
#include "tests/backend_cuda/cudnn/cudnn_test.h"

namespace graft {

// How GoogleTest shows a parameter.
void PrintTo(Precision precision, std::ostream* out) {
  *out << name_of(precision);
}

namespace {

BackboneOptions options_of(Precision precision, std::uint32_t size, std::size_t batch) {
  BackboneOptions options;
  options.image_size = {size, size};
  options.precision = precision;
  options.batch_size = batch;
  return options;
}

TEST(ForecastBackbone, LeavesTheAlgorithmToCudnn) {
  BackboneOptions options = options_of(Precision::fp32, 150, 32);
  for (const ConvolutionAlgorithm algorithm :
       {ConvolutionAlgorithm::winograd, ConvolutionAlgorithm::direct}) {
    options.algorithm = algorithm;
    EXPECT_EQ(test::error_of([&] { cuda::forecast_backbone(test::described_gpu(80), options); }),
              "backbone.algorithm \"" + std::string(name_of(algorithm)) +
                  "\" needs a CPU; on a GPU choose \"auto\".");
  }
}

class ForecastLayers : public ::testing::TestWithParam<std::tuple<int, Precision, std::uint32_t>> {
};

TEST_P(ForecastLayers, HaveAPlanEach) {
  const auto& [architecture, precision, size] = GetParam();
  const BackboneForecast forecast =
      cuda::forecast_backbone(test::described_gpu(architecture), options_of(precision, size, 32));
  ASSERT_EQ(forecast.layers.size(), vgg16_convolutions);
  EXPECT_EQ(forecast.cudnn_version, cuda::cudnn_version());
  std::size_t workspace = 0;
  for (std::size_t n = 0; n < vgg16_convolutions; ++n) {
    const LayerForecast& layer = forecast.layers[n];
    EXPECT_EQ(layer.name, vgg16_layers[n].name);
    EXPECT_EQ(layer.engine.find("engine "), 0U);
    const bool fused = !vgg16_layers[n].pool_after &&
                       (precision != Precision::fp16 || vgg16_layers[n + 1].pool_after);
    EXPECT_EQ(layer.fused_bias_relu, fused) << layer.name;
    EXPECT_EQ(layer.epilogue_bytes > 0.0, !layer.fused_bias_relu) << layer.name;
    if (precision == Precision::fp32) {
      EXPECT_EQ(std::ranges::count(layer.notes, "tensor core"), 0) << layer.name;
    }
    workspace = std::max(workspace, layer.workspace_bytes);
  }
  // Rounded up to an allocation's step.
  EXPECT_GE(forecast.memory.workspace_bytes, workspace);
  EXPECT_LT(forecast.memory.workspace_bytes, workspace + 256);
}

INSTANTIATE_TEST_SUITE_P(Vgg16, ForecastLayers,
                         ::testing::Combine(::testing::Values(80, 90),
                                            ::testing::ValuesIn(test::all_precisions),
                                            ::testing::Values(150U, 224U)),
                         [](const auto& instance) {
                           return "sm" + std::to_string(std::get<0>(instance.param)) + "_" +
                                  std::string(name_of(std::get<1>(instance.param))) + "_" +
                                  std::to_string(std::get<2>(instance.param));
                         });

TEST(ForecastBackbone, CountsTheNetworksWork) {
  const BackboneForecast forecast =
      cuda::forecast_backbone(test::described_gpu(90), options_of(Precision::fp16, 224, 1));
  double flop = 0.0;
  for (const LayerForecast& layer : forecast.layers) flop += layer.convolution_flop;
  // 15.35e9 multiplications for a photo; the first layer works on 8 channels instead of 3.
  const double padding = 2.0 * 9.0 * (8 - 3) * 64 * 224 * 224;
  EXPECT_NEAR((flop - padding) / 2.0, 15.35e9, 0.01e9);
  // block1_conv2 and its pool: 224² × 64 values in, 112² × 64 out, 2 bytes each.
  EXPECT_EQ(forecast.layers[1].convolution_bytes, 2.0 * (2 * 224 * 224 * 64 + 9 * 64 * 64));
  EXPECT_EQ(forecast.layers[1].epilogue_bytes, 2.0 * (224 * 224 + 112 * 112) * 64 + 4.0 * 64);
}

TEST(ForecastBackbone, EndsWithTheFeaturesLastLayerAndCountsItsPooling) {
  BackboneOptions options = options_of(Precision::fp16, 224, 8);
  const BackboneForecast flat = cuda::forecast_backbone(test::described_gpu(90), options);
  options.features = {{Layer::block1, Layer::block3}, Pooling::average_max};
  const BackboneForecast pooled = cuda::forecast_backbone(test::described_gpu(90), options);
  ASSERT_EQ(pooled.layers.size(), 7U);
  EXPECT_LT(pooled.memory.weight_bytes, flat.memory.weight_bytes / 5);
  EXPECT_LE(pooled.memory.workspace_bytes, flat.memory.workspace_bytes);
  // The maps after the pools are read once; two floats are written for each channel.
  const double block1 = 8.0 * 64 * (2 * 112 * 112 + 2 * 4),
               block3 = 8.0 * 256 * (2 * 28 * 28 + 2 * 4);
  for (std::size_t n = 0; n < pooled.layers.size(); ++n) {
    const double more = pooled.layers[n].epilogue_bytes - flat.layers[n].epilogue_bytes;
    EXPECT_EQ(pooled.layers[n].engine, flat.layers[n].engine);
    EXPECT_EQ(pooled.layers[n].global_pool, n == 1 || n == 6) << n;
    EXPECT_EQ(more, n == 1 ? block1 : n == 6 ? block3 : 0.0) << n;
  }
}

// In fp16, so that an overflow is seen.
TEST(BackboneSpec, FusesNoTwoLayersInARowInFp16) {
  for (const Layer last :
       {Layer::block1, Layer::block2, Layer::block3, Layer::block4, Layer::block5}) {
    BackboneOptions options = options_of(Precision::fp16, 150, 2);
    options.features = {{last}, Pooling::average};
    const cuda::BackboneSpec spec(options);
    EXPECT_FALSE(spec.problem(spec.shapes.size() - 1).bias_relu);
    std::size_t fused = 0;
    for (std::size_t layer = 0; layer + 1 < spec.shapes.size(); ++layer) {
      if (!spec.problem(layer).bias_relu) continue;
      ++fused;
      EXPECT_FALSE(spec.problem(layer + 1).bias_relu) << layer;
    }
    EXPECT_EQ(fused, static_cast<std::size_t>(std::ranges::count_if(
                         spec.shapes, [](const LayerShape& shape) { return shape.pool_after; })));
  }
}

// A trial run of a plan takes x, filters, bias and y, besides the workspace.
TEST(BackboneSpec, HasTheMemoryOfATrialRun) {
  for (const Precision precision : test::all_precisions) {
    const cuda::BackboneSpec spec(options_of(precision, 224, 1));
    for (std::size_t layer = 0; layer < spec.shapes.size(); ++layer) {
      const cuda::ConvolutionProblem problem = spec.problem(layer);
      const std::size_t value = storage_bytes(precision);
      EXPECT_LE(problem.pixels() * (problem.input_channels + problem.output_channels) * value +
                    problem.weights() * value + problem.output_channels * sizeof(float),
                2 * spec.memory.activation_bytes + spec.memory.weight_bytes)
          << layer;
    }
  }
}

TEST(BackboneSpec, HasFewerThan2To31ActivationsInALayer) {
  EXPECT_EQ(test::error_of([] { cuda::BackboneSpec(options_of(Precision::fp16, 224, 668)); }), "");
  EXPECT_EQ(
      test::error_of([] {
        cuda::forecast_backbone(test::described_gpu(90), options_of(Precision::fp16, 224, 669));
      }),
      "Images of 224×224 in batches of 669 have more activations than the 2147483647 that cuDNN "
      "computes at once; choose a backbone.batch_size of at most 668.");
  EXPECT_THAT(test::error_of([] { cuda::BackboneSpec(options_of(Precision::fp16, 5793, 1)); }),
              ::testing::EndsWith("; choose a smaller data.image_size."));
}

TEST(ForecastBackbone, RefusesWhatNothingServes) {
  EXPECT_NE(test::error_of([] {
              cuda::forecast_backbone(test::described_gpu(90), options_of(Precision::fp16, 16, 1));
            }),
            "");
  EXPECT_NE(test::error_of([] {
              cuda::forecast_backbone(test::described_gpu(75), options_of(Precision::bf16, 150, 1));
            }).find("\"precision\": \"bf16\" needs a GPU of sm_80 or later"),
            std::string::npos);
}

}  // namespace
}  // namespace graft
