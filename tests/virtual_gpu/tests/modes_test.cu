// What a device does beside running kernels: its queue fills, a profiler makes it wait, it loads code
// when that is first used. Settings are read when the library is loaded, so that tests of them run
// the program anew. Compiled with -lineinfo.

#include "support.cuh"

namespace {

class Modes : public ::testing::Test {
 protected:
  void SetUp() override {
    NEEDS_VIRTUAL_GPU();
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
  ~Modes() override {
    for (const char* name : {"VGPU_QUEUE", "VGPU_SERIALISE"}) unsetenv(name);
  }
};

// ---- A kernel that waits for the host ----

struct Flags {
  unsigned open, timed_out;
};
__global__ void blocks(Flags* flags, unsigned most_polls) {
  const volatile Flags* now = flags;
  for (unsigned poll = 0; poll < most_polls; ++poll)
    if (now->open != 0) return;
  flags->timed_out = 1;
}
__global__ void counts(int* out) {
  ++*out;
}

constexpr unsigned kForever = ~0U;
constexpr unsigned kBriefly = 1000;

// Exits with 10 · (all was enqueued before the kernel timed out) + (all launches were run).
void launch_behind_a_blocking_kernel(int launches, unsigned most_polls, bool as_graph = false) {
  cudaStream_t stream;
  CHECKED(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  Flags* flags = nullptr;
  CHECKED(cudaMallocHost(reinterpret_cast<void**>(&flags), sizeof *flags));
  *flags = {};
  int sum = 0;
  {
    const DeviceArray<int> out(std::vector<int>(1, 0));
    cudaGraphExec_t graph = nullptr;
    if (as_graph) {
      cudaGraph_t captured;
      cudaFuncAttributes unused;  // loads the kernel
      CHECKED(cudaFuncGetAttributes(&unused, counts));
      CHECKED(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
      counts<<<1, 1, 0, stream>>>(out.get());
      CHECKED(cudaStreamEndCapture(stream, &captured));
      CHECKED(cudaGraphInstantiate(&graph, captured, 0));
      CHECKED(cudaGraphDestroy(captured));
    }
    blocks<<<1, 1, 0, stream>>>(flags, most_polls);
    for (int n = 0; n < launches; ++n) {
      if (as_graph)
        cudaGraphLaunch(graph, stream);
      else
        counts<<<1, 1, 0, stream>>>(out.get());
      if (const cudaError_t error = cudaPeekAtLastError(); error != cudaSuccess)
        std::exit(cudaStreamSynchronize(stream) == error ? static_cast<int>(error) % 256 : 1);
    }
    flags->open = 1;
    CHECKED(cudaStreamSynchronize(stream));
    sum = out.host()[0];
    if (as_graph) CHECKED(cudaGraphExecDestroy(graph));
  }
  const bool timed_out = flags->timed_out != 0;
  CHECKED(cudaFreeHost(flags));
  CHECKED(cudaStreamDestroy(stream));
  std::exit((timed_out ? 0 : 10) + (sum == launches ? 1 : 0));
}
const auto kRanBehindIt = ::testing::ExitedWithCode(11);
const auto kTimedOut = ::testing::ExitedWithCode(1);
const auto kDeadlock = ::testing::ExitedWithCode(cudaErrorLaunchTimeout % 256);

TEST_F(Modes, AFullQueueBehindABlockingKernelIsADeadlock) {
  EXPECT_EXIT(launch_behind_a_blocking_kernel(999, kForever), kRanBehindIt, "");
  EXPECT_EXIT(
      launch_behind_a_blocking_kernel(1000, kForever), kDeadlock,
      "deadlock: kernel .*blocks.*: polls host memory, but the host waits in a call for room "
      "in a queue of 1000 entries");
  setenv("VGPU_QUEUE", "0", 1);
  EXPECT_EXIT(launch_behind_a_blocking_kernel(1000, kForever), kRanBehindIt, "");
}
TEST_F(Modes, AFullQueueWaitsForAKernelThatTimesOut) {
  EXPECT_EXIT(launch_behind_a_blocking_kernel(3000, kBriefly), kTimedOut, "");
}
TEST_F(Modes, EventsAndCopiesFillTheQueueToo) {
  setenv("VGPU_QUEUE", "4", 1);
  const auto program = [] {
    cudaEvent_t event;
    CHECKED(cudaEventCreate(&event));
    Flags* flags = nullptr;
    CHECKED(cudaMallocHost(reinterpret_cast<void**>(&flags), sizeof *flags));
    *flags = {};
    blocks<<<1, 1>>>(flags, kBriefly);
    for (int n = 0; n < 3; ++n) CHECKED(cudaEventRecord(event));
    const bool early = flags->timed_out != 0;
    CHECKED(cudaEventRecord(event));
    const bool late = flags->timed_out != 0;
    CHECKED(cudaDeviceSynchronize());
    CHECKED(cudaFreeHost(flags));
    CHECKED(cudaEventDestroy(event));
    std::exit(!early && late ? 0 : 1);
  };
  EXPECT_EXIT(program(), ::testing::ExitedWithCode(0), "");
}

TEST_F(Modes, AProfilerWaitsForTheKernelsThatItNames) {
  setenv("VGPU_SERIALISE", "another", 1);
  EXPECT_EXIT(launch_behind_a_blocking_kernel(5, kForever), kRanBehindIt, "");
  for (const char* name : {"counts", "counts(int*)"}) {
    setenv("VGPU_SERIALISE", name, 1);
    EXPECT_EXIT(launch_behind_a_blocking_kernel(5, kBriefly), kTimedOut, "");
    EXPECT_EXIT(launch_behind_a_blocking_kernel(5, kBriefly, true), kTimedOut, "");
    EXPECT_EXIT(launch_behind_a_blocking_kernel(5, kForever), kDeadlock,
                "deadlock: kernel .*blocks.*the host waits in a call for the profiled kernel "
                ".*counts\\(int\\*\\)");
    EXPECT_EXIT(launch_behind_a_blocking_kernel(5, kForever, true), kDeadlock,
                "a profiled kernel of a graph");
  }
  setenv("VGPU_SERIALISE", "*", 1);
  EXPECT_EXIT(launch_behind_a_blocking_kernel(1, kForever), kDeadlock,
              "the profiled kernel .*blocks");
}

// ---- Code that is loaded in a capture ----

template <int number>
__global__ void cold(int* out) {
  *out = number;
}

// The errors of a capture of `kernel`.
std::string captured(void (*kernel)(int*), cudaStreamCaptureMode mode) {
  cudaStream_t stream;
  CHECKED(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CHECKED(cudaStreamBeginCapture(stream, mode));
  kernel<<<1, 1, 0, stream>>>(nullptr);
  kernel<<<1, 1, 0, stream>>>(nullptr);
  cudaGraph_t graph;
  CHECKED(cudaStreamEndCapture(stream, &graph));
  CHECKED(cudaGraphDestroy(graph));
  CHECKED(cudaStreamDestroy(stream));
  return take_errors();
}
TEST_F(Modes, TheFirstUseOfAKernelInACaptureIsFound) {
  const auto mode = cudaStreamCaptureModeThreadLocal;
  const std::string errors = captured(cold<1>, mode);
  EXPECT_NE(errors.find("cold_capture: "), std::string::npos) << errors;
  EXPECT_NE(errors.find("cold<1>(int*) is used for the first time"), std::string::npos) << errors;
  EXPECT_EQ(errors.find('\n'), errors.size() - 1) << "once";

  const DeviceArray<int> out(1);
  cold<2><<<1, 1>>>(out.get());
  EXPECT_EQ(captured(cold<2>, mode), "");
  cudaFuncAttributes attributes;
  CHECKED(cudaFuncGetAttributes(&attributes, cold<3>));
  EXPECT_EQ(captured(cold<3>, mode), "");
  EXPECT_EQ(captured(cold<4>, cudaStreamCaptureModeRelaxed), "");
}

// ---- -lineinfo ----

__device__ __forceinline__ void write_past_the_end(int* out) {
  out[1] = 1;
}
constexpr int kLineOfTheFault = __LINE__ - 2;
__global__ void calls_the_fault(int* out) {
  if (out != nullptr) write_past_the_end(out);
}
TEST_F(Modes, ErrorsNameTheLineOfTheSource) {
  const DeviceArray<int> out(1);
  calls_the_fault<<<1, 1>>>(out.get());
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  const std::string place =
      "modes_test.cu:" + std::to_string(kLineOfTheFault) + "): writes 4 bytes";
  const std::string errors = take_errors();
  EXPECT_NE(errors.find(place), std::string::npos) << errors;
}

}  // namespace
