#pragma once
// C = A · B in float, all row-major: what cuBLAS's and cuDNN's stand-ins compute with. Blocked for
// the registers of AVX2 and run on VGPU_THREADS threads; sums run over k in order, so that the
// result does not depend on the number of threads.

#include <cstdint>
#include <functional>
#include <vector>

namespace vgpu {

// B's columns in panels of 16, each k × 16 contiguous, zero-padded.
class PackedMatrix {
 public:
  // element(row, column) of the k × n matrix
  PackedMatrix(std::int64_t k, std::int64_t n,
               const std::function<float(std::int64_t, std::int64_t)>& element);
  std::int64_t rows() const { return k_; }
  std::int64_t columns() const { return n_; }
  const float* panel(std::int64_t number) const { return values_.data() + number * k_ * 16; }

 private:
  std::int64_t k_, n_;
  std::vector<float> values_;
};

// m rows of A, `lda` apart, into m rows of C, `ldc` apart. On the calling thread.
void multiply_rows(std::int64_t m, const float* a, std::int64_t lda, const PackedMatrix& b,
                   float* c, std::int64_t ldc);
// The same on all threads.
void matrix_product(std::int64_t m, const float* a, std::int64_t lda, const PackedMatrix& b,
                    float* c, std::int64_t ldc);

// body(first, last) over parts of 0 … count-1, on VGPU_THREADS threads.
void in_parallel(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body);

}  // namespace vgpu
