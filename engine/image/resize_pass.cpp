// Plain loops over small arrays that the compiler turns into vectors. On x86 they are compiled a
// second time for AVX2, which widens bytes and multiplies 32-bit numbers in one instruction each.

#include "engine/image/resize_pass.h"

#include <algorithm>
#include <cstring>

namespace graft::image {
namespace {

constexpr std::int32_t half = 1 << (fraction_bits - 1);

// Red, green, blue, and one unused.
using Lanes = std::int32_t __attribute__((vector_size(16)));

[[gnu::always_inline]] inline std::uint8_t rounded(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255));
}

// The row is widened once, because each pixel is used several times. wide_row has one number more,
// for the unused fourth of the last pixel.
[[gnu::always_inline]] inline void rows_body(const std::uint8_t* in, std::size_t in_width,
                                             std::size_t rows, const Weights& weights,
                                             std::int32_t* wide_row, std::uint8_t* out) {
  for (std::size_t y = 0; y < rows; ++y, in += in_width * 3) {
    for (std::size_t i = 0; i < in_width * 3; ++i) wide_row[i] = in[i];
    for (std::size_t x = 0; x < weights.size(); ++x, out += 3) {
      const std::int32_t* source = wide_row + std::size_t{weights.first[x]} * 3;
      const std::int32_t* weight = weights.of(x);
      const std::uint32_t count = weights.count[x];
      Lanes sums = {half, half, half, half};
      for (std::uint32_t t = 0; t < count; ++t, source += 3) {
        Lanes pixel;
        std::memcpy(&pixel, source, sizeof pixel);
        sums += pixel * weight[t];
      }
      for (int c = 0; c < 3; ++c) out[c] = rounded(sums[c]);
    }
  }
}

// A strip of columns is summed in registers.
[[gnu::always_inline]] inline void columns_body(const std::uint8_t* in, std::size_t row_bytes,
                                                const Weights& weights, std::uint8_t* out) {
  constexpr std::size_t strip = 32;
  for (std::size_t y = 0; y < weights.size(); ++y, out += row_bytes) {
    const std::uint8_t* first = in + weights.first[y] * row_bytes;
    const std::int32_t* weight = weights.of(y);
    const std::uint32_t count = weights.count[y];
    std::size_t x = 0;
    for (; x + strip <= row_bytes; x += strip) {
      std::int32_t sums[strip];
      for (std::int32_t& sum : sums) sum = half;
      for (std::uint32_t t = 0; t < count; ++t) {
        const std::uint8_t* row = first + t * row_bytes + x;
        for (std::size_t i = 0; i < strip; ++i) sums[i] += row[i] * weight[t];
      }
      for (std::size_t i = 0; i < strip; ++i) out[x + i] = rounded(sums[i]);
    }
    for (; x < row_bytes; ++x) {
      std::int32_t sum = half;
      for (std::uint32_t t = 0; t < count; ++t) sum += first[t * row_bytes + x] * weight[t];
      out[x] = rounded(sum);
    }
  }
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void rows_avx2(const std::uint8_t* in, std::size_t in_width,
                                       std::size_t rows, const Weights& weights,
                                       std::int32_t* wide_row, std::uint8_t* out) {
  rows_body(in, in_width, rows, weights, wide_row, out);
}
[[gnu::target("avx2")]] void columns_avx2(const std::uint8_t* in, std::size_t row_bytes,
                                          const Weights& weights, std::uint8_t* out) {
  columns_body(in, row_bytes, weights, out);
}
bool has_avx2(Instructions instructions) {
  return instructions == Instructions::best && __builtin_cpu_supports("avx2") != 0;
}
#else
constexpr auto rows_avx2 = rows_body;
constexpr auto columns_avx2 = columns_body;
constexpr bool has_avx2(Instructions) {
  return false;
}
#endif

}  // namespace

void resize_rows(const std::uint8_t* in, std::size_t in_width, std::size_t rows,
                 const Weights& weights, std::uint8_t* out, Instructions instructions) {
  std::vector<std::int32_t> wide_row(in_width * 3 + 1);
  const auto pass = has_avx2(instructions) ? rows_avx2 : rows_body;
  pass(in, in_width, rows, weights, wide_row.data(), out);
}

void resize_columns(const std::uint8_t* in, std::size_t row_bytes, const Weights& weights,
                    std::uint8_t* out, Instructions instructions) {
  const auto pass = has_avx2(instructions) ? columns_avx2 : columns_body;
  pass(in, row_bytes, weights, out);
}

}  // namespace graft::image
