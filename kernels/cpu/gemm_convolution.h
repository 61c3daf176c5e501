#pragma once
// One layer as a plain matrix product, without Winograd: five times the multiplications of F(6), but
// each output is a sum of its own 9·inputs products alone (in chains of 128: gemm.h), so that NaNs
// reach as far as in the plain loop, and a digit more is right.
//
//   input ─▶ gather ─▶ A: a row for each output pixel of a strip, its 3×3 window of inputs
//                      (9·inputs) ─▶ GEMM with the kernel as it is ─▶ bias, ReLU, pool ─▶ output
//
// A strip is a part of one row of outputs (of two, with the pool) that keeps A in the second-level
// cache; threads take strips. Bytes moved for an output pixel: 36·inputs written and read as A.

#include <cstddef>

#include "kernels/cpu/convolution.h"

namespace graft::cpu {

class GemmConvolution final : public Convolution {
 public:
  // Throws std::invalid_argument for a shape that breaks the rules.
  GemmConvolution(const KernelTable& kernels, const ConvolutionShape& shape);

  std::size_t weights_size() const override;
  std::size_t scratch_size(std::size_t threads) const override;
  void pack_weights(ThreadPool& threads, const float* kernel, float* packed) const override;
  void run(ThreadPool& threads, const float* weights, const float* bias, const FeatureMaps& maps,
           float* scratch) const override;

 private:
  // Outputs (after the pool) [first, first + pixels) of a row.
  struct Strip {
    std::size_t image, row, first, pixels;
  };
  std::size_t depth() const { return 9 * shape_.inputs; }
  std::size_t padded_outputs() const;
  std::size_t lines() const { return shape_.pooled ? 2 : 1; }  // rows before the pool
  std::size_t strips() const;                                  // in a row
  void gather(const Strip& strip, const float* image, float* packed) const;
  void gather_window(std::size_t y, std::size_t x, const float* image, float* row) const;

  const KernelTable& kernels_;
  ConvolutionShape shape_;
  std::size_t strip_pixels_;  // the most
};

}  // namespace graft::cpu
