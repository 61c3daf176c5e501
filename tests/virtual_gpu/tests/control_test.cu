// Lanes that talk to each other, atomics, branches, calls, and the kinds of memory.

#include <cmath>

#include "support.cuh"

namespace {

__global__ void shuffles(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_down_sync(~0U, lane * 10, 3);
  out[32 + lane] = __shfl_up_sync(~0U, lane * 10, 5);
  out[64 + lane] = __shfl_xor_sync(~0U, lane * 10, 6);
  out[96 + lane] = __shfl_sync(~0U, lane * 10, 7);
  out[128 + lane] = __shfl_down_sync(~0U, lane * 10, 3, 8);
  out[160 + lane] = __shfl_sync(~0U, lane * 10, lane + 9, 16);
}
TEST(Control, shuffles) {
  const DeviceArray<int> out(192);
  shuffles<<<1, 32>>>(out.get());
  const auto got = out.host();
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(got[lane], (lane + 3 < 32 ? lane + 3 : lane) * 10);
    EXPECT_EQ(got[32 + lane], (lane >= 5 ? lane - 5 : lane) * 10);
    EXPECT_EQ(got[64 + lane], (lane ^ 6) * 10);
    EXPECT_EQ(got[96 + lane], 70);
    EXPECT_EQ(got[128 + lane], (lane % 8 + 3 < 8 ? lane + 3 : lane) * 10);
    EXPECT_EQ(got[160 + lane], (lane / 16 * 16 + (lane + 9) % 16) * 10);
  }
}

__global__ void votes(unsigned* out) {
  const unsigned lane = threadIdx.x;
  out[lane] = __ballot_sync(~0U, lane % 3 == 0);
  out[32 + lane] = static_cast<unsigned>(__any_sync(~0U, lane == 40));
  out[64 + lane] = static_cast<unsigned>(__all_sync(~0U, lane < 32));
  unsigned mask = 0;
  if (lane % 2 == 1) mask = __activemask();
  out[96 + lane] = mask;
  out[128 + lane] = __reduce_add_sync(~0U, lane);
  out[160 + lane] = __reduce_max_sync(~0U, lane ^ 21U);
}
TEST(Control, votes) {
  const DeviceArray<unsigned> out(192);
  votes<<<1, 32>>>(out.get());
  const auto got = out.host();
  for (unsigned lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(got[lane], 0x49249249U);
    EXPECT_EQ(got[32 + lane], 0U);
    EXPECT_EQ(got[64 + lane], 1U);
    EXPECT_EQ(got[96 + lane], lane % 2 == 1 ? 0xAAAAAAAAU : 0U);
    EXPECT_EQ(got[128 + lane], 496U);
    EXPECT_EQ(got[160 + lane], 31U);
  }
}

__global__ void atomics(int* values, float* sum, unsigned long long* large) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&values[0], i);
  atomicMax(&values[1], i);
  atomicMin(&values[2], -i);
  atomicOr(&values[3], 1 << (i % 31));
  atomicExch(&values[4], 5);
  atomicCAS(&values[5], 0, i + 1);
  atomicInc(reinterpret_cast<unsigned*>(&values[6]), 9);
  atomicAdd(sum, 0.5F);
  atomicAdd(large, 1ULL << 33);
}
TEST(Control, atomics) {
  const DeviceArray<int> values(std::vector<int>(7, 0));
  const DeviceArray<float> sum(std::vector<float>(1, 0));
  const DeviceArray<unsigned long long> large(std::vector<unsigned long long>(1, 0));
  atomics<<<4, 64>>>(values.get(), sum.get(), large.get());
  const auto got = values.host();
  EXPECT_EQ(got[0], 255 * 256 / 2);
  EXPECT_EQ(got[1], 255);
  EXPECT_EQ(got[2], -255);
  EXPECT_EQ(got[3], 0x7FFFFFFF);
  EXPECT_EQ(got[4], 5);
  EXPECT_EQ(got[5], 1);
  EXPECT_EQ(got[6], 256 % 10);
  EXPECT_EQ(sum.host()[0], 128.0F);
  EXPECT_EQ(large.host()[0], 256ULL << 33);
}

// Control flow
__global__ void collatz(const int* start, int* steps) {
  int n = start[threadIdx.x];
  int count = 0;
  while (n != 1) {
    n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    ++count;
  }
  steps[threadIdx.x] = count;
}
TEST(Control, LanesLoopForDifferentTimes) {
  std::vector<int> start;
  for (int n = 1; n <= 50; ++n) start.push_back(n);
  const DeviceArray<int> in(start);
  const DeviceArray<int> out(50);
  collatz<<<1, 50>>>(in.get(), out.get());
  const auto got = out.host();
  for (int n = 1; n <= 50; ++n) {
    int count = 0;
    for (int v = n; v != 1; ++count) v = v % 2 == 0 ? v / 2 : 3 * v + 1;
    EXPECT_EQ(got[n - 1], count) << n;
  }
}

__device__ __noinline__ float polynomial(float x, float a, float b) {
  return x * x * a + b;
}
__global__ void calls(const float* x, float* y) {
  const float first = polynomial(x[threadIdx.x], 2.0F, 1.0F);
  y[threadIdx.x] = polynomial(first, 3.0F, -1.0F);
}
TEST(Control, DeviceFunctionsAreCalled) {
  std::vector<float> x(32);
  for (int n = 0; n < 32; ++n) x[n] = static_cast<float>(n) * 0.25F;
  const DeviceArray<float> in(x);
  const DeviceArray<float> out(32);
  calls<<<1, 32>>>(in.get(), out.get());
  const auto got = out.host();
  for (int n = 0; n < 32; ++n) {
    const float first = std::fma(x[n] * x[n], 2.0F, 1.0F);
    EXPECT_EQ(got[n], std::fma(first * first, 3.0F, -1.0F));
  }
}

__global__ void switches(const int* which, int* out) {
  int value = 0;
  switch (which[threadIdx.x]) {
    case 0:
      value = 11;
      break;
    case 1:
      value = 22 + which[0];
      break;
    case 2:
      value = 33 * which[1];
      break;
    case 3:
      value = 44 - which[2];
      break;
    case 4:
      value = which[3] ^ 55;
      break;
    case 5:
      value = which[4] << 6;
      break;
    case 6:
      value = which[5] / 3;
      break;
    case 7:
      value = which[6] % 5;
      break;
    default:
      value = -1;
  }
  out[threadIdx.x] = value;
}
TEST(Control, SwitchesBranch) {
  std::vector<int> which;
  for (int n = 0; n < 32; ++n) which.push_back(n % 10);
  const DeviceArray<int> in(which);
  const DeviceArray<int> out(32);
  switches<<<1, 32>>>(in.get(), out.get());
  const auto got = out.host();
  const int want[] = {11, 22, 33, 42, 3 ^ 55, 256, 5 / 3, 1, -1, -1};
  for (int n = 0; n < 32; ++n) EXPECT_EQ(got[n], want[n % 10]) << n;
}

__global__ void branches_by_table(int* out) {
  int value = 0;
  const int index = static_cast<int>(threadIdx.x) % 3;
  asm volatile(
      "{ targets: .branchtargets L_zero, L_one, L_two;\n"
      "  brx.idx %1, targets;\n"
      "  L_zero: mov.s32 %0, 10; bra L_end;\n"
      "  L_one: mov.s32 %0, 20; bra L_end;\n"
      "  L_two: mov.s32 %0, 30;\n"
      "  L_end: }"
      : "=r"(value)
      : "r"(index));
  out[threadIdx.x] = value;
}
TEST(Control, BranchesByTable) {
  const DeviceArray<int> out(40);
  branches_by_table<<<1, 40>>>(out.get());
  const auto got = out.host();
  for (int n = 0; n < 40; ++n) EXPECT_EQ(got[n], 10 * (n % 3 + 1)) << n;
}

__global__ void local_arrays(const int* in, int* out) {
  int stack[16];
  for (int n = 0; n < 16; ++n) stack[n] = in[n] + static_cast<int>(threadIdx.x);
  out[threadIdx.x] = stack[in[threadIdx.x] & 15];
}
TEST(Control, LocalMemoryIsPerThread) {
  std::vector<int> in(32);
  for (int n = 0; n < 32; ++n) in[n] = n * 5;
  const DeviceArray<int> device(in);
  const DeviceArray<int> out(32);
  local_arrays<<<1, 32>>>(device.get(), out.get());
  const auto got = out.host();
  for (int n = 0; n < 32; ++n) EXPECT_EQ(got[n], in[in[n] & 15] + n);
}

__constant__ float k_table[4] = {1.5F, 2.5F, 3.5F, 4.5F};
__device__ int k_counter = 7;
__global__ void uses_symbols(float* out) {
  out[threadIdx.x] = k_table[threadIdx.x & 3] + static_cast<float>(k_counter);
}
TEST(Control, ConstantAndDeviceVariables) {
  const DeviceArray<float> out(8);
  uses_symbols<<<1, 8>>>(out.get());
  EXPECT_EQ(out.host()[2], 10.5F);
  EXPECT_EQ(out.host()[5], 9.5F);
}

__global__ void generic_pointers(int* out, const int* in) {
  __shared__ int buffer[32];
  int* p = in[threadIdx.x] > 3 ? &buffer[threadIdx.x] : &out[threadIdx.x];
  *p = 100 + static_cast<int>(threadIdx.x);
  __syncthreads();
  if (in[threadIdx.x] > 3) out[threadIdx.x] = buffer[threadIdx.x] * 2;
}
TEST(Control, GenericPointersReachSharedAndGlobal) {
  std::vector<int> in(32);
  for (int n = 0; n < 32; ++n) in[n] = n % 7;
  const DeviceArray<int> device(in);
  const DeviceArray<int> out(32);
  generic_pointers<<<1, 32>>>(out.get(), device.get());
  const auto got = out.host();
  for (int n = 0; n < 32; ++n) EXPECT_EQ(got[n], (100 + n) * (in[n] > 3 ? 2 : 1));
}

}  // namespace
