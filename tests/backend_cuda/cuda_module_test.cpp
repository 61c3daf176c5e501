// libgraft_cuda.so as the program loads it, with and without a device.

#include <gmock/gmock.h>

#include "engine/backend/cuda_module.h"
#include "engine/base/error.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const GpuProperties described = {
    "A100",  80,     108, 166912, 32, 2048, std::size_t{40} << 20U, std::size_t{40} << 30U,
    1410000, 1215000};

BackboneOptions small_images() {
  BackboneOptions options;
  options.image_size = {32, 32};
  options.batch_size = 2;
  return options;
}

TEST(CudaModule, ForecastsADescribedGpuWithoutADevice) {
  const BackboneForecast forecast = cuda_module().forecast_backbone(described, small_images());
  EXPECT_EQ(forecast.layers.size(), vgg16_convolutions);
  EXPECT_GT(forecast.memory.total(), 0U);
}

TEST(CudaModule, MakesABackendWhereThereIsADevice) {
  try {
    const auto backend = cuda_module().make_backend(0, 1);
    EXPECT_NE(backend->numerics(small_images()), "");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device) << error.what();
  }
}

bool has_gpu() {
  return !make_backend("auto", 1)->description().starts_with("CPU");
}

TEST(CudaModule, MakesTheDeviceOfTheConfig) {
  if (!has_gpu()) GTEST_SKIP() << "no GPU on this machine";
  const std::string first = make_backend("cuda", 1)->description();
  EXPECT_THAT(first, HasSubstr("(cuda:0), sm_"));
  EXPECT_EQ(make_backend("cuda:0", 1)->description(), first);
  EXPECT_EQ(make_backend("auto", 1)->description(), first);
  EXPECT_THAT(make_backend("cpu", 1)->description(), StartsWith("CPU, "));
}

// Thrown there, caught here: the type is the same on both sides.
TEST(CudaModule, ThrowsTheProgramsErrors) {
  const std::string why = has_gpu() ? "there is no cuda:99; this machine has " : "";
  try {
    make_backend("cuda:99", 1);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), StartsWith("\"device\": \"cuda:99\" cannot be used: " + why));
    EXPECT_THAT(error.what(), HasSubstr(". Choose \"cpu\" or \"auto\"."));
  }
}

}  // namespace
}  // namespace graft
