#include "bench/cpu/cpu_bench_device.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "bench/cases/timed.h"
#include "kernels/cpu/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace graft::bench {
namespace {

constexpr int runs = 20;
constexpr int short_runs = 200;  // below a millisecond: some run undisturbed by other programs
constexpr std::size_t steps = 400'000;
// Independent sums: more than latency × units of today's processors.
constexpr std::size_t sums = 14;

// More than every cache holds.
std::size_t bytes_to_copy(std::size_t threads) {
  return std::max<std::size_t>(128, 32 * threads) << 20U;
}

// The shortest of `count` runs of piece(0) … piece(threads - 1), each on a thread of its own.
double best_seconds(int count, std::size_t threads, const std::function<void(std::size_t)>& piece) {
  cpu::ThreadPool pool(threads);
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < count; ++run)
    best = std::min(best, seconds_of([&] {
                      pool.parallel_for(threads,
                                        [&](std::size_t index, std::size_t) { piece(index); });
                    }));
  return best;
}

// The factor makes the sums converge, so that none becomes denormal or infinite. They start from
// different values; otherwise the compiler would compute them once.

#if defined(__x86_64__)
__attribute__((target("avx512f"))) float multiply_adds_avx512() {
  __m512 sum[sums];
  for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 half = _mm512_set1_ps(0.5F), one = _mm512_set1_ps(1.0F);
  for (std::size_t step = 0; step < steps; ++step) {
#pragma GCC unroll 14
    for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm512_fmadd_ps(sum[i], half, one);
  }
  float all[16];
  for (std::size_t i = 1; i < sums; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  _mm512_storeu_ps(all, sum[0]);
  return all[0];
}

__attribute__((target("avx2,fma"))) float multiply_adds_avx2() {
  __m256 sum[sums];
  for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 half = _mm256_set1_ps(0.5F), one = _mm256_set1_ps(1.0F);
  for (std::size_t step = 0; step < steps; ++step) {
#pragma GCC unroll 14
    for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm256_fmadd_ps(sum[i], half, one);
  }
  float all[8];
  for (std::size_t i = 1; i < sums; ++i) sum[0] = _mm256_add_ps(sum[0], sum[i]);
  _mm256_storeu_ps(all, sum[0]);
  return all[0];
}
#endif

float multiply_adds_portable() {
  using Lanes = float __attribute__((vector_size(16)));
  Lanes sum[sums];
  for (std::size_t i = 0; i < sums; ++i) sum[i] = Lanes{} + static_cast<float>(i);
  for (std::size_t step = 0; step < steps; ++step) {
#pragma GCC unroll 14
    for (std::size_t i = 0; i < sums; ++i) sum[i] = sum[i] * 0.5F + 1.0F;
  }
  for (std::size_t i = 1; i < sums; ++i) sum[0] += sum[i];
  return sum[0][0];
}

}  // namespace

double multiply_add_peak(cpu::Isa isa, std::size_t threads) {
  auto loop = multiply_adds_portable;
#if defined(__x86_64__)
  if (isa == cpu::Isa::avx2) loop = multiply_adds_avx2;
  if (isa == cpu::Isa::avx512) loop = multiply_adds_avx512;
#endif
  const double lanes = isa == cpu::Isa::avx512 ? 16 : isa == cpu::Isa::avx2 ? 8 : 4;
  std::vector<float> results(threads);
  const double best =
      best_seconds(short_runs, threads, [&](std::size_t i) { results[i] = loop(); });
  // The results are used here, so that the compiler keeps the loops.
  return std::accumulate(results.begin(), results.end(), 0.0F) > 0
             ? 2.0 * lanes * sums * steps * static_cast<double>(threads) / best
             : 0.0;
}

double memory_read_peak(std::size_t threads) {
  const std::size_t bytes = 2 * bytes_to_copy(threads);
  const std::vector<std::uint64_t> data(bytes / sizeof(std::uint64_t), 1);
  const std::size_t share = data.size() / threads;
  std::vector<std::uint64_t> results(threads);
  const double best = best_seconds(runs, threads, [&](std::size_t i) {
    const auto first = data.begin() + static_cast<std::ptrdiff_t>(i * share);
    results[i] = std::reduce(first, first + static_cast<std::ptrdiff_t>(share));
  });
  return std::accumulate(results.begin(), results.end(), std::uint64_t{0}) > 0
             ? static_cast<double>(share * threads * sizeof(std::uint64_t)) / best
             : 0.0;
}

double memory_of_copy_peak(std::size_t threads) {
  return 2.0 * static_cast<double>(bytes_to_copy(threads));
}

double memory_copy_peak(std::size_t threads) {
  const std::size_t bytes = bytes_to_copy(threads);
  const std::vector<std::uint64_t> from(bytes / sizeof(std::uint64_t), 1);
  std::vector<std::uint64_t> to(from.size());
  const std::size_t share = from.size() / threads;
  const double best = best_seconds(runs, threads, [&](std::size_t i) {
    std::memcpy(&to[i * share], &from[i * share], share * sizeof(std::uint64_t));
  });
  // The copies are read here, so that the compiler keeps them.
  const std::size_t copied = share * threads;
  return std::accumulate(to.begin(), to.end(), std::uint64_t{0}) == copied
             ? 2.0 * static_cast<double>(copied * sizeof(std::uint64_t)) / best
             : 0.0;
}

}  // namespace graft::bench
