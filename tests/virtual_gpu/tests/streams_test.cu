// Streams, events and graphs. A program that lacks a wait gives a wrong result for some order; with the
// wait it gives the right one for every order.

#include <atomic>
#include <thread>

#include "support.cuh"

namespace {

constexpr int kCount = 256;
constexpr int kSeeds = 50;

__global__ void fill(int* out, int value) {
  out[threadIdx.x] = value;
}
__global__ void add(int* out, const int* in, int value) {
  out[threadIdx.x] = in[threadIdx.x] + value;
}

struct Streams {
  cudaStream_t first, second;
  cudaEvent_t event;
  explicit Streams(unsigned flags = cudaStreamNonBlocking) {
    CHECKED(cudaStreamCreateWithFlags(&first, flags));
    CHECKED(cudaStreamCreateWithFlags(&second, flags));
    CHECKED(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  }
  ~Streams() {
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
    cudaEventDestroy(event);
  }
};

// Whether `program` gives true for seed 0 … kSeeds-1.
template <class F>
int right_results(F&& program) {
  int right = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    VGPU(vgpu_set_seed)(seed);
    right += program() ? 1 : 0;
  }
  VGPU(vgpu_set_seed)(0);
  CHECKED(cudaDeviceSynchronize());
  VGPU(vgpu_clear_errors)();
  return right;
}

class StreamOrder : public ::testing::Test {
 protected:
  void SetUp() override { NEEDS_VIRTUAL_GPU(); }
};

bool producer_consumer(bool waits) {
  const Streams s;
  const DeviceArray<int> a(std::vector<int>(kCount, 0)), b(std::vector<int>(kCount, 0));
  fill<<<1, kCount, 0, s.first>>>(a.get(), 5);
  CHECKED(cudaEventRecord(s.event, s.first));
  if (waits) CHECKED(cudaStreamWaitEvent(s.second, s.event, 0));
  add<<<1, kCount, 0, s.second>>>(b.get(), a.get(), 1);
  CHECKED(cudaStreamSynchronize(s.second));
  CHECKED(cudaStreamSynchronize(s.first));
  return b.host()[17] == 6;
}
TEST_F(StreamOrder, AMissingEventShows) {
  EXPECT_EQ(right_results([] { return producer_consumer(true); }), kSeeds);
  EXPECT_LT(right_results([] { return producer_consumer(false); }), kSeeds);
}

// One stream reads what the other overwrites only many operations later.
bool overwritten_late(bool waits) {
  const Streams s;
  const DeviceArray<int> a(std::vector<int>(kCount, 3)), b(std::vector<int>(kCount, 0));
  const DeviceArray<int> unrelated(std::vector<int>(kCount, 0));
  add<<<1, kCount, 0, s.second>>>(b.get(), a.get(), 1);
  CHECKED(cudaEventRecord(s.event, s.second));
  for (int n = 0; n < 12; ++n) fill<<<1, kCount, 0, s.first>>>(unrelated.get(), n);
  if (waits) CHECKED(cudaStreamWaitEvent(s.first, s.event, 0));
  fill<<<1, kCount, 0, s.first>>>(a.get(), 9);
  CHECKED(cudaStreamSynchronize(s.second));
  CHECKED(cudaStreamSynchronize(s.first));
  return b.host()[17] == 4;
}
TEST_F(StreamOrder, AMissingEventShowsFarAheadToo) {
  EXPECT_EQ(right_results([] { return overwritten_late(true); }), kSeeds);
  EXPECT_LT(right_results([] { return overwritten_late(false); }), kSeeds);
}

TEST_F(StreamOrder, ACallCanBeSkipped) {
  const auto without = [](const char* call) {
    VGPU(vgpu_set_faults)(call);
    const bool right = producer_consumer(true);
    VGPU(vgpu_set_faults)("");
    return right;
  };
  EXPECT_LT(right_results([&] { return without("cudaStreamWaitEvent:1:0"); }), kSeeds);
  EXPECT_EQ(right_results([&] { return without("cudaStreamWaitEvent:2:0"); }), kSeeds);
}

bool reads_back(bool waits) {
  const Streams s;
  int* pinned = nullptr;
  CHECKED(cudaMallocHost(reinterpret_cast<void**>(&pinned), kCount * sizeof(int)));
  pinned[9] = -1;
  const DeviceArray<int> a(std::vector<int>(kCount, 0));
  fill<<<1, kCount, 0, s.first>>>(a.get(), 7);
  CHECKED(cudaMemcpyAsync(pinned, a.get(), kCount * sizeof(int), cudaMemcpyDeviceToHost, s.first));
  if (waits) CHECKED(cudaStreamSynchronize(s.first));
  const bool right = pinned[9] == 7;
  CHECKED(cudaFreeHost(pinned));
  return right;
}
TEST_F(StreamOrder, ReadingPinnedMemoryTooEarlyShows) {
  EXPECT_EQ(right_results([] { return reads_back(true); }), kSeeds);
  EXPECT_LT(right_results([] { return reads_back(false); }), kSeeds);
}

// The ring of a pipeline: the host fills the buffer again while the copy may still be in flight.
bool refills(bool waits) {
  const Streams s;
  int* pinned = nullptr;
  CHECKED(cudaMallocHost(reinterpret_cast<void**>(&pinned), kCount * sizeof(int)));
  const DeviceArray<int> a(kCount), b(kCount);
  bool right = true;
  for (int round = 0; round < 3; ++round) {
    for (int n = 0; n < kCount; ++n) pinned[n] = round;
    CHECKED(
        cudaMemcpyAsync(a.get(), pinned, kCount * sizeof(int), cudaMemcpyHostToDevice, s.first));
    CHECKED(cudaEventRecord(s.event, s.first));
    add<<<1, kCount, 0, s.first>>>(b.get(), a.get(), 10);
    if (waits) CHECKED(cudaEventSynchronize(s.event));
    for (int n = 0; n < kCount; ++n) pinned[n] = -100;
    CHECKED(cudaStreamSynchronize(s.first));
    right &= b.host()[3] == round + 10;
  }
  CHECKED(cudaFreeHost(pinned));
  return right;
}
TEST_F(StreamOrder, RefillingABufferUnderACopyShows) {
  EXPECT_EQ(right_results([] { return refills(true); }), kSeeds);
  EXPECT_LT(right_results([] { return refills(false); }), kSeeds);
}

// The host fills the buffer after the copy was called: only work done at once shows it.
bool fills_late(bool late) {
  const Streams s;
  int* pinned = nullptr;
  CHECKED(cudaMallocHost(reinterpret_cast<void**>(&pinned), kCount * sizeof(int)));
  const DeviceArray<int> a(kCount);
  pinned[4] = late ? 0 : 8;
  CHECKED(cudaMemcpyAsync(a.get(), pinned, kCount * sizeof(int), cudaMemcpyHostToDevice, s.first));
  pinned[4] = 8;
  CHECKED(cudaStreamSynchronize(s.first));
  const bool right = a.host()[4] == 8;
  CHECKED(cudaFreeHost(pinned));
  return right;
}
TEST_F(StreamOrder, FillingABufferAfterTheCopyWasCalledShows) {
  EXPECT_EQ(right_results([] { return fills_late(false); }), kSeeds);
  EXPECT_LT(right_results([] { return fills_late(true); }), kSeeds);
}

bool pageable() {  // is staged when called
  const Streams s;
  std::vector<int> host(kCount, 3);
  const DeviceArray<int> a(kCount);
  CHECKED(
      cudaMemcpyAsync(a.get(), host.data(), kCount * sizeof(int), cudaMemcpyHostToDevice, s.first));
  host.assign(kCount, 4);
  CHECKED(cudaStreamSynchronize(s.first));
  return a.host()[0] == 3;
}
TEST_F(StreamOrder, PageableMemoryIsStaged) {
  EXPECT_EQ(right_results([] { return pageable(); }), kSeeds);
}

// The legacy stream orders blocking streams among themselves, non-blocking ones not.
bool through_legacy(unsigned flags) {
  const Streams s(flags);
  const DeviceArray<int> a(std::vector<int>(kCount, 0)), b(std::vector<int>(kCount, 0)),
      c(std::vector<int>(kCount, 0));
  fill<<<1, kCount, 0, s.first>>>(a.get(), 5);
  add<<<1, kCount>>>(b.get(), a.get(), 1);
  add<<<1, kCount, 0, s.second>>>(c.get(), b.get(), 1);
  CHECKED(cudaStreamSynchronize(s.second));
  const bool right = c.host()[1] == 7;
  CHECKED(cudaDeviceSynchronize());
  return right;
}
TEST_F(StreamOrder, TheLegacyStreamSynchronisesWithBlockingStreamsOnly) {
  EXPECT_EQ(right_results([] { return through_legacy(cudaStreamDefault); }), kSeeds);
  EXPECT_LT(right_results([] { return through_legacy(cudaStreamNonBlocking); }), kSeeds);
}

TEST_F(StreamOrder, NothingRunsUntilItIsWaitedFor) {
  const Streams s;
  std::atomic<int> ran{0};
  const auto count = [](void* data) { ++*static_cast<std::atomic<int>*>(data); };
  CHECKED(cudaLaunchHostFunc(s.first, count, &ran));
  CHECKED(cudaEventRecord(s.event, s.first));
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(cudaEventQuery(s.event), cudaErrorNotReady);
  while (cudaEventQuery(s.event) == cudaErrorNotReady) {
  }
  EXPECT_EQ(ran, 1);
}

TEST_F(StreamOrder, HostFunctionsRunWithoutTheLock) {
  const Streams s;
  struct Shared {
    std::atomic<bool> entered{false}, released{false};
  } shared;
  CHECKED(cudaLaunchHostFunc(
      s.first,
      [](void* data) {
        auto* both = static_cast<Shared*>(data);
        both->entered = true;
        while (!both->released) std::this_thread::yield();
      },
      &shared));
  std::thread waiter([&] { cudaStreamSynchronize(s.first); });
  while (!shared.entered) std::this_thread::yield();
  std::size_t unused = 0;
  EXPECT_EQ(cudaMemGetInfo(&unused, &unused), cudaSuccess);  // would hang if the lock were held
  shared.released = true;
  waiter.join();
}

TEST_F(StreamOrder, EventsThatWereNeverRecordedBlockNothing) {
  const Streams s;
  EXPECT_EQ(cudaEventQuery(s.event), cudaSuccess);
  CHECKED(cudaStreamWaitEvent(s.first, s.event, 0));
  CHECKED(cudaStreamSynchronize(s.first));
  cudaEvent_t a, b;
  CHECKED(cudaEventCreate(&a));
  CHECKED(cudaEventCreate(&b));
  CHECKED(cudaEventRecord(a, s.first));
  CHECKED(cudaEventRecord(b, s.first));
  float milliseconds = -1;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, a, b), cudaErrorNotReady);
  CHECKED(cudaEventSynchronize(b));
  CHECKED(cudaEventElapsedTime(&milliseconds, a, b));
  EXPECT_GE(milliseconds, 0);
  CHECKED(cudaEventDestroy(a));
  CHECKED(cudaEventDestroy(b));
  EXPECT_EQ(cudaEventDestroy(b), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

// ---- Graphs ----

// first: a ← 5;  second: b ← 9;  then first: a ← a + b (through two adds).
bool graph_of_two_streams(bool waits, bool joins, cudaError_t* end_error = nullptr) {
  const Streams s;
  cudaEvent_t done;
  CHECKED(cudaEventCreate(&done));
  const DeviceArray<int> a(std::vector<int>(kCount, 0)), b(std::vector<int>(kCount, 0));
  cudaFuncAttributes unused;  // loads the kernels, which the capture could forbid
  CHECKED(cudaFuncGetAttributes(&unused, fill));
  CHECKED(cudaFuncGetAttributes(&unused, add));
  CHECKED(cudaStreamBeginCapture(s.first, cudaStreamCaptureModeGlobal));
  CHECKED(cudaEventRecord(s.event, s.first));
  CHECKED(cudaStreamWaitEvent(s.second, s.event, 0));
  if (waits) fill<<<1, kCount, 0, s.first>>>(a.get(), 5);
  if (waits) {
    CHECKED(cudaEventRecord(s.event, s.first));
    CHECKED(cudaStreamWaitEvent(s.second, s.event, 0));
  }
  add<<<1, kCount, 0, s.second>>>(b.get(), a.get(), 1);
  if (!waits) fill<<<1, kCount, 0, s.first>>>(a.get(), 5);
  CHECKED(cudaEventRecord(done, s.second));
  if (joins) CHECKED(cudaStreamWaitEvent(s.first, done, 0));
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(s.first, &graph);
  if (end_error != nullptr) *end_error = ended;
  bool right = false;
  if (ended == cudaSuccess) {
    cudaGraphExec_t executable;
    CHECKED(cudaGraphInstantiate(&executable, graph, 0));
    CHECKED(cudaGraphDestroy(graph));
    EXPECT_EQ(b.host()[2], 0);  // captured, not run
    CHECKED(cudaGraphLaunch(executable, s.first));
    CHECKED(cudaStreamSynchronize(s.first));
    right = b.host()[2] == 6;
    CHECKED(cudaGraphExecDestroy(executable));
  }
  CHECKED(cudaEventDestroy(done));
  return right;
}
TEST_F(StreamOrder, GraphsKeepTheOrderThatWasCaptured) {
  EXPECT_EQ(right_results([] { return graph_of_two_streams(true, true); }), kSeeds);
  EXPECT_LT(right_results([] { return graph_of_two_streams(false, true); }), kSeeds);
}
TEST_F(StreamOrder, EventsOfAnEndedCaptureCannotBeWaitedFor) {
  const Streams s;
  cudaGraph_t graph = nullptr;
  CHECKED(cudaStreamBeginCapture(s.first, cudaStreamCaptureModeGlobal));
  CHECKED(cudaEventRecord(s.event, s.first));
  CHECKED(cudaStreamEndCapture(s.first, &graph));
  CHECKED(cudaGraphDestroy(graph));
  EXPECT_EQ(cudaStreamWaitEvent(s.second, s.event, 0), cudaErrorCapturedEvent);
  CHECKED(cudaEventRecord(s.event, s.first));
  EXPECT_EQ(cudaStreamWaitEvent(s.second, s.event, 0), cudaSuccess);
  CHECKED(cudaStreamSynchronize(s.second));
  cudaGetLastError();
}
TEST_F(StreamOrder, ACapturedStreamMustBeJoined) {
  cudaError_t error = cudaSuccess;
  graph_of_two_streams(true, false, &error);
  EXPECT_EQ(error, cudaErrorStreamCaptureUnjoined);
  cudaGetLastError();
}
TEST_F(StreamOrder, WaitingBreaksACapture) {
  const Streams s;
  CHECKED(cudaStreamBeginCapture(s.first, cudaStreamCaptureModeGlobal));
  EXPECT_EQ(cudaStreamSynchronize(s.first), cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(s.first, &graph), cudaErrorStreamCaptureInvalidated);
  CHECKED(cudaStreamBeginCapture(s.first, cudaStreamCaptureModeGlobal));
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(s.first, &graph), cudaErrorStreamCaptureInvalidated);
  CHECKED(cudaStreamBeginCapture(s.first, cudaStreamCaptureModeRelaxed));
  EXPECT_EQ(cudaMalloc(&p, 4), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(s.first, &graph), cudaSuccess);
  CHECKED(cudaGraphDestroy(graph));
  CHECKED(cudaFree(p));
  cudaGetLastError();
}

}  // namespace
