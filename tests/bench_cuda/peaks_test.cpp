// The kernels that measure ceilings, the blocking kernel, and the sampler.

#include "bench/cuda/peaks.h"

#include <numeric>

#include "bench/cuda/blocking_kernel.h"
#include "bench/cuda/sampler.h"
#include "engine/base/error.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft::bench {
namespace {

using test::DeviceArray;

class Peaks : public test::CudaTest {
 protected:
  static constexpr PeakShape shape = {3, 37};

  static bool has_tensor_cores_for(Precision precision) {
    int major = 0;
    GRAFT_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    return precision == Precision::fp16 || major >= 8;
  }
};

TEST_F(Peaks, TheCopyCopiesEveryPackAndNoMore) {
  for (const std::size_t packs : {1, 255, 1024, 1025, 5000}) {
    std::vector<std::uint8_t> bytes(16 * packs);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    const DeviceArray<std::uint8_t> from(bytes), to(bytes.size());
    copy_peak(to.get(), from.get(), packs, nullptr);
    EXPECT_EQ(to.host(), bytes) << packs;
    EXPECT_TRUE(to.guards_intact()) << packs;
  }
}

TEST_F(Peaks, TheCopyMovesTheBytesThatItCounts) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU counts sectors";
  constexpr std::size_t packs = 4096;
  const DeviceArray<std::uint8_t> from(std::vector<std::uint8_t>(16 * packs)), to(16 * packs);
  copy_peak(to.get(), from.get(), packs, nullptr);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  VgpuCounters counted = {};
  ASSERT_EQ(GRAFT_VIRTUAL_GPU(vgpu_last_launch)("16copy_peak_kernel", &counted), 1);
  EXPECT_EQ(32 * counted.sectors_loaded, 16 * packs);
  EXPECT_EQ(32 * counted.sectors_stored, 16 * packs);
}

TEST_F(Peaks, TheChainsOfMultiplyAddsCountTheirSteps) {
  const DeviceArray<float> out(shape.values());
  multiply_add_peak(out.get(), shape, nullptr);
  const std::vector<float> values = out.host();
  for (std::size_t n = 0; n < values.size(); ++n) {
    ASSERT_EQ(values[n], multiply_add_value(shape, n)) << n;
  }
  // Each of 8 chains 37 steps up, from 0, 1, … 7 in the first thread, from 1, 2, … 8 in the second.
  EXPECT_EQ(values[0], 8 * 37.0F + 28.0F);
  EXPECT_EQ(values[257], 8 * 37.0F + 36.0F);
  EXPECT_EQ(multiply_add_flop(shape), 2.0 * 8 * 37 * 3 * 256);
}

TEST_F(Peaks, TheTensorCoresAddUpTheirProducts) {
  for (const Precision precision : {Precision::fp16, Precision::bf16, Precision::tf32}) {
    if (!has_tensor_cores_for(precision)) continue;
    const DeviceArray<float> out(shape.values());
    tensor_core_peak(precision, out.get(), shape, nullptr);
    EXPECT_EQ(out.host(), std::vector<float>(shape.values(), tensor_core_value(shape)))
        << name_of(precision);
  }
  // A lane's 32 sums each grow by the 16 products of a step.
  EXPECT_EQ(tensor_core_value(shape), 32 * 16 * 37.0F);
  EXPECT_EQ(tensor_core_flop(shape), 2.0 * 16 * 8 * 16 * 8 * 37 * 3 * 8);
  EXPECT_THROW(tensor_core_peak(Precision::fp32, nullptr, shape, nullptr), std::invalid_argument);
}

TEST_F(Peaks, TheBlockingKernelEndsWhenItsFlagIsSet) {
  const cuda::Stream stream;
  const cuda::PinnedBuffer memory(sizeof(BlockingFlags));
  auto* flags = memory.as<BlockingFlags>();
  *flags = {1, 0};
  block_stream(flags, 1000, stream.get());
  stream.wait();
  EXPECT_EQ(flags->timed_out, 0U);
}

TEST_F(Peaks, TheBlockingKernelTimesOut) {
  const cuda::Stream stream;
  const cuda::PinnedBuffer memory(sizeof(BlockingFlags));
  auto* flags = memory.as<BlockingFlags>();
  *flags = {};
  block_stream(flags, 5, stream.get());
  stream.wait();
  EXPECT_EQ(flags->timed_out, 1U);
}

class SamplerTest : public test::CudaTest {
 protected:
  static Sampler sampler(bool has_timer) {
    return Sampler({.has_timer = has_timer, .flush_bytes = 4096});
  }
};

TEST_F(SamplerTest, WorkRunsTheRequestedNumberOfTimes) {
  Sampler clock = sampler(!test::on_virtual_gpu());
  std::size_t runs = 0;
  const Work work = [&](cudaStream_t) { ++runs; };
  for (const std::size_t times : {1, 5, 100}) {
    runs = 0;
    EXPECT_GE(clock.seconds(work, CacheState::hot, times), 0.0);
    EXPECT_EQ(runs, times);
  }
  runs = 0;
  clock.seconds(work, CacheState::cold, 1);
  EXPECT_EQ(runs, 1U);
}

// The virtual GPU's time between two events is always a microsecond.
TEST_F(SamplerTest, BatchesAddUp) {
  Sampler clock({.batch_executions = 4});
  std::size_t runs = 0;
  const Work work = [&](cudaStream_t) { ++runs; };
  for (const auto& [times, batches] :
       {std::pair(1, 1), std::pair(4, 1), std::pair(5, 2), std::pair(12, 3), std::pair(15, 4)}) {
    SCOPED_TRACE(times);
    runs = 0;
    const double seconds = clock.seconds(work, CacheState::hot, static_cast<std::size_t>(times));
    EXPECT_EQ(runs, static_cast<std::size_t>(times));
    if (!test::on_virtual_gpu()) continue;
    EXPECT_NEAR(seconds, batches * 1e-6, 1e-9);
  }
}

TEST_F(SamplerTest, WorkThatThrowsLeavesTheStreamUsable) {
  Sampler clock = sampler(!test::on_virtual_gpu());
  const Work broken = [](cudaStream_t) { throw std::runtime_error("broken"); };
  EXPECT_THROW(clock.seconds(broken, CacheState::cold, 1), std::runtime_error);
  clock.stream().wait();
  EXPECT_GE(clock.seconds([](cudaStream_t) {}, CacheState::cold, 1), 0.0);
}

TEST_F(SamplerTest, WithoutATimerTheTimeIsZero) {
  Sampler clock = sampler(false);
  EXPECT_EQ(clock.seconds([](cudaStream_t) {}, CacheState::hot, 3), 0.0);
}

// As where launches wait: the blocking kernel never sees its flag.
TEST_F(SamplerTest, WhereLaunchesWaitThereIsNoTimer) {
  Sampler clock({.probe_polls = 0});
  EXPECT_FALSE(clock.has_timer());
  EXPECT_EQ(clock.seconds([](cudaStream_t) {}, CacheState::hot, 3), 0.0);
  EXPECT_TRUE(Sampler({}).has_timer());
}

// The blocking kernel times out before the host has enqueued its work. Fewer executions are tried.
TEST_F(SamplerTest, ASampleOfATooSlowHostIsRefused) {
  Sampler clock({.batch_executions = 8, .polls = 0});
  std::size_t runs = 0;
  try {
    clock.seconds([&](cudaStream_t) { ++runs; }, CacheState::hot, 20);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_NE(std::string(error.what()).find("the host needed seconds"), std::string::npos);
    EXPECT_EQ(runs, 8U + 2 + 1);
  }
}

}  // namespace
}  // namespace graft::bench
