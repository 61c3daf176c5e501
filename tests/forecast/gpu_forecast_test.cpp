// The batch of a forecast, and what fits.

#include "engine/forecast/gpu_forecast.h"

#include <gmock/gmock.h>

#include "engine/base/error.h"
#include "tests/forecast/described_module.h"

namespace graft {
namespace {

using test::DescribedModule;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t mib = std::size_t{1} << 20U;

// Memory of which exactly `usable` bytes may be used.
constexpr std::size_t memory_for(std::size_t usable) {
  return usable / 15 * 16;
}

BackboneOptions options_of(std::size_t batch, Precision precision = Precision::fp32) {
  BackboneOptions options;
  options.batch_size = batch;
  options.precision = precision;
  return options;
}

TEST(GpuForecast, HasTheBatchOfTheConfig) {
  const DescribedModule module;
  const Gpu& gpu = *find_gpu("A100 80GB");
  const GpuForecast forecast = forecast_for_gpu(module, gpu, gpu.properties.memory, options_of(24));
  EXPECT_EQ(module.gpu_name, "A100 80GB");
  EXPECT_EQ(forecast.options.batch_size, 24U);
  EXPECT_EQ(forecast.backbone.memory.image_bytes, 24 * mib);
  EXPECT_TRUE(forecast.fits);
  EXPECT_EQ(forecast.largest_batch, 1024U);
  EXPECT_NEAR(forecast.bound.flop, 24 * 5e9, 1.0);
  // The first layer: 1 GFLOP at 19.5 TFLOP/s; the second with Winograd: 1 of its 4; then 1 MB.
  const double image = 1e9 / 19.5e12 + 1e9 / 19.5e12 + 1e6 / 2039e9;
  EXPECT_NEAR(forecast.images_per_second(), 1.0 / image, 1e-6 / image);
}

TEST(GpuForecast, TheLargestBatchIsTheLargestPowerOfTwoThatFits) {
  const Gpu& gpu = *find_gpu("T4");
  const std::size_t fixed = DescribedModule::weight_bytes + DescribedModule::workspace_bytes;
  for (const auto& [images, largest] : {std::pair{64U, 64U}, {63U, 32U}, {127U, 64U}, {1U, 1U}}) {
    const DescribedModule module;
    const std::size_t usable = fixed + images * DescribedModule::image_bytes;
    const GpuForecast forecast =
        forecast_for_gpu(module, gpu, memory_for(usable + 15), options_of(16));
    EXPECT_EQ(forecast.largest_batch, largest) << images;
    EXPECT_EQ(forecast.fits, images >= 16) << images;
    EXPECT_THAT(module.batches, Not(Contains(1024U))) << "plans take time";
  }
}

TEST(GpuForecast, TheWorkspaceCounts) {
  const DescribedModule module;
  const std::size_t without = DescribedModule::weight_bytes + 64 * DescribedModule::image_bytes;
  EXPECT_EQ(forecast_for_gpu(module, *find_gpu("T4"), memory_for(without + 15 * mib), options_of(1))
                .largest_batch,
            32U);
  EXPECT_THAT(module.batches, Contains(64U)) << "without its workspace it would fit";
}

TEST(GpuForecast, AutoTakesTheLargest) {
  const DescribedModule module;
  const std::size_t usable = DescribedModule::weight_bytes + DescribedModule::workspace_bytes +
                             100 * DescribedModule::image_bytes;
  const GpuForecast forecast =
      forecast_for_gpu(module, *find_gpu("T4"), memory_for(usable), options_of(0));
  EXPECT_EQ(forecast.options.batch_size, 64U);
  EXPECT_EQ(forecast.backbone.memory.image_bytes, 64 * mib);
  EXPECT_TRUE(forecast.fits);
}

TEST(GpuForecast, WhereNotOneImageFitsItSaysSo) {
  const DescribedModule module;
  const Gpu& gpu = *find_gpu("T4");
  const GpuForecast forecast = forecast_for_gpu(module, gpu, 64 * mib, options_of(32));
  EXPECT_FALSE(forecast.fits);
  EXPECT_EQ(forecast.largest_batch, 0U);
  try {
    forecast_for_gpu(module, gpu, 64 * mib, options_of(0));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), HasSubstr("not one image of 150×150 fits 60 MiB"));
  }
}

TEST(GpuForecast, APrecisionThatTheGpuLacksIsRefusedByName) {
  const DescribedModule module;
  for (const Precision precision : {Precision::tf32, Precision::bf16}) {
    try {
      forecast_for_gpu(module, *find_gpu("T4"), std::size_t{16} << 30U, options_of(8, precision));
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device);
      EXPECT_THAT(error.what(), HasSubstr("T4 (sm_75) has no " + std::string(name_of(precision))));
    }
  }
  EXPECT_TRUE(module.batches.empty());
}

}  // namespace
}  // namespace graft
