// The bounds against numbers worked out by hand.

#include "engine/forecast/gpu_forecast.h"

#include <gtest/gtest.h>

namespace graft {
namespace {

constexpr Roofline round_numbers{100.0, 10.0};  // FLOP/s, bytes/s

LayerForecast layer_of(double flop, double bytes, double epilogue = 0.0) {
  LayerForecast layer;
  layer.convolution_flop = flop;
  layer.convolution_bytes = bytes;
  layer.epilogue_bytes = epilogue;
  return layer;
}

TEST(Roofline, ALayerTakesTheLongerOfArithmeticAndMemory) {
  const LayerBound arithmetic = layer_bound(layer_of(800.0, 30.0), round_numbers);
  EXPECT_DOUBLE_EQ(arithmetic.arithmetic, 8.0);
  EXPECT_DOUBLE_EQ(arithmetic.memory, 3.0);
  EXPECT_DOUBLE_EQ(arithmetic.seconds(), 8.0);
  EXPECT_EQ(arithmetic.limiter(), Limiter::arithmetic);
  const LayerBound memory = layer_bound(layer_of(200.0, 30.0), round_numbers);
  EXPECT_DOUBLE_EQ(memory.seconds(), 3.0);
  EXPECT_EQ(memory.limiter(), Limiter::memory);
}

TEST(Roofline, TheKernelsAfterAConvolutionComeOnTop) {
  const LayerBound bound = layer_bound(layer_of(800.0, 30.0, 20.0), round_numbers);
  EXPECT_DOUBLE_EQ(bound.seconds(), 8.0 + 2.0);
  EXPECT_EQ(bound.limiter(), Limiter::arithmetic);
  // Nine seconds of moving bytes after eight of arithmetic: the memory is what limits.
  EXPECT_EQ(layer_bound(layer_of(800.0, 30.0, 90.0), round_numbers).limiter(), Limiter::memory);
}

TEST(Roofline, WinogradMultipliesAQuarterOrLess) {
  LayerForecast layer = layer_of(800.0, 10.0);
  layer.notes = {"tensor core"};
  EXPECT_DOUBLE_EQ(layer_bound(layer, round_numbers).arithmetic, 8.0);
  for (const char* note : {"Winograd", "winograd", "WINOGRAD_NONFUSED"}) {
    layer.notes = {"tensor core", note};
    EXPECT_DOUBLE_EQ(layer_bound(layer, round_numbers).arithmetic, 2.0) << note;
  }
  layer.notes = {"Winograd", "Winograd tile 13x13"};
  EXPECT_DOUBLE_EQ(layer_bound(layer, round_numbers).arithmetic, 8.0 * 169.0 / 1089.0);
}

TEST(Roofline, OfAnFftOnlyTheBytesAreABound) {
  LayerForecast layer = layer_of(800.0, 30.0, 10.0);
  layer.notes = {"FFT"};
  EXPECT_EQ(layer_bound(layer, round_numbers).arithmetic, 0.0);
  EXPECT_DOUBLE_EQ(layer_bound(layer, round_numbers).seconds(), 3.0 + 1.0);
  EXPECT_EQ(layer_bound(layer, round_numbers).limiter(), Limiter::memory);
}

TEST(Roofline, ABackboneIsTheSumOfItsLayers) {
  BackboneForecast forecast;
  forecast.layers = {layer_of(800.0, 30.0, 20.0), layer_of(200.0, 30.0), layer_of(100.0, 5.0)};
  const BackboneBound bound = backbone_bound(forecast, round_numbers);
  ASSERT_EQ(bound.layers.size(), 3U);
  EXPECT_DOUBLE_EQ(bound.flop, 1100.0);
  EXPECT_DOUBLE_EQ(bound.bytes, 85.0);
  EXPECT_DOUBLE_EQ(bound.seconds, 10.0 + 3.0 + 1.0);
  EXPECT_DOUBLE_EQ(bound.memory_seconds, 2.0 + 3.0);
  EXPECT_EQ(bound.limiter(), Limiter::arithmetic);
}

TEST(Roofline, WhatTakesMostOfTheTimeLimits) {
  BackboneForecast forecast;
  forecast.layers = {layer_of(100.0, 90.0), layer_of(300.0, 10.0)};
  EXPECT_EQ(backbone_bound(forecast, round_numbers).limiter(), Limiter::memory);
}

// VGG16's second convolution, 224×224, one image, in FP32 on an A100, worked out by hand:
// 2·9·64·64·224² = 3.699 GFLOP at 19.5 TFLOP/s are 189.7 µs; two feature maps of 12.85 MB at 2,039 GB/s
// are 12.6 µs.
TEST(Roofline, AConvolutionOfTheNetwork) {
  const double feature_map = 224.0 * 224.0 * 64.0 * 4.0;
  const LayerBound bound = layer_bound(layer_of(2.0 * 9 * 64 * 64 * 224 * 224, 2.0 * feature_map),
                                       Roofline{19.5e12, 2039e9});
  EXPECT_NEAR(bound.arithmetic * 1e6, 189.7, 0.1);
  EXPECT_NEAR(bound.memory * 1e6, 12.6, 0.1);
  EXPECT_EQ(bound.limiter(), Limiter::arithmetic);
}

}  // namespace
}  // namespace graft
