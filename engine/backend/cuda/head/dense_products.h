#pragma once
// The three matrix products of a Dense layer, all row-major, in fp32, by cuBLASLt:
//   forward          outputs [rows × units]   = inputs · kernel (+ bias)
//   kernel_gradient  gradient [inputs × units] = inputsᵀ · delta
//   input_gradient   gradient [rows × inputs]  = delta · kernelᵀ
//
// cuBLASLt is column-major. A row-major R × C matrix has the bytes of the column-major C × R matrix.
// A row-major X·Y is therefore requested as Yᵀ·Xᵀ: the factors change places and no byte is moved.
// Only dense_products.cpp knows of it.
//
// Arithmetic: products and sums in fp32, never TF32. The bytes of a result depend on the shape, the
// library and the GPU only: an algorithm is chosen once for a shape, the parts of a split sum are
// reduced in a separate step, and the workspace is always the same memory.
//
// Epilogues of cuBLASLt: BIAS serves forward of the last layer, where it saves a launch and 8 bytes
// for a logit. A hidden layer has none: dropout reads and writes every output anyway, and adds bias
// and ReLU (relu_dropout.h). Only with dropout 0 would RELU_AUX and DRELU save passes, 80 KB of a
// step that moves 60 MB (16 rows, 8192 inputs, 256 units). BGRAD would save 16 KB there, but the
// order of its sums is the library's; column_sums.h has the CPU's.

#include <cublasLt.h>

#include <cstddef>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/runtime/errors.h"
#include "engine/backend/cuda/runtime/resources.h"

namespace graft::cuda {

// The library's handle and its workspace. Outlives the products made with it; they run in one
// stream, since they share the workspace.
class CublasLt {
 public:
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20U;

  CublasLt();
  cublasLtHandle_t get() const { return handle_.get(); }
  void* workspace() const { return workspace_.data(); }

 private:
  Owner<cublasLtHandle_t, cublasLtDestroy> handle_;
  DeviceBuffer workspace_;
};

// One product of one shape, ready to run. Its arrays begin on 256-byte boundaries.
class MatrixProduct {
 public:
  void run(const float* left, const float* right, float* out, const Stream& stream) const;

  // bias: units floats on the device, or null for none. run(inputs, kernel, outputs)
  static MatrixProduct forward(const CublasLt& library, std::size_t rows, DenseShape layer,
                               const float* bias) {
    return {library, {rows, layer.inputs}, {layer.inputs, layer.outputs}, bias};
  }
  // run(inputs, delta, gradient)
  static MatrixProduct kernel_gradient(const CublasLt& library, std::size_t rows,
                                       DenseShape layer) {
    return {library, {rows, layer.inputs, true}, {rows, layer.outputs}, nullptr};
  }
  // run(delta, kernel, gradient)
  static MatrixProduct input_gradient(const CublasLt& library, std::size_t rows, DenseShape layer) {
    return {library, {rows, layer.outputs}, {layer.inputs, layer.outputs, true}, nullptr};
  }

 private:
  using Description = Owner<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
  using Layout = Owner<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
  // A row-major matrix in memory, and whether the product takes it transposed.
  struct Factor {
    std::size_t rows = 0, columns = 0;
    bool transposed = false;
  };

  MatrixProduct(const CublasLt& library, Factor left, Factor right, const float* bias);
  static Layout layout(std::size_t rows, std::size_t columns);
  bool choose_algorithm(cublasComputeType_t arithmetic, Factor left, Factor right,
                        const float* bias);

  const CublasLt* library_;
  Description description_;
  Layout left_, right_, out_;
  cublasLtMatmulAlgo_t algorithm_{};
};

}  // namespace graft::cuda
