// Each check: a kernel or program with that very bug is reported, and the right one is not.

#include <cuda_pipeline.h>

#include <csignal>
#include <cstdlib>

#include "support.cuh"

namespace {

// Runs `body`, waits, and gives all that was found.
template <class F>
std::string errors_of(F&& body) {
  body();
  cudaDeviceSynchronize();
  return take_errors();
}

bool says(const std::string& errors, const std::string& kind, const std::string& more = "") {
  const std::size_t at = errors.find(kind + ": ");
  return at != std::string::npos && errors.find(more, at) != std::string::npos;
}

class Checks : public ::testing::Test {
 protected:
  void SetUp() override { NEEDS_VIRTUAL_GPU(); }
};

// ---- Global memory ----

__global__ void writes_up_to(int* out, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i <= n) out[i] = i;
}
TEST_F(Checks, WritesPastTheEndAreFound) {
  const DeviceArray<int> out(100);
  const std::string errors = errors_of([&] { writes_up_to<<<2, 64>>>(out.get(), 100); });
  EXPECT_TRUE(says(errors, "out_of_bounds", "block (1,0,0), thread (36,0,0), PTX line ")) << errors;
  EXPECT_TRUE(says(errors, "out_of_bounds", "0 bytes past the end of allocation")) << errors;
  EXPECT_EQ(errors_of([&] { writes_up_to<<<2, 64>>>(out.get(), 99); }), "");
}
TEST_F(Checks, AnIllegalAddressIsAStickyError) {
  const DeviceArray<int> out(100);
  writes_up_to<<<2, 64>>>(out.get(), 100);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorIllegalAddress);
  take_errors();
}

__global__ void copies(int* out, const int* in, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = in[i];
}
TEST_F(Checks, ReadsBeforeTheBeginningAreFound) {
  const DeviceArray<int> in(std::vector<int>(64, 1));
  const DeviceArray<int> out(64);
  EXPECT_TRUE(
      says(errors_of([&] { copies<<<1, 64>>>(out.get(), in.get() - 1, 64); }), "out_of_bounds"));
  EXPECT_EQ(errors_of([&] { copies<<<1, 64>>>(out.get(), in.get(), 64); }), "");
}
TEST_F(Checks, FreedMemoryIsNotUsedAgain) {
  const DeviceArray<int> out(64);
  int* in = nullptr;
  CHECKED(cudaMalloc(reinterpret_cast<void**>(&in), 64 * sizeof(int)));
  CHECKED(cudaMemset(in, 0, 64 * sizeof(int)));
  EXPECT_EQ(errors_of([&] { copies<<<1, 64>>>(out.get(), in, 64); }), "");
  CHECKED(cudaFree(in));
  const std::string errors = errors_of([&] { copies<<<1, 64>>>(out.get(), in, 64); });
  EXPECT_TRUE(says(errors, "use_after_free", "in freed allocation")) << errors;
}
TEST_F(Checks, ReadsOfUnwrittenMemoryAreFound) {
  const DeviceArray<int> in(64);
  const DeviceArray<int> out(64);
  CHECKED(cudaMemset(in.get(), 0, 32 * sizeof(int)));
  const std::string errors = errors_of([&] { copies<<<1, 64>>>(out.get(), in.get(), 64); });
  EXPECT_TRUE(says(errors, "uninitialised_read", "thread (32,0,0)")) << errors;
  EXPECT_EQ(errors_of([&] { copies<<<1, 32>>>(out.get(), in.get(), 32); }), "");
}

__global__ void loads_four(float4* out, const float* in) {
  out[threadIdx.x] = *reinterpret_cast<const float4*>(in + 4 * threadIdx.x);
}
TEST_F(Checks, MisalignedAccessesAreFound) {
  const DeviceArray<float> in(std::vector<float>(132, 1));
  const DeviceArray<float4> out(32);
  loads_four<<<1, 32>>>(out.get(), in.get() + 1);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorMisalignedAddress);
  const std::string errors = take_errors();
  EXPECT_TRUE(says(errors, "misaligned", "not a multiple of 16")) << errors;
  EXPECT_EQ(errors_of([&] { loads_four<<<1, 32>>>(out.get(), in.get() + 4); }), "");
}
TEST_F(Checks, PinnedMemoryIsReachedAndPageableIsNot) {
  const DeviceArray<int> out(64);
  int* pinned = nullptr;
  CHECKED(cudaMallocHost(reinterpret_cast<void**>(&pinned), 64 * sizeof(int)));
  for (int n = 0; n < 64; ++n) pinned[n] = n;
  EXPECT_EQ(errors_of([&] { copies<<<1, 64>>>(out.get(), pinned, 64); }), "");
  EXPECT_EQ(out.host()[63], 63);
  CHECKED(cudaFreeHost(pinned));
  std::vector<int> pageable(64);
  EXPECT_TRUE(says(errors_of([&] { copies<<<1, 64>>>(out.get(), pageable.data(), 64); }),
                   "out_of_bounds", "is not a device address"));
}
TEST_F(Checks, TheHostCannotFollowADevicePointer) {
  const DeviceArray<int> out(std::vector<int>(4, 1));
  EXPECT_EXIT(*const_cast<volatile int*>(out.get()) = 2, ::testing::KilledBySignal(SIGSEGV), "");
}

// ---- Copies and frees ----

TEST_F(Checks, CopiesOfUnwrittenBytesToTheHostAreFound) {
  const DeviceArray<int> data(8);
  int host[8];
  CHECKED(cudaMemset(data.get(), 0, 16));
  EXPECT_TRUE(says(errors_of([&] { cudaMemcpy(host, data.get(), 32, cudaMemcpyDeviceToHost); }),
                   "uninitialised_read", "16 bytes in allocation"));
  EXPECT_EQ(errors_of([&] { cudaMemcpy(host, data.get(), 16, cudaMemcpyDeviceToHost); }), "");
}
TEST_F(Checks, CopiesBetweenDeviceArraysCarryWhatIsUnwritten) {
  const DeviceArray<int> from(8), to(8);
  int host[8];
  EXPECT_EQ(errors_of([&] { cudaMemcpy(to.get(), from.get(), 32, cudaMemcpyDeviceToDevice); }), "");
  EXPECT_TRUE(says(errors_of([&] { cudaMemcpy(host, to.get(), 32, cudaMemcpyDeviceToHost); }),
                   "uninitialised_read"));
}
TEST_F(Checks, CopiesPastTheEndAreRefused) {
  const DeviceArray<int> data(8);
  const int host[9] = {};
  EXPECT_EQ(cudaMemcpy(data.get(), host, 36, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_TRUE(says(take_errors(), "out_of_bounds"));
  EXPECT_EQ(cudaMemcpy(data.get(), host, 32, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  take_errors();
}
TEST_F(Checks, FreeingTwiceIsFound) {
  void* p = nullptr;
  CHECKED(cudaMalloc(&p, 8));
  CHECKED(cudaFree(p));
  EXPECT_EQ(cudaFree(p), cudaErrorInvalidValue);
  EXPECT_TRUE(says(take_errors(), "bad_free"));
}
TEST_F(Checks, TheDevicesMemoryIsBounded) {
  std::size_t before = 0, after = 0, total = 0;
  CHECKED(cudaMemGetInfo(&before, &total));
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, total + 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  CHECKED(cudaMalloc(&p, total / 2));  // takes no memory of the host until it is written
  CHECKED(cudaMemGetInfo(&after, &total));
  EXPECT_EQ(before - after, total / 2);
  CHECKED(cudaFree(p));
}
TEST_F(Checks, LeaksAreCounted) {
  void *device = nullptr, *host = nullptr;
  cudaStream_t stream;
  cudaEvent_t event;
  EXPECT_EQ(VGPU(vgpu_check_leaks)(), 0);
  CHECKED(cudaMalloc(&device, 12));
  CHECKED(cudaMallocHost(&host, 12));
  CHECKED(cudaStreamCreate(&stream));
  CHECKED(cudaEventCreate(&event));
  EXPECT_EQ(VGPU(vgpu_check_leaks)(), 4);
  EXPECT_TRUE(says(take_errors(), "leak", "12 bytes is not freed"));
  CHECKED(cudaFree(device));
  CHECKED(cudaFreeHost(host));
  CHECKED(cudaStreamDestroy(stream));
  CHECKED(cudaEventDestroy(event));
  EXPECT_EQ(VGPU(vgpu_check_leaks)(), 0);
}

// ---- Shared memory ----

template <bool synchronised>
__global__ void reverses(int* out, const int* in) {
  __shared__ int buffer[64];
  buffer[threadIdx.x] = in[threadIdx.x];
  if (synchronised) __syncthreads();
  out[threadIdx.x] = buffer[63 - threadIdx.x];
}
TEST_F(Checks, RacesBetweenBarriersAreFound) {
  const DeviceArray<int> in(std::vector<int>(64, 3));
  const DeviceArray<int> out(64);
  const std::string errors = errors_of([&] { reverses<false><<<1, 64>>>(out.get(), in.get()); });
  EXPECT_TRUE(says(errors, "shared_race") || says(errors, "uninitialised_read")) << errors;
  EXPECT_TRUE(says(errors, "shared_race", "with no barrier between")) << errors;
  EXPECT_EQ(errors_of([&] { reverses<true><<<1, 64>>>(out.get(), in.get()); }), "");
}

template <bool synchronised>
__global__ void overwrites(int* out) {
  __shared__ int buffer[64];
  buffer[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  const int other = buffer[63 - threadIdx.x];
  if (synchronised) __syncthreads();
  buffer[threadIdx.x] = other + 1;
  __syncthreads();
  out[threadIdx.x] = buffer[threadIdx.x];
}
TEST_F(Checks, WritesOverWhatOthersStillReadAreFound) {
  const DeviceArray<int> out(64);
  const std::string errors = errors_of([&] { overwrites<false><<<1, 64>>>(out.get()); });
  EXPECT_TRUE(says(errors, "shared_race", "read with no barrier")) << errors;
  EXPECT_EQ(errors_of([&] { overwrites<true><<<1, 64>>>(out.get()); }), "");
}

template <bool synchronised>
__global__ void within_a_warp(int* out) {
  __shared__ volatile int buffer[32];
  buffer[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (synchronised) __syncwarp();
  out[threadIdx.x] = buffer[31 - threadIdx.x];
}
TEST_F(Checks, LanesOfAWarpNeedABarrierToo) {
  const DeviceArray<int> out(32);
  EXPECT_TRUE(says(errors_of([&] { within_a_warp<false><<<1, 32>>>(out.get()); }), "shared_race"));
  EXPECT_EQ(errors_of([&] { within_a_warp<true><<<1, 32>>>(out.get()); }), "");
}

__global__ void counts(int* out) {
  __shared__ int counter;
  if (threadIdx.x == 0) counter = 0;
  __syncthreads();
  atomicAdd(&counter, 1);
  __syncthreads();
  if (threadIdx.x == 0) out[0] = counter;
}
TEST_F(Checks, AtomicsAreNoRace) {
  const DeviceArray<int> out(1);
  EXPECT_EQ(errors_of([&] { counts<<<1, 96>>>(out.get()); }), "");
  EXPECT_EQ(out.host()[0], 96);
}

template <bool initialised>
__global__ void sums_shared(int* out) {
  __shared__ int buffer[64];
  if (initialised || threadIdx.x < 32) buffer[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) {
    int sum = 0;
    for (int n = 0; n < 64; ++n) sum += buffer[n];
    out[0] = sum;
  }
}
TEST_F(Checks, UnwrittenSharedMemoryIsFound) {
  const DeviceArray<int> out(1);
  EXPECT_TRUE(says(errors_of([&] { sums_shared<false><<<1, 64>>>(out.get()); }),
                   "uninitialised_read", "shared memory"));
  EXPECT_EQ(errors_of([&] { sums_shared<true><<<1, 64>>>(out.get()); }), "");
}

__global__ void dynamic_shared(int* out, int last) {
  extern __shared__ int values[];
  values[threadIdx.x] = 5;
  if (threadIdx.x == 0) values[last] = 6;
  out[threadIdx.x] = values[threadIdx.x];
}
TEST_F(Checks, SharedMemoryEndsWhereTheLaunchSays) {
  const DeviceArray<int> out(32);
  EXPECT_TRUE(says(errors_of([&] { dynamic_shared<<<1, 32, 128>>>(out.get(), 32); }),
                   "out_of_bounds", "the block has 128 bytes"));
  EXPECT_EQ(errors_of([&] { dynamic_shared<<<1, 32, 132>>>(out.get(), 32); }), "");
}

template <bool waits>
__global__ void copies_async(float4* out, const float4* in) {
  __shared__ float4 buffer[32];
  __pipeline_memcpy_async(&buffer[threadIdx.x], &in[threadIdx.x], sizeof(float4));
  __pipeline_commit();
  if (waits) __pipeline_wait_prior(0);
  __syncthreads();
  out[threadIdx.x] = buffer[31 - threadIdx.x];
}
TEST_F(Checks, AsyncCopiesNeedTheirWait) {
  const DeviceArray<float4> in(std::vector<float4>(32, float4{1, 2, 3, 4}));
  const DeviceArray<float4> out(32);
  EXPECT_TRUE(says(errors_of([&] { copies_async<false><<<1, 32>>>(out.get(), in.get()); }),
                   "uninitialised_read"));
  EXPECT_EQ(errors_of([&] { copies_async<true><<<1, 32>>>(out.get(), in.get()); }), "");
  EXPECT_EQ(out.host()[7].z, 3);
}

// ---- Barriers and lanes ----

template <bool divergent>
__global__ void half_a_barrier(int* out, int n) {
  if (divergent && static_cast<int>(threadIdx.x) < n) {
    out[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = 2;
  }
  if (!divergent) __syncthreads();
  out[threadIdx.x] = 3;
}
TEST_F(Checks, BarriersThatPartOfAWarpReachesAreFound) {
  const DeviceArray<int> out(64);
  EXPECT_TRUE(says(errors_of([&] { half_a_barrier<true><<<1, 64>>>(out.get(), 16); }),
                   "divergent_barrier", "lane 16"));
  EXPECT_EQ(errors_of([&] { half_a_barrier<false><<<1, 64>>>(out.get(), 16); }), "");
}

__global__ void two_barriers(int* out, int n) {
  if (static_cast<int>(threadIdx.x) < n) {
    out[threadIdx.x] = 1;
    asm volatile("bar.sync 0;");
    out[threadIdx.x] = 2;
  } else {
    asm volatile("bar.sync 0;");
    out[threadIdx.x] = 4;
  }
}
TEST_F(Checks, WarpsAtDifferentBarriersAreFound) {
  const DeviceArray<int> out(64);
  EXPECT_TRUE(says(errors_of([&] { two_barriers<<<1, 64>>>(out.get(), 32); }), "divergent_barrier",
                   "other threads of the block wait at PTX line"));
  EXPECT_EQ(errors_of([&] { two_barriers<<<1, 64>>>(out.get(), 64); }), "");
}

__global__ void leaves_early(int* out, int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}
TEST_F(Checks, ThreadsThatHaveLeftAreNotWaitedFor) {
  const DeviceArray<int> out(64);
  EXPECT_EQ(errors_of([&] { leaves_early<<<1, 64>>>(out.get(), 40); }), "");
}

__global__ void shuffles_some(int* out, int n, unsigned mask) {
  if (static_cast<int>(threadIdx.x) < n)
    out[threadIdx.x] = __shfl_down_sync(mask, static_cast<int>(threadIdx.x), 1);
  else
    out[threadIdx.x] = 0;
}
TEST_F(Checks, ShufflesFromMissingLanesAreFound) {
  const DeviceArray<int> out(32);
  EXPECT_TRUE(
      says(errors_of([&] { shuffles_some<<<1, 32>>>(out.get(), 16, ~0U); }), "missing_lane"));
  EXPECT_EQ(errors_of([&] { shuffles_some<<<1, 32>>>(out.get(), 32, ~0U); }), "");
}

// ---- Counters ----

__global__ void strides(float* out, const float* in, int stride) {
  out[threadIdx.x] = in[static_cast<int>(threadIdx.x) * stride];
}
TEST_F(Checks, SectorsAreCounted) {
  const DeviceArray<float> in(std::vector<float>(1024, 1));
  const DeviceArray<float> out(32);
  VgpuCounters c;
  strides<<<1, 32>>>(out.get(), in.get(), 1);
  CHECKED(cudaDeviceSynchronize());
  ASSERT_EQ(VGPU(vgpu_last_launch)("strides", &c), 1);
  EXPECT_EQ(c.sectors_loaded, 4U);
  EXPECT_EQ(c.sectors_loaded_minimum, 4U);
  EXPECT_EQ(c.sectors_stored, 4U);
  EXPECT_EQ(c.distinct_sectors_read, 4U);
  strides<<<1, 32>>>(out.get(), in.get(), 8);
  CHECKED(cudaDeviceSynchronize());
  VGPU(vgpu_last_launch)("strides", &c);
  EXPECT_EQ(c.sectors_loaded, 32U);
  EXPECT_EQ(c.sectors_loaded_minimum, 4U);
}

__global__ void reads_twice(float* out, const float* in) {
  out[threadIdx.x] = in[threadIdx.x] + in[threadIdx.x ^ 32];
}
TEST_F(Checks, DistinctSectorsAreCountedOnce) {
  const DeviceArray<float> in(std::vector<float>(64, 1));
  const DeviceArray<float> out(64);
  VgpuCounters c;
  reads_twice<<<1, 64>>>(out.get(), in.get());
  CHECKED(cudaDeviceSynchronize());
  ASSERT_EQ(VGPU(vgpu_last_launch)("reads_twice", &c), 1);
  EXPECT_EQ(c.sectors_loaded, 16U);
  EXPECT_EQ(c.distinct_sectors_read, 8U);
  EXPECT_EQ(c.distinct_sectors_written, 8U);
}

template <int pitch>
__global__ void transposes(float* out) {
  __shared__ float tile[32 * pitch];
  for (int n = 0; n < 32; ++n) tile[n * pitch + threadIdx.x] = static_cast<float>(n);
  __syncwarp();
  float sum = 0;
  for (int n = 0; n < 32; ++n) sum += tile[static_cast<int>(threadIdx.x) * pitch + n];
  out[threadIdx.x] = sum;
}
TEST_F(Checks, BankConflictsAreCounted) {
  const DeviceArray<float> out(32);
  VgpuCounters c;
  transposes<32><<<1, 32>>>(out.get());
  CHECKED(cudaDeviceSynchronize());
  ASSERT_EQ(VGPU(vgpu_last_launch)("transposesILi32E", &c), 1);
  EXPECT_GE(c.shared_wavefronts, c.shared_wavefronts_minimum * 4);
  transposes<33><<<1, 32>>>(out.get());
  CHECKED(cudaDeviceSynchronize());
  ASSERT_EQ(VGPU(vgpu_last_launch)("transposesILi33E", &c), 1);
  EXPECT_EQ(c.shared_wavefronts, c.shared_wavefronts_minimum);
}

// ---- Launches, faults, the end ----

TEST_F(Checks, LaunchesThatADeviceWouldRefuse) {
  const DeviceArray<int> out(64);
  writes_up_to<<<1, 2048>>>(out.get(), 1);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  writes_up_to<<<0, 32>>>(out.get(), 1);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  dynamic_shared<<<1, 32, 64 * 1024>>>(out.get(), 0);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  CHECKED(
      cudaFuncSetAttribute(dynamic_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024));
  dynamic_shared<<<1, 32, 64 * 1024>>>(out.get(), 0);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  CHECKED(cudaDeviceSynchronize());
}

TEST_F(Checks, CallsAreMadeToFail) {
  VGPU(vgpu_set_faults)("cudaMalloc:2:2,cudaLaunchKernel:1:701");
  void* p = nullptr;
  void* q = nullptr;
  EXPECT_EQ(cudaMalloc(&p, 8), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&q, 8), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&q, 8), cudaSuccess);
  cudaGetLastError();
  writes_up_to<<<1, 1>>>(static_cast<int*>(p), 0);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchOutOfResources);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  VGPU(vgpu_set_faults)("cudaStreamSynchronize:1:719");
  EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaFree(p), cudaErrorLaunchFailure);
  VGPU(vgpu_set_faults)("");
  take_errors();
  EXPECT_EQ(cudaFree(p), cudaSuccess);
  EXPECT_EQ(cudaFree(q), cudaSuccess);
}

void run_and_exit(int last, bool frees) {
  int* out = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&out), 400);
  writes_up_to<<<2, 64>>>(out, last);
  cudaDeviceSynchronize();
  if (frees) cudaFree(out);
  std::exit(0);
}
TEST_F(Checks, ErrorsMakeTheExitCode86) {
  EXPECT_EXIT(run_and_exit(100, true), ::testing::ExitedWithCode(86), "out_of_bounds");
  EXPECT_EXIT(run_and_exit(99, false), ::testing::ExitedWithCode(86), "leak");
  EXPECT_EXIT(run_and_exit(99, true), ::testing::ExitedWithCode(0), "");
}

// Settings are read when the library is loaded: these run the program anew under another one.
class Settings : public Checks {
 protected:
  void SetUp() override {
    Checks::SetUp();
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
  ~Settings() override {
    for (const char* name : {"VGPU_MAX_INSTRUCTIONS", "VGPU_ARCH", "VGPU_DEVICES", "VGPU_DRIVER",
                             "VGPU_MEMORY", "VGPU_EXIT"})
      unsetenv(name);
  }
};
__global__ void waits_for(const int* flag) {
  while (*const_cast<const volatile int*>(flag) == 0) {
  }
}
void wait_forever() {
  int* flag = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&flag), 4);
  cudaMemset(flag, 0, 4);
  waits_for<<<1, 32>>>(flag);
  std::exit(cudaDeviceSynchronize() == cudaErrorLaunchTimeout ? 0 : 1);
}
TEST_F(Settings, EndlessKernelsAreStopped) {
  setenv("VGPU_MAX_INSTRUCTIONS", "100000", 1);
  EXPECT_EXIT(wait_forever(), ::testing::ExitedWithCode(86), "no_end: kernel .*waits_for");
}
void exit_with_launch_error() {
  waits_for<<<1, 32>>>(nullptr);
  std::exit(static_cast<int>(cudaGetLastError()));
}
TEST_F(Settings, AnArchitectureThatWasNotCompiledIsError209) {
  setenv("VGPU_ARCH", "sm_75", 1);
  EXPECT_EXIT(exit_with_launch_error(), ::testing::ExitedWithCode(cudaErrorNoKernelImageForDevice),
              "");
}
void exit_with_count_error() {
  int count = -1;
  const cudaError_t error = cudaGetDeviceCount(&count);
  std::exit(count == 0 ? static_cast<int>(error) : 1);
}
TEST_F(Settings, MachinesWithoutADeviceOrWithAnOldDriver) {
  setenv("VGPU_DEVICES", "0", 1);
  EXPECT_EXIT(exit_with_count_error(), ::testing::ExitedWithCode(cudaErrorNoDevice), "");
  unsetenv("VGPU_DEVICES");
  setenv("VGPU_DRIVER", "12080", 1);
  EXPECT_EXIT(exit_with_count_error(), ::testing::ExitedWithCode(cudaErrorInsufficientDriver), "");
}
void exit_with_memory() {
  std::size_t unused = 0, total = 0;
  cudaMemGetInfo(&unused, &total);
  cudaDeviceProp p;
  cudaGetDeviceProperties(&p, 0);
  std::exit(total == 512U << 20U && p.totalGlobalMem == total && p.major == 9 ? 7 : 1);
}
TEST_F(Settings, MemoryAndArchitectureAreChosen) {
  setenv("VGPU_MEMORY", "512MiB", 1);
  setenv("VGPU_ARCH", "sm_90", 1);
  EXPECT_EXIT(exit_with_memory(), ::testing::ExitedWithCode(7), "");
}
TEST_F(Settings, TheExitCodeCanBeKept) {
  setenv("VGPU_EXIT", "0", 1);
  EXPECT_EXIT(run_and_exit(100, true), ::testing::ExitedWithCode(0), "out_of_bounds");
}

TEST_F(Checks, TheReportIsWritten) {
  const std::string path = ::testing::TempDir() + "vgpu_report.json";
  const DeviceArray<int> out(64);
  writes_up_to<<<1, 64>>>(out.get(), 63);
  CHECKED(cudaDeviceSynchronize());
  EXPECT_EQ(VGPU(vgpu_write_report)(path.c_str()), 0);
  std::FILE* file = std::fopen(path.c_str(), "r");
  ASSERT_NE(file, nullptr);
  std::string text(1 << 20, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  std::remove(path.c_str());
  EXPECT_NE(text.find("writes_up_to"), std::string::npos);
  EXPECT_NE(text.find("\"sectors_stored\": 8"), std::string::npos);
  EXPECT_NE(text.find("\"cudaLaunchKernel\": "), std::string::npos);
}

}  // namespace
