// A warpgroup's 128 threads hold 128 sums each of its 64×256 result. Both factors are read from one
// array of ones in shared memory, so the order of their values is irrelevant.

#include <cstdint>
#include <type_traits>

#include "bench/cuda/peaks.h"
#include "bench/cuda/tensor_core_types.cuh"
#include "kernels/cuda/check.h"
#include "kernels/cuda/storage.h"

namespace graft::bench {

namespace {

constexpr unsigned sums_of_thread = 128;
constexpr unsigned depth = 16;              // products that one multiplication adds to each sum
constexpr unsigned multiplications = 4;     // of a step, in flight together
constexpr unsigned factor_words = 256 * 8;  // of the larger factor: 256 rows of 32 bytes

// PTX ISA, "Matrix Descriptor Format", without swizzling: the address, then the distances of two
// tiles of 8 rows × 16 bytes along the products and along the rows, all in units of 16 bytes.
__device__ __forceinline__ std::uint64_t descriptor_of(const void* factor) {
  constexpr std::uint64_t along_products = 128 / 16, along_rows = 256 / 16;
  const auto address = static_cast<std::uint64_t>(__cvta_generic_to_shared(factor)) / 16;
  return address | along_products << 16U | along_rows << 32U;
}

#define GRAFT_SUMS_8(n)                                                                 \
  "+f"(sum[n]), "+f"(sum[n + 1]), "+f"(sum[n + 2]), "+f"(sum[n + 3]), "+f"(sum[n + 4]), \
      "+f"(sum[n + 5]), "+f"(sum[n + 6]), "+f"(sum[n + 7])
#define GRAFT_SUMS_32(n) \
  GRAFT_SUMS_8(n), GRAFT_SUMS_8(n + 8), GRAFT_SUMS_8(n + 16), GRAFT_SUMS_8(n + 24)
// `transposes`: for half types, that neither factor is transposed.
#define GRAFT_WGMMA(shape_and_types, transposes)                                              \
  asm volatile("wgmma.mma_async.sync.aligned." shape_and_types                                \
               " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"                     \
               "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"             \
               "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"             \
               "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,"             \
               "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"             \
               "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,"             \
               "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111," \
               "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,"  \
               "%127}, %128, %128, 1, 1, 1" transposes ";"                                    \
               : GRAFT_SUMS_32(0), GRAFT_SUMS_32(32), GRAFT_SUMS_32(64), GRAFT_SUMS_32(96)    \
               : "l"(ones))

// sum += 16 in all of a 64×256 result.
template <typename T>
__device__ __forceinline__ void add_product(float (&sum)[sums_of_thread], std::uint64_t ones) {
  if constexpr (std::is_same_v<T, __half>) GRAFT_WGMMA("m64n256k16.f32.f16.f16", ", 0, 0");
  if constexpr (std::is_same_v<T, __nv_bfloat16>) GRAFT_WGMMA("m64n256k16.f32.bf16.bf16", ", 0, 0");
  if constexpr (std::is_same_v<T, float>) {
    GRAFT_WGMMA("m64n256k8.f32.tf32.tf32", "");
    GRAFT_WGMMA("m64n256k8.f32.tf32.tf32", "");
  }
}

// `one`: a word filled with ones of T.
template <typename T>
__global__ void __launch_bounds__(PeakShape::threads)
    wgmma_peak_kernel(float* out, unsigned steps, std::uint32_t one) {
  __shared__ alignas(128) std::uint32_t factor[factor_words];
  for (unsigned n = threadIdx.x; n < factor_words; n += PeakShape::threads) factor[n] = one;
  asm volatile("fence.proxy.async;" ::: "memory");  // wgmma reads by another path than stores write
  __syncthreads();
  const std::uint64_t ones = descriptor_of(factor);
  float sum[sums_of_thread] = {};
#pragma unroll 1
  for (unsigned step = 0; step < steps; ++step) {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (unsigned n = 0; n < multiplications; ++n) add_product<T>(sum, ones);
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  }
  float all = 0.0F;
#pragma unroll
  for (const float value : sum) all += value;
  out[std::size_t{blockIdx.x} * PeakShape::threads + threadIdx.x] = all;
}

template <typename T>
void launch(float* out, const PeakShape& shape, std::uint32_t one, cudaStream_t stream) {
  wgmma_peak_kernel<T><<<shape.blocks, PeakShape::threads, 0, stream>>>(out, shape.steps, one);
  GRAFT_CUDA_CHECK_LAUNCH("wgmma_peak");
}

}  // namespace

void wgmma_peak(Precision precision, float* out, const PeakShape& shape, cudaStream_t stream) {
  with_tensor_core_type(precision, "wgmma_peak", [&](auto zero, std::uint32_t one) {
    launch<decltype(zero)>(out, shape, one, stream);
  });
}

double wgmma_flop(const PeakShape& shape) {
  constexpr double flop_of_product = 2.0 * 64 * 256 * depth;
  const double warpgroups = static_cast<double>(shape.values()) / 128;
  return flop_of_product * multiplications * shape.steps * warpgroups;
}

float wgmma_value(const PeakShape& shape) {
  return static_cast<float>(sums_of_thread * depth * multiplications) *
         static_cast<float>(shape.steps);
}

}  // namespace graft::bench
