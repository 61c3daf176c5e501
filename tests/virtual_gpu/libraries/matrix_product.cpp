#include "libraries/matrix_product.h"

#include <immintrin.h>

#include <algorithm>
#include <thread>

#include "report/environment.h"

namespace vgpu {
namespace {

constexpr std::int64_t kPanel = 16;
constexpr int kRows = 6;  // 6 × 16 sums fill twelve of AVX2's sixteen registers

template <int rows>
void tile(std::int64_t k, const float* a, std::int64_t lda, const float* panel, float* out) {
  __m256 sum[rows][2];
  for (auto& row : sum) row[0] = row[1] = _mm256_setzero_ps();
  for (std::int64_t n = 0; n < k; ++n, panel += kPanel) {
    const __m256 low = _mm256_loadu_ps(panel);
    const __m256 high = _mm256_loadu_ps(panel + 8);
    for (int r = 0; r < rows; ++r) {
      const __m256 value = _mm256_broadcast_ss(a + r * lda + n);
      sum[r][0] = _mm256_fmadd_ps(value, low, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(value, high, sum[r][1]);
    }
  }
  for (int r = 0; r < rows; ++r) {
    _mm256_storeu_ps(out + r * kPanel, sum[r][0]);
    _mm256_storeu_ps(out + r * kPanel + 8, sum[r][1]);
  }
}

void tile_of(std::int64_t rows, std::int64_t k, const float* a, std::int64_t lda,
             const float* panel, float* out) {
  switch (rows) {
    case 1:
      return tile<1>(k, a, lda, panel, out);
    case 2:
      return tile<2>(k, a, lda, panel, out);
    case 3:
      return tile<3>(k, a, lda, panel, out);
    case 4:
      return tile<4>(k, a, lda, panel, out);
    case 5:
      return tile<5>(k, a, lda, panel, out);
    default:
      return tile<6>(k, a, lda, panel, out);
  }
}

}  // namespace

PackedMatrix::PackedMatrix(std::int64_t k, std::int64_t n,
                           const std::function<float(std::int64_t, std::int64_t)>& element)
    : k_(k), n_(n) {
  const std::int64_t panels = (n + kPanel - 1) / kPanel;
  values_.resize(static_cast<std::size_t>(panels * k * kPanel));
  in_parallel(panels, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t p = first; p < last; ++p)
      for (std::int64_t row = 0; row < k; ++row)
        for (std::int64_t column = p * kPanel; column < std::min((p + 1) * kPanel, n); ++column)
          values_[static_cast<std::size_t>((p * k + row) * kPanel + column % kPanel)] =
              element(row, column);
  });
}

void multiply_rows(std::int64_t m, const float* a, std::int64_t lda, const PackedMatrix& b,
                   float* c, std::int64_t ldc) {
  const std::int64_t n = b.columns();
  float out[kRows * kPanel];
  for (std::int64_t column = 0; column < n; column += kPanel)
    for (std::int64_t row = 0; row < m; row += kRows) {
      const std::int64_t rows = std::min<std::int64_t>(kRows, m - row);
      tile_of(rows, b.rows(), a + row * lda, lda, b.panel(column / kPanel), out);
      for (std::int64_t r = 0; r < rows; ++r)
        std::copy_n(out + r * kPanel, std::min(kPanel, n - column), c + (row + r) * ldc + column);
    }
}

void matrix_product(std::int64_t m, const float* a, std::int64_t lda, const PackedMatrix& b,
                    float* c, std::int64_t ldc) {
  in_parallel(m, [&](std::int64_t first, std::int64_t last) {
    multiply_rows(last - first, a + first * lda, lda, b, c + first * ldc, ldc);
  });
}

void in_parallel(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body) {
  const std::int64_t threads =
      std::clamp<std::int64_t>(environment().threads, 1, std::max<std::int64_t>(count, 1));
  std::vector<std::thread> others;
  for (std::int64_t t = 1; t < threads; ++t)
    others.emplace_back([&, t] { body(count * t / threads, count * (t + 1) / threads); });
  body(0, count / threads);
  for (std::thread& t : others) t.join();
}

}  // namespace vgpu
