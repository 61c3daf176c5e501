// libgraft_cuda.so as the program loads it, with and without a device.

#include <gtest/gtest.h>

#include "engine/backend/cuda_module.h"
#include "engine/base/error.h"

namespace graft {
namespace {

const GpuProperties described = {
    "A100",  80,     108, 166912, 32, 2048, std::size_t{40} << 20U, std::size_t{40} << 30U,
    1410000, 1215000};

BackboneOptions small_images() {
  BackboneOptions options;
  options.image_size = {32, 32};
  options.batch_size = 2;
  return options;
}

TEST(CudaModule, PlansForADescribedGpuWithoutADevice) {
  const BackbonePlan plan = cuda_module().plan_backbone(described, small_images());
  EXPECT_EQ(plan.layers.size(), vgg16_convolutions);
  EXPECT_GT(plan.memory.total(), 0U);
}

TEST(CudaModule, MakesABackendWhereThereIsADevice) {
  try {
    const auto backend = cuda_module().make_backend(0, 1);
    EXPECT_NE(backend->numerics(small_images()), "");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device) << error.what();
  }
}

}  // namespace
}  // namespace graft
