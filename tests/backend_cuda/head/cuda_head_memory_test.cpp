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
  cuda::DeviceBuffer most(free - cuda::ResidentRows::reserve - bytes / 2);
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
    // The host asks for all batches before it waits for one: the ring goes round.
    const test::DeviceArray<float> features(std::size_t{200} * 20);
    const test::DeviceArray<std::uint32_t> labels(200);
    const auto order = test::shuffled_rows(200, 3);
    std::vector<std::uint64_t> places;
    for (std::uint64_t first = 0; first < 200; first += 2) places.push_back(first);
    const test::DeviceArray<std::uint64_t> firsts(places);
    cuda::KernelTrace no_trace;
    rows.begin_epoch(order, compute);
    for (std::size_t i = 0; i < places.size(); ++i) {
      rows.send(std::span(order).subspan(places[i], 2), compute, no_trace);
      const cuda::DeviceRows batch = rows.take(firsts.get() + i, 2, compute, no_trace);
      GRAFT_CUDA_CHECK(cudaMemcpyAsync(features.get() + places[i] * 20, batch.features, 160,
                                       cudaMemcpyDeviceToDevice, compute.get()));
      GRAFT_CUDA_CHECK(cudaMemcpyAsync(labels.get() + places[i], batch.labels, 8,
                                       cudaMemcpyDeviceToDevice, compute.get()));
    }
    compute.wait();
    const std::vector<float> actual = features.host();
    const std::vector<std::uint32_t> actual_labels = labels.host();
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto begin = actual.begin() + static_cast<std::ptrdiff_t>(i * 20);
      EXPECT_TRUE(std::equal(begin, begin + 20, samples.view().row(order[i])))
          << "row " << order[i];
      EXPECT_EQ(actual_labels[i], samples.labels[order[i]]);
    }
  }
}

class CudaResidentRows : public test::CudaHeadTest {};

TEST_F(CudaResidentRows, AreTheRowsInChunksOnBoundaries) {
  const cuda::Stream stream;
  for (const std::size_t count : {1, 3, 4, 6, 7, 11}) {
    for (const std::size_t columns : {1, 5, 64}) {
      const test::Samples samples = test::random_samples(count, columns, 3, 1);
      cuda::ResidentRows rows(SIZE_MAX);
      rows.set(samples.view(), samples.labels, 3, *device_, stream);
      ASSERT_FALSE(rows.empty());
      std::vector<float> actual(count * columns);
      std::vector<std::uint32_t> labels(count);
      for (std::size_t first = 0; first < count; first += 3) {
        const float* chunk = rows.chunk(first / 3).features;
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(chunk) % 256, 0U);
        cuda::copy_to_host(actual.data() + first * columns, chunk,
                           std::min<std::size_t>(3, count - first) * columns * 4, stream);
      }
      cuda::copy_to_host(labels.data(), rows.chunk(0).labels, count * 4, stream);
      stream.wait();
      EXPECT_TRUE(test::same_bytes(actual, samples.features)) << count << " × " << columns;
      EXPECT_EQ(labels, samples.labels);
    }
  }
}

TEST_F(CudaResidentRows, AreNoneAfterRowsThatDoNotFit) {
  const test::Samples samples = test::random_samples(10, 20, 2, 1);
  const cuda::Stream stream;
  cuda::ResidentRows rows(std::size_t{9} * 21 * 4);
  rows.set({samples.features.data(), 9, 20}, std::span(samples.labels).first(9), 4, *device_,
           stream);
  EXPECT_TRUE(rows.empty());  // three chunks of 320 bytes take 2 × 512 + 80
  rows.set({samples.features.data(), 9, 20}, std::span(samples.labels).first(9), 9, *device_,
           stream);
  EXPECT_FALSE(rows.empty());
  rows.set(samples.view(), samples.labels, 10, *device_, stream);
  EXPECT_TRUE(rows.empty());
  rows.set({}, {}, 4, *device_, stream);
  EXPECT_TRUE(rows.empty());
}

}  // namespace
}  // namespace graft
