#include "bench/cpu/peaks.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "kernels/cpu/thread_pool.h"

namespace graft::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int runs = 20;
constexpr int short_runs = 200;  // of less than a millisecond: some must meet no other program
constexpr std::size_t steps = 400'000;
// Independent sums: more than latency × units of any processor of today.
constexpr std::size_t sums = 14;

// Past every cache.
std::size_t bytes_to_copy(std::size_t threads) {
  return std::max<std::size_t>(128, 32 * threads) << 20U;
}

double seconds(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The factor makes the sums converge, so that no value ever becomes slow to handle. They start from
// different values, or the compiler would compute them once.
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

float multiply_adds_portable() {
  __m128 sum[sums];
  for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm_set1_ps(static_cast<float>(i));
  const __m128 half = _mm_set1_ps(0.5F), one = _mm_set1_ps(1.0F);
  for (std::size_t step = 0; step < steps; ++step) {
#pragma GCC unroll 14
    for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm_add_ps(_mm_mul_ps(sum[i], half), one);
  }
  float all[4];
  for (std::size_t i = 1; i < sums; ++i) sum[0] = _mm_add_ps(sum[0], sum[i]);
  _mm_storeu_ps(all, sum[0]);
  return all[0];
}

}  // namespace

double multiply_add_peak(cpu::Isa isa, std::size_t threads) {
  const auto loop = isa == cpu::Isa::avx512 ? multiply_adds_avx512
                    : isa == cpu::Isa::avx2 ? multiply_adds_avx2
                                            : multiply_adds_portable;
  const double lanes = isa == cpu::Isa::avx512 ? 16 : isa == cpu::Isa::avx2 ? 8 : 4;
  cpu::ThreadPool pool(threads);
  std::vector<float> results(threads);
  double best = 1e9;
  for (int run = 0; run < short_runs; ++run) {
    best = std::min(best, seconds([&] {
                      pool.parallel_for(threads, [&](std::size_t piece, std::size_t) {
                        results[piece] = loop();
                      });
                    }));
  }
  // The sum is used, so that the compiler keeps the loops.
  return std::accumulate(results.begin(), results.end(), 0.0F) > 0
             ? 2.0 * lanes * sums * steps * static_cast<double>(threads) / best
             : 0.0;
}

double memory_read_peak(std::size_t threads) {
  const std::size_t bytes = std::max<std::size_t>(256, 64 * threads) << 20U;  // past every cache
  const std::vector<std::uint64_t> data(bytes / sizeof(std::uint64_t), 1);
  const std::size_t share = data.size() / threads;
  cpu::ThreadPool pool(threads);
  std::vector<std::uint64_t> results(threads);
  double best = 1e9;
  for (int run = 0; run < runs; ++run) {
    best = std::min(
        best, seconds([&] {
          pool.parallel_for(threads, [&](std::size_t piece, std::size_t) {
            const auto first = data.begin() + static_cast<std::ptrdiff_t>(piece * share);
            results[piece] = std::reduce(first, first + static_cast<std::ptrdiff_t>(share));
          });
        }));
  }
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
  cpu::ThreadPool pool(threads);
  double best = 1e9;
  for (int run = 0; run < runs; ++run) {
    best = std::min(best, seconds([&] {
                      pool.parallel_for(threads, [&](std::size_t piece, std::size_t) {
                        std::memcpy(&to[piece * share], &from[piece * share],
                                    share * sizeof(std::uint64_t));
                      });
                    }));
  }
  // What arrived is looked at, so that the compiler keeps the copies.
  const std::size_t copied = share * threads;
  return std::accumulate(to.begin(), to.end(), std::uint64_t{0}) == copied
             ? 2.0 * static_cast<double>(copied * sizeof(std::uint64_t)) / best
             : 0.0;
}

}  // namespace graft::bench
