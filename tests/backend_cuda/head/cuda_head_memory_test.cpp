// Device memory of the CUDA head: a head that is too large, and the place of the training rows.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/backend/cuda/head/training_rows.h"
#include "engine/base/error.h"
#include "tests/backend_cuda/head/cuda_head_test.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

class CudaHeadMemory : public test::CudaHeadTest {};

TEST_F(CudaHeadMemory, AHeadThatIsTooLargeIsAnErrorWithTheMemoryOfGpuAndMachine) {
  HeadOptions options;
  options.inputs = 20;
  options.hidden = {std::size_t{1} << 20U, std::size_t{1} << 20U};  // of 12 TiB
  const std::string message = test::error_of([&] { make_cuda(options); });
  EXPECT_THAT(message, HasSubstr("GiB of memory on the GPU, and"));
  EXPECT_THAT(message, HasSubstr("machine: choose smaller layers"));
}

class CudaTrainingRows : public test::CudaHeadTest {};

TEST_F(CudaTrainingRows, AreOnTheDeviceWhenTheyFitAndNoLimitForbidsIt) {
  const test::Samples samples = test::random_samples(100, 20, 2, 1);
  constexpr std::size_t bytes = std::size_t{100} * 21 * 4;
  cuda::FeatureRing ring(16, 20);
  const cuda::Stream compute;
  const auto resident = [&](std::size_t limit) {
    cuda::TrainingRows rows(8, 1, ring, limit);
    rows.set(samples.view(), samples.labels, {}, *device_, compute);
    EXPECT_EQ(rows.count(), 100U);
    return rows.resident();
  };
  EXPECT_TRUE(resident(bytes));
  EXPECT_FALSE(resident(bytes - 1));
  // All but the reserve is taken: they stream.
  const std::size_t free = device_->memory_now().free;
  cuda::DeviceBuffer most(free - cuda::TrainingRows::reserve - bytes / 2);
  EXPECT_FALSE(resident(bytes));
  most = {};
  EXPECT_TRUE(resident(bytes));
}

TEST_F(CudaTrainingRows, StreamWhenTheDeviceRefusesThem) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU fails on demand";
  const test::Samples samples = test::random_samples(100, 20, 2, 1);
  cuda::FeatureRing ring(16, 20);
  const cuda::Stream compute;
  cuda::TrainingRows rows(8, 1, ring, SIZE_MAX);
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)("cudaMalloc:1:2");
  rows.set(samples.view(), samples.labels, {}, *device_, compute);
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)("");
  EXPECT_FALSE(rows.resident());
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(CudaTrainingRows, ResidentAndStreamedBatchesAreTheRowsAskedFor) {
  const test::Samples samples = test::random_samples(200, 20, 2, 1);
  for (const std::size_t limit : {SIZE_MAX, std::size_t{0}}) {
    cuda::FeatureRing ring(16, 20);
    const cuda::Stream compute;
    cuda::TrainingRows rows(2, 1, ring, limit);
    rows.set(samples.view(), samples.labels, {}, *device_, compute);
    ASSERT_EQ(rows.resident(), limit != 0);
    // The host asks for all batches before it waits for one: both rings go round.
    const test::DeviceArray<float> features(std::size_t{200} * 20);
    const test::DeviceArray<std::uint32_t> labels(200);
    const auto batches = test::shuffled_batches(200, 2, 3);
    cuda::KernelTrace no_trace;
    std::size_t done = 0;
    for (const auto& wanted : batches) {
      const cuda::DeviceRows batch = rows.batch(wanted, compute, no_trace);
      GRAFT_CUDA_CHECK(cudaMemcpyAsync(features.get() + done * 20, batch.features,
                                       wanted.size() * 80, cudaMemcpyDeviceToDevice,
                                       compute.get()));
      GRAFT_CUDA_CHECK(cudaMemcpyAsync(labels.get() + done, batch.labels, wanted.size() * 4,
                                       cudaMemcpyDeviceToDevice, compute.get()));
      rows.release(compute);
      done += wanted.size();
    }
    compute.wait();
    const std::vector<float> actual = features.host();
    const std::vector<std::uint32_t> actual_labels = labels.host();
    std::size_t at = 0;
    for (const auto& wanted : batches) {
      for (const std::uint32_t row : wanted) {
        EXPECT_TRUE(std::equal(actual.begin() + static_cast<std::ptrdiff_t>(at * 20),
                               actual.begin() + static_cast<std::ptrdiff_t>(at * 20 + 20),
                               samples.view().row(row)))
            << "row " << row;
        EXPECT_EQ(actual_labels[at++], samples.labels[row]);
      }
    }
  }
}

}  // namespace
}  // namespace graft
