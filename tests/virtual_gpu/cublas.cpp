// cuBLAS: the calls that dense layers use, in float (and half or bfloat16 storage), with sums in
// float.

#include "cublas.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "api.h"
#include "interpreter.h"
#include "leaks.h"
#include "matrix_product.h"
#include "memory.h"

using namespace vgpu;

namespace {

struct Handle {
  cudaStream_t stream = nullptr;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
  cublasPointerMode_t pointers = CUBLAS_POINTER_MODE_HOST;
};
Handle& handle_from(cublasHandle_t handle) {
  return *reinterpret_cast<Handle*>(handle);
}

std::atomic<int>& handle_count() {
  static std::atomic<int> count{0};
  return count;
}

Scalar scalar_from(const Handle& handle, const void* pointer) {
  if (handle.pointers == CUBLAS_POINTER_MODE_DEVICE) return {0, pointer};
  return {*static_cast<const float*>(pointer), nullptr};
}

struct Gemm {
  std::int64_t m, n, k;
  Scalar alpha, beta;
  DeviceMatrix a, b;
  void* c;
  Number c_type;
  std::int64_t ldc;
};

void run(const std::string& who, const Gemm& g) {
  const float alpha = g.alpha.get();
  const float beta = g.beta.get();
  std::vector<float> product;
  if (alpha != 0 && g.k > 0) product = device_product(who, g.m, g.n, g.k, g.a, g.b);
  device_update(
      who, g.c, g.c_type, g.m, g.n, g.ldc, beta != 0,
      [&](std::int64_t row, std::int64_t column, float old) {
        const float sum =
            product.empty() ? 0.0F : alpha * product[static_cast<std::size_t>(row + column * g.m)];
        return beta == 0 ? sum : sum + beta * old;
      });
}

bool bad_sizes(const Gemm& g) {
  const std::int64_t a_rows = g.a.transposed ? g.k : g.m;
  const std::int64_t b_rows = g.b.transposed ? g.n : g.k;
  return g.m < 0 || g.n < 0 || g.k < 0 || g.a.ld < std::max<std::int64_t>(1, a_rows) ||
         g.b.ld < std::max<std::int64_t>(1, b_rows) || g.ldc < std::max<std::int64_t>(1, g.m);
}

cublasStatus_t gemm(const char* name, Handle& handle, const Gemm& g) {
  if (bad_sizes(g)) return CUBLAS_STATUS_INVALID_VALUE;
  if (g.m == 0 || g.n == 0) return CUBLAS_STATUS_SUCCESS;
  return enqueue_blas(handle.stream, [g, who = std::string(name)] { run(who, g); });
}

}  // namespace

namespace vgpu {

std::size_t live_library_handles() {
  return static_cast<std::size_t>(std::max(0, handle_count().load()));
}
void count_handle(int change) {
  handle_count() += change;
}

float Scalar::get() const {
  if (device == nullptr) return value;
  return *static_cast<const float*>(device_read("cuBLAS scalar", device, sizeof(float)));
}

bool number_from(cudaDataType_t type, Number& number) {
  switch (type) {
    case CUDA_R_32F:
      number = Number::f32;
      return true;
    case CUDA_R_16F:
      number = Number::f16;
      return true;
    case CUDA_R_16BF:
      number = Number::bf16;
      return true;
    default:
      return false;
  }
}

std::function<float(std::int64_t, std::int64_t)> device_elements(const std::string& who,
                                                                 const DeviceMatrix& matrix,
                                                                 std::int64_t rows,
                                                                 std::int64_t columns) {
  const std::int64_t stored_rows = matrix.transposed ? columns : rows;
  const std::int64_t stored_columns = matrix.transposed ? rows : columns;
  const std::size_t element = bytes_of(matrix.type);
  const auto* bytes = static_cast<const std::byte*>(matrix.data);
  const void* first = nullptr;
  for (std::int64_t column = 0; column < stored_columns; ++column) {
    const void* data =
        device_read(who, bytes + static_cast<std::size_t>(column * matrix.ld) * element,
                    static_cast<std::size_t>(stored_rows) * element);
    if (column == 0) first = data;
  }
  return [=, type = matrix.type, ld = matrix.ld, transposed = matrix.transposed](
             std::int64_t row, std::int64_t column) {
    return load_number(type, first, transposed ? column + row * ld : row + column * ld);
  };
}

std::vector<float> device_product(const std::string& who, std::int64_t m, std::int64_t n,
                                  std::int64_t k, const DeviceMatrix& a, const DeviceMatrix& b) {
  const auto element_a = device_elements(who, a, m, k);
  const auto element_b = device_elements(who, b, k, n);
  // Column-major C is row-major Cᵀ = op(B)ᵀ · op(A)ᵀ.
  const PackedMatrix packed(
      k, m, [&](std::int64_t row, std::int64_t column) { return element_a(column, row); });
  std::vector<float> rows(static_cast<std::size_t>(n * k));
  in_parallel(n, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t j = first; j < last; ++j)
      for (std::int64_t i = 0; i < k; ++i)
        rows[static_cast<std::size_t>(j * k + i)] = element_b(i, j);
  });
  std::vector<float> c(static_cast<std::size_t>(m * n));
  matrix_product(n, rows.data(), k, packed, c.data(), m);
  return c;
}

void device_update(const std::string& who, void* c, Number type, std::int64_t m, std::int64_t n,
                   std::int64_t ld, bool reads,
                   const std::function<float(std::int64_t, std::int64_t, float)>& combine) {
  const std::size_t element = bytes_of(type);
  for (std::int64_t column = 0; column < n; ++column) {
    auto* at = static_cast<std::byte*>(c) + static_cast<std::size_t>(column * ld) * element;
    const std::size_t bytes = static_cast<std::size_t>(m) * element;
    if (reads) device_read(who, at, bytes);
    void* data = device_write(who, at, bytes);
    for (std::int64_t row = 0; row < m; ++row)
      store_number(type, data, row, combine(row, column, reads ? load_number(type, data, row) : 0));
  }
}

cublasStatus_t enqueue_blas(cudaStream_t handle, std::function<void()> work) {
  const cudaError_t error = guarded(nullptr, [&]() -> cudaError_t {
    Stream* stream = stream_from(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    Scheduler::instance().enqueue(*stream, [work = std::move(work)] {
      try {
        work();
      } catch (const LaunchFailure& failure) {
        return failure.code;
      }
      return 0;
    });
    return cudaSuccess;
  });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace vgpu

#define VGPU_BLAS_FAULT(name)                                      \
  if (const int fault = Faults::instance().next(name); fault != 0) \
  return static_cast<cublasStatus_t>(fault)

VGPU_EXPORT cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  VGPU_BLAS_FAULT("cublasCreate_v2");
  *handle = reinterpret_cast<cublasHandle_t>(new Handle);
  count_handle(1);
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete &handle_from(handle);
  count_handle(-1);
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  VGPU_BLAS_FAULT("cublasSetStream_v2");
  handle_from(handle).stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  *stream = handle_from(handle).stream;
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void* workspace,
                                                 std::size_t bytes) {
  VGPU_BLAS_FAULT("cublasSetWorkspace_v2");
  const auto address = reinterpret_cast<std::uint64_t>(workspace);
  if (workspace == nullptr && bytes == 0) return CUBLAS_STATUS_SUCCESS;
  if (address % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  return DeviceMemory::instance().is_live(address, bytes) ? CUBLAS_STATUS_SUCCESS
                                                          : CUBLAS_STATUS_INVALID_VALUE;
}
VGPU_EXPORT cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  VGPU_BLAS_FAULT("cublasSetMathMode");
  handle_from(handle).math = mode;
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  *mode = handle_from(handle).math;
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle,
                                                   cublasPointerMode_t mode) {
  handle_from(handle).pointers = mode;
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle,
                                                   cublasPointerMode_t* mode) {
  *mode = handle_from(handle).pointers;
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasSetAtomicsMode(cublasHandle_t, cublasAtomicsMode_t) {
  return CUBLAS_STATUS_SUCCESS;
}

VGPU_EXPORT cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t ta,
                                          cublasOperation_t tb, int m, int n, int k,
                                          const float* alpha, const float* a, int lda,
                                          const float* b, int ldb, const float* beta, float* c,
                                          int ldc) {
  VGPU_BLAS_FAULT("cublasSgemm_v2");
  Handle& h = handle_from(handle);
  return gemm("cublasSgemm", h,
              {m,
               n,
               k,
               scalar_from(h, alpha),
               scalar_from(h, beta),
               {a, Number::f32, lda, ta != CUBLAS_OP_N},
               {b, Number::f32, ldb, tb != CUBLAS_OP_N},
               c,
               Number::f32,
               ldc});
}

VGPU_EXPORT cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t ta,
                                        cublasOperation_t tb, int m, int n, int k,
                                        const void* alpha, const void* a, cudaDataType a_type,
                                        int lda, const void* b, cudaDataType b_type, int ldb,
                                        const void* beta, void* c, cudaDataType c_type, int ldc,
                                        cublasComputeType_t compute, cublasGemmAlgo_t) {
  VGPU_BLAS_FAULT("cublasGemmEx");
  Handle& h = handle_from(handle);
  Number na, nb, nc;
  const bool float_sums = compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_PEDANTIC ||
                          compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  if (!number_from(a_type, na) || !number_from(b_type, nb) || !number_from(c_type, nc) ||
      !float_sums)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  return gemm("cublasGemmEx", h,
              {m,
               n,
               k,
               scalar_from(h, alpha),
               scalar_from(h, beta),
               {a, na, lda, ta != CUBLAS_OP_N},
               {b, nb, ldb, tb != CUBLAS_OP_N},
               c,
               nc,
               ldc});
}

// y ← alpha · op(A) · x + beta · y
VGPU_EXPORT cublasStatus_t cublasSgemv_v2(cublasHandle_t handle, cublasOperation_t ta, int m, int n,
                                          const float* alpha, const float* a, int lda,
                                          const float* x, int incx, const float* beta, float* y,
                                          int incy) {
  VGPU_BLAS_FAULT("cublasSgemv_v2");
  if (m < 0 || n < 0 || lda < std::max(1, m) || incx <= 0 || incy <= 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  Handle& h = handle_from(handle);
  const bool transposed = ta != CUBLAS_OP_N;
  const int rows = transposed ? n : m;
  const int columns = transposed ? m : n;
  if (rows == 0) return CUBLAS_STATUS_SUCCESS;
  const Scalar alpha_value = scalar_from(h, alpha);
  const Scalar beta_value = scalar_from(h, beta);
  return enqueue_blas(h.stream, [=] {
    const auto element =
        device_elements("cublasSgemv", {a, Number::f32, lda, transposed}, rows, columns);
    // x and y as rows of matrices: element i is column i.
    const auto vector = device_elements("cublasSgemv", {x, Number::f32, incx, false}, 1, columns);
    const float scale = alpha_value.get();
    const float keep = beta_value.get();
    device_update("cublasSgemv", y, Number::f32, 1, rows, incy, keep != 0,
                  [&](std::int64_t, std::int64_t row, float old) {
                    float sum = 0;
                    for (int n_ = 0; n_ < columns; ++n_) sum += element(row, n_) * vector(0, n_);
                    return keep == 0 ? scale * sum : scale * sum + keep * old;
                  });
  });
}
