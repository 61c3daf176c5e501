// The batch of a forecast, and what fits.

#include "engine/forecast/gpu_forecast.h"

#include <gmock/gmock.h>

#include "engine/base/error.h"
#include "tests/forecast/described_module.h"

namespace graft {
namespace {

using test::DescribedModule;
using ::testing::HasSubstr;

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
  EXPECT_NEAR(forecast.bound.flop, 24 * 5e9, 1.0);
  // The first layer: 1 GFLOP at 19.5 TFLOP/s; the second with Winograd: 1 of its 4; then 1 MB.
  const double image = 1e9 / 19.5e12 + 1e9 / 19.5e12 + 1e6 / 2039e9;
  EXPECT_NEAR(forecast.images_per_second(), 1.0 / image, 1e-6 / image);
}

TEST(GpuForecast, ABatchFitsWithItsWorkspaceOrNot) {
  const Gpu& gpu = *find_gpu("T4");
  const std::size_t fixed = DescribedModule::weight_bytes + DescribedModule::workspace_bytes;
  for (const std::size_t images : {15U, 16U}) {
    const std::size_t usable = fixed + images * DescribedModule::image_bytes;
    const GpuForecast forecast =
        forecast_for_gpu(DescribedModule(), gpu, memory_for(usable + 15), options_of(16));
    EXPECT_EQ(forecast.fits, images >= 16) << images;
  }
}

TEST(GpuForecast, AutoIsTheBatchOfARun) {
  const DescribedModule module;
  const Gpu& gpu = *find_gpu("T4");
  for (const std::size_t memory : {gpu.properties.memory, 1024 * mib, 64 * mib}) {
    const GpuForecast forecast = forecast_for_gpu(module, gpu, memory, options_of(0));
    EXPECT_EQ(forecast.options.batch_size, automatic_batch(memory, options_of(0)));
    EXPECT_EQ(forecast.backbone.memory.image_bytes, forecast.options.batch_size * mib);
  }
}

std::size_t batch_on(std::string_view gpu, ImageSize size, Precision precision) {
  BackboneOptions options = options_of(0, precision);
  options.image_size = size;
  return automatic_batch(find_gpu(gpu)->properties.memory, options);
}

TEST(AutomaticBatch, FollowsFromMemoryPrecisionAndImageSize) {
  EXPECT_EQ(batch_on("RTX 4060 Ti", {150, 150}, Precision::tf32), 128U);
  EXPECT_EQ(batch_on("RTX 4060 Ti", {224, 224}, Precision::tf32), 64U);
  EXPECT_EQ(batch_on("RTX 4060 Ti", {224, 224}, Precision::bf16), 128U);
  EXPECT_EQ(batch_on("T4", {224, 224}, Precision::fp32), 128U);
  EXPECT_EQ(batch_on("RTX 4090", {224, 224}, Precision::fp16), 256U);
  EXPECT_EQ(batch_on("H100 SXM", {224, 224}, Precision::tf32), 256U);
  EXPECT_EQ(batch_on("H200", {32, 32}, Precision::fp16), 256U) << "more gives nothing";
  EXPECT_EQ(batch_on("H200", {1024, 1024}, Precision::tf32), 16U) << "2^31 values";
  EXPECT_EQ(batch_on("T4", {4096, 4096}, Precision::fp32), 1U) << "though it does not fit";
}

// Drivers and ECC change what GPUs of one model report.
TEST(AutomaticBatch, IsTheSameForAllGpusOfAModel) {
  for (const Gpu& gpu : gpu_registry()) {
    const std::size_t memory = gpu.properties.memory;
    for (const Precision precision : {Precision::fp32, Precision::fp16}) {
      const std::size_t batch = automatic_batch(memory, options_of(0, precision));
      EXPECT_EQ(automatic_batch(memory - memory / 16, options_of(0, precision)), batch);
      EXPECT_EQ(automatic_batch(memory + memory / 16, options_of(0, precision)), batch);
    }
  }
}

TEST(AutomaticPrecision, IsTf32WhereTheGpuHasIt) {
  for (const Gpu& gpu : gpu_registry()) {
    EXPECT_EQ(automatic_precision(gpu.properties.compute_capability),
              gpu.tf32 > 0.0 ? Precision::tf32 : Precision::fp32)
        << gpu.properties.name;
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
