// The kernels that measure ceilings, the blocking kernel, and the sampler.

#include "bench/cuda/peaks.h"

#include <cstdlib>
#include <numeric>

#include "bench/cuda/blocking_kernel.h"
#include "bench/cuda/empty_kernel.h"
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
  static bool has_wgmma() {
    int major = 0, minor = 0;
    GRAFT_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    GRAFT_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0));
    return GRAFT_BENCH_HAS_WGMMA && !test::on_virtual_gpu() && major == 9 && minor == 0;
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

TEST_F(Peaks, WgmmaAddsUpItsProducts) {
  if constexpr (GRAFT_BENCH_HAS_WGMMA) {
    // A thread's 128 sums each grow by the 16 products of 4 multiplications in a step.
    EXPECT_EQ(wgmma_value(shape), 128 * 16 * 4 * 37.0F);
    EXPECT_EQ(wgmma_flop(shape), 2.0 * 64 * 256 * 16 * 4 * 37 * 3 * 2);
    EXPECT_THROW(wgmma_peak(Precision::fp32, nullptr, shape, nullptr), std::invalid_argument);
    if (!has_wgmma()) GTEST_SKIP() << "wgmma needs a real GPU of compute capability 9.0";
    for (const Precision precision : {Precision::fp16, Precision::bf16, Precision::tf32}) {
      const DeviceArray<float> out(shape.values());
      wgmma_peak(precision, out.get(), shape, nullptr);
      EXPECT_EQ(out.host(), std::vector<float>(shape.values(), wgmma_value(shape)))
          << name_of(precision);
    }
  } else {
    GTEST_SKIP() << "GRAFT_CUDA_ARCHITECTURES has no 90";
  }
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
  static void nothing(cudaStream_t) {}
};

TEST_F(SamplerTest, WorkRunsTheRequestedNumberOfTimes) {
  Sampler clock = sampler(!test::on_virtual_gpu());
  std::size_t runs = 0;
  const ProbedWork work = clock.probe([&](cudaStream_t) { ++runs; });
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
  const ProbedWork work = clock.probe([&](cudaStream_t) { ++runs; });
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
  const ProbedWork broken = {[](cudaStream_t) { throw std::runtime_error("broken"); },
                             clock.has_timer(), 1};
  EXPECT_THROW(clock.seconds(broken, CacheState::cold, 1), std::runtime_error);
  clock.stream().wait();
  EXPECT_GE(clock.seconds(clock.probe(nothing), CacheState::cold, 1), 0.0);
}

TEST_F(SamplerTest, WorkThatThrowsInItsProbeLeavesTheStreamUsable) {
  Sampler clock({});
  EXPECT_THROW(clock.probe([](cudaStream_t) { throw std::runtime_error("broken"); }),
               std::runtime_error);
  clock.stream().wait();
  EXPECT_TRUE(clock.probe(nothing).has_timer);
}

TEST_F(SamplerTest, WithoutATimerTheTimeIsZero) {
  Sampler clock = sampler(false);
  EXPECT_EQ(clock.seconds(clock.probe(nothing), CacheState::hot, 3), 0.0);
}

// As where launches wait: the blocking kernel never sees its flag.
TEST_F(SamplerTest, WhereLaunchesWaitThereIsNoTimer) {
  Sampler clock({.probe_polls = 0});
  EXPECT_FALSE(clock.has_timer());
  EXPECT_EQ(clock.seconds(clock.probe(nothing), CacheState::hot, 3), 0.0);
  EXPECT_TRUE(Sampler({}).has_timer());
}

// A graph of one entry more than the others fit, and one too large for any.
TEST_F(SamplerTest, ABatchHoldsAsManyExecutionsAsAStreamHasEntriesFor) {
  Sampler clock({.batch_executions = 8, .batch_entries = 12});
  for (const auto& [kernels, executions] :
       {std::pair(0, 8), std::pair(1, 8), std::pair(2, 6), std::pair(5, 2), std::pair(13, 1)}) {
    SCOPED_TRACE(kernels);
    const ProbedWork work = clock.probe([count = kernels](cudaStream_t stream) {
      for (int n = 0; n < count; ++n) enqueue_empty_kernel(stream);
    });
    EXPECT_TRUE(work.has_timer);
    EXPECT_EQ(work.most_executions, static_cast<std::size_t>(executions));
  }
}

// As an engine of cuDNN that synchronises.
TEST_F(SamplerTest, WorkThatCannotBeCapturedIsTimed) {
  Sampler clock({.batch_executions = 64, .batch_entries = 160});
  const ProbedWork work = clock.probe([](cudaStream_t stream) {
    cudaStreamCaptureStatus status = {};
    GRAFT_CUDA_CHECK(cudaStreamIsCapturing(stream, &status));
    if (status != cudaStreamCaptureStatusNone) GRAFT_CUDA_CHECK(cudaErrorStreamCaptureUnsupported);
  });
  EXPECT_TRUE(work.has_timer);
  EXPECT_EQ(work.most_executions, 10U);
  EXPECT_GT(clock.seconds(work, CacheState::hot, 20), 0.0);
}

// Settings of the virtual GPU, which it reads when it is loaded: each test runs the program anew.
class SamplerOnAModeOfTheVirtualGpu : public SamplerTest {
 protected:
  void SetUp() override {
    if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU has these modes";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
  ~SamplerOnAModeOfTheVirtualGpu() override {
    for (const char* name : {"VGPU_QUEUE", "VGPU_SERIALISE"}) unsetenv(name);
  }
  static void enqueue_twenty(cudaStream_t stream) {
    for (int n = 0; n < 20; ++n) enqueue_empty_kernel(stream);
  }
  // The exit code of a sample; the sampler is gone before the program exits.
  static constexpr int has_time = 0, has_none = 1, is_deadlock = 2, failed = 3;
  static int sample(Sampler& clock, const ProbedWork& work, std::size_t times) {
    try {
      return clock.seconds(work, CacheState::hot, times) > 0.0 ? has_time : has_none;
    } catch (const cuda::Failure& failure) {
      return failure.code() == cudaErrorLaunchTimeout ? is_deadlock : failed;
    }
  }
  static int sample_probed(const Work& enqueue, std::size_t times) {
    Sampler clock({});
    return sample(clock, clock.probe(enqueue), times);
  }
  // As after a probe of the blocking kernel alone.
  static int sample_unprobed(const Work& enqueue, std::size_t times) {
    Sampler clock({});
    return sample(clock, {enqueue, clock.has_timer(), SamplerOptions{}.batch_executions}, times);
  }
};

TEST_F(SamplerOnAModeOfTheVirtualGpu, OnlyTheKernelsThatAProfilerNamesHaveNoTime) {
  setenv("VGPU_SERIALISE", "empty_kernel", 1);
  EXPECT_EXIT(std::exit(sample_unprobed(enqueue_empty_kernel, 1)),
              ::testing::ExitedWithCode(is_deadlock), "deadlock: kernel .*blocking_kernel");
  EXPECT_EXIT(std::exit(sample_probed(enqueue_empty_kernel, 1)),
              ::testing::ExitedWithCode(has_none), "");
  setenv("VGPU_SERIALISE", "another_kernel", 1);
  EXPECT_EXIT(std::exit(sample_probed(enqueue_empty_kernel, 1)),
              ::testing::ExitedWithCode(has_time), "");
}

TEST_F(SamplerOnAModeOfTheVirtualGpu, ASampleFitsIntoTheLaunchQueue) {
  setenv("VGPU_QUEUE", "1000", 1);
  EXPECT_EXIT(std::exit(sample_unprobed(enqueue_twenty, 300)),
              ::testing::ExitedWithCode(is_deadlock), "a queue of 1000 entries");
  EXPECT_EXIT(std::exit(sample_probed(enqueue_twenty, 300)), ::testing::ExitedWithCode(has_time),
              "");
}

// The blocking kernel times out before the host has enqueued its work. Fewer executions are tried.
TEST_F(SamplerTest, ASampleOfATooSlowHostIsRefused) {
  Sampler clock({.polls = 0});
  std::size_t runs = 0;
  try {
    clock.seconds({[&](cudaStream_t) { ++runs; }, true, 8}, CacheState::hot, 20);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_NE(std::string(error.what()).find("the host needed seconds"), std::string::npos);
    EXPECT_EQ(runs, 8U + 2 + 1);
  }
}

}  // namespace
}  // namespace graft::bench
