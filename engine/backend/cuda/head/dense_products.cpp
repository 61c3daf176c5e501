#include "engine/backend/cuda/head/dense_products.h"

#include <cstdint>

namespace graft::cuda {

namespace {

using Preference = Owner<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

template <typename Value>
void set(cublasLtMatmulDesc_t description, cublasLtMatmulDescAttributes_t name,
         const Value& value) {
  GRAFT_CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(description, name, &value, sizeof value));
}
template <typename Value>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name,
         const Value& value) {
  GRAFT_CUBLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(preference, name, &value, sizeof value));
}

Preference make_preference() {
  cublasLtMatmulPreference_t made = nullptr;
  GRAFT_CUBLAS_CHECK(cublasLtMatmulPreferenceCreate(&made));
  Preference preference(made);
  set(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, CublasLt::workspace_bytes);
  const std::uint32_t reductions =
      CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  set(made, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
  return preference;
}

}  // namespace

CublasLt::CublasLt() {
  cublasLtHandle_t handle = nullptr;
  GRAFT_CUBLAS_CHECK(cublasLtCreate(&handle));
  handle_.reset(handle);
  workspace_ = DeviceBuffer(workspace_bytes);
}

// CUBLAS_COMPUTE_32F is fp32 too, but lets an environment variable put emulation in its place: it
// is asked for only where the library has no pedantic kernel.
MatrixProduct::MatrixProduct(const CublasLt& library, Factor left, Factor right, const float* bias)
    : library_(&library),
      left_(layout(left.rows, left.columns)),
      right_(layout(right.rows, right.columns)),
      out_(layout(left.transposed ? left.columns : left.rows,
                  right.transposed ? right.rows : right.columns)) {
  if (choose_algorithm(CUBLAS_COMPUTE_32F_PEDANTIC, left, right, bias)) return;
  if (choose_algorithm(CUBLAS_COMPUTE_32F, left, right, bias)) return;
  GRAFT_CUBLAS_CHECK(CUBLAS_STATUS_NOT_SUPPORTED);
}

// Of a row-major matrix: the column-major one of the same bytes.
MatrixProduct::Layout MatrixProduct::layout(std::size_t rows, std::size_t columns) {
  cublasLtMatrixLayout_t made = nullptr;
  GRAFT_CUBLAS_CHECK(cublasLtMatrixLayoutCreate(&made, CUDA_R_32F, columns, rows,
                                                static_cast<std::int64_t>(columns)));
  return Layout(made);
}

// False where the library has none for this arithmetic. The library's first factor is our right
// one.
bool MatrixProduct::choose_algorithm(cublasComputeType_t arithmetic, Factor left, Factor right,
                                     const float* bias) {
  cublasLtMatmulDesc_t made = nullptr;
  GRAFT_CUBLAS_CHECK(cublasLtMatmulDescCreate(&made, arithmetic, CUDA_R_32F));
  description_.reset(made);
  set(made, CUBLASLT_MATMUL_DESC_TRANSA, right.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(made, CUBLASLT_MATMUL_DESC_TRANSB, left.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (bias != nullptr) {
    set(made, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(made, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const Preference preference = make_preference();
  cublasLtMatmulHeuristicResult_t best = {};
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(library_->get(), made, right_.get(), left_.get(), out_.get(),
                                     out_.get(), preference.get(), 1, &best, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
  GRAFT_CUBLAS_CHECK(status);
  if (found == 0 || best.state != CUBLAS_STATUS_SUCCESS) return false;
  algorithm_ = best.algo;
  return true;
}

void MatrixProduct::run(const float* left, const float* right, float* out,
                        const Stream& stream) const {
  const float one = 1.0F;
  const float zero = 0.0F;
  GRAFT_CUBLAS_CHECK(cublasLtMatmul(library_->get(), description_.get(), &one, right, right_.get(),
                                    left, left_.get(), &zero, out, out_.get(), out, out_.get(),
                                    &algorithm_, library_->workspace(), CublasLt::workspace_bytes,
                                    stream.get()));
}

}  // namespace graft::cuda
