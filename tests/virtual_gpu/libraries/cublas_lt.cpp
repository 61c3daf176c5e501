// cuBLASLt's matmul, plain or with a bias, of float, half or bfloat16 matrices. Sums are in float.

#include <cublasLt.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <vector>

#include "libraries/device_numbers.h"
#include "libraries/matrix_product.h"
#include "report/leaks.h"
#include "report/report.h"
#include "runtime/api.h"

using namespace vgpu;

namespace {

constexpr const char* kWho = "cublasLtMatmul";

std::atomic<std::size_t> g_handles{0};  // handles and descriptors, for the leak check

// A descriptor is its attributes, as they were set.
struct Attributes {
  std::map<int, std::vector<std::byte>> values;

  template <class T>
  T get(int name, T otherwise) const {
    const auto found = values.find(name);
    if (found == values.end()) return otherwise;
    T value = otherwise;
    std::memcpy(&value, found->second.data(), std::min(sizeof value, found->second.size()));
    return value;
  }
  void set(int name, const void* data, std::size_t bytes) {
    const auto* first = static_cast<const std::byte*>(data);
    values[name].assign(first, first + bytes);
  }
};

template <class Handle>
Attributes& attributes_of(Handle handle) {
  return *reinterpret_cast<Attributes*>(
      const_cast<std::remove_const_t<std::remove_pointer_t<Handle>>*>(handle));
}

template <class Handle>
cublasStatus_t create(Handle* handle, Attributes initial) {
  *handle = reinterpret_cast<Handle>(new Attributes(std::move(initial)));
  ++g_handles;
  return CUBLAS_STATUS_SUCCESS;
}
template <class Handle>
cublasStatus_t destroy(Handle handle) {
  if (handle == nullptr) return CUBLAS_STATUS_SUCCESS;
  delete &attributes_of(handle);
  --g_handles;
  return CUBLAS_STATUS_SUCCESS;
}

bool number_from(cudaDataType_t type, Number& number) {
  if (type != CUDA_R_32F && type != CUDA_R_16F && type != CUDA_R_16BF) return false;
  number = type == CUDA_R_32F ? Number::f32 : type == CUDA_R_16F ? Number::f16 : Number::bf16;
  return true;
}

// A column-major matrix in device memory.
struct Matrix {
  void* data = nullptr;
  Number type = Number::f32;
  std::int64_t rows = 0, columns = 0, ld = 0;
  bool is_known = false;

  Matrix() = default;
  Matrix(const void* pointer, const Attributes& a) : data(const_cast<void*>(pointer)) {
    is_known = number_from(a.get(CUBLASLT_MATRIX_LAYOUT_TYPE, CUDA_R_32F), type) &&
               a.get(CUBLASLT_MATRIX_LAYOUT_ORDER, CUBLASLT_ORDER_COL) == CUBLASLT_ORDER_COL &&
               a.get<std::int32_t>(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 1) == 1;
    rows = a.get<std::int64_t>(CUBLASLT_MATRIX_LAYOUT_ROWS, 0);
    columns = a.get<std::int64_t>(CUBLASLT_MATRIX_LAYOUT_COLS, 0);
    ld = a.get<std::int64_t>(CUBLASLT_MATRIX_LAYOUT_LD, 0);
  }
  std::size_t column_bytes() const { return static_cast<std::size_t>(rows) * bytes_of(type); }
  std::byte* column(std::int64_t n) const {
    return static_cast<std::byte*>(data) + static_cast<std::size_t>(n * ld) * bytes_of(type);
  }
};

// An operand as it is used: transposed or not.
struct Operand {
  Matrix matrix;
  bool is_transposed = false;
  std::int64_t rows() const { return is_transposed ? matrix.columns : matrix.rows; }
  std::int64_t columns() const { return is_transposed ? matrix.rows : matrix.columns; }
};

using Elements = std::function<float(std::int64_t row, std::int64_t column)>;

// Checks that all of the matrix is in memory and written.
Elements elements(const Operand& operand) {
  const Matrix& m = operand.matrix;
  for (std::int64_t n = 0; n < m.columns; ++n) device_read(kWho, m.column(n), m.column_bytes());
  const void* first = device_read(kWho, m.data, m.columns == 0 ? 0 : m.column_bytes());
  return [first, type = m.type, ld = m.ld, transposed = operand.is_transposed](
             std::int64_t row, std::int64_t column) {
    return load_number(type, first, transposed ? column + row * ld : row + column * ld);
  };
}

// op(A) · op(B) as a column-major matrix of floats without gaps.
std::vector<float> product(const Operand& a, const Operand& b) {
  const std::int64_t m = a.rows(), n = b.columns(), k = a.columns();
  const Elements element_a = elements(a);
  const Elements element_b = elements(b);
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

struct Matmul {
  Operand a, b;
  Matrix c, d;
  float alpha, beta;
  const void* bias;  // per row of D; nullptr without one
  Number bias_type;
};

void run(const Matmul& g) {
  const std::vector<float> sums = product(g.a, g.b);
  Elements old;
  if (g.beta != 0) old = elements({g.c, false});
  const void* bias = nullptr;
  if (g.bias != nullptr)
    bias = device_read(kWho, g.bias, static_cast<std::size_t>(g.d.rows) * bytes_of(g.bias_type));
  for (std::int64_t column = 0; column < g.d.columns; ++column) {
    void* out = device_write(kWho, g.d.column(column), g.d.column_bytes());
    for (std::int64_t row = 0; row < g.d.rows; ++row) {
      float value = g.alpha * sums[static_cast<std::size_t>(row + column * g.d.rows)];
      if (g.beta != 0) value += g.beta * old(row, column);
      if (bias != nullptr) value += load_number(g.bias_type, bias, row);
      store_number(g.d.type, out, row, value);
    }
  }
}

std::string text_of(const Matmul& g) {
  std::string text = g.bias == nullptr ? "" : "bias ";
  for (const auto& [m, transposed] : {g.a, g.b, Operand{g.d, false}})
    text += std::to_string(m.rows) + (transposed ? " T " : " N ") + std::to_string(m.columns) +
            " " + std::to_string(m.ld) + " " + std::to_string(static_cast<int>(m.type)) + ",";
  return text;
}

bool has_bad_sizes(const Matmul& g) {
  const auto is_too_tight = [](const Matrix& m) { return m.ld < m.rows; };
  return g.a.rows() != g.d.rows || g.b.rows() != g.a.columns() || g.b.columns() != g.d.columns ||
         is_too_tight(g.a.matrix) || is_too_tight(g.b.matrix) || is_too_tight(g.d);
}

}  // namespace

std::size_t vgpu::live_cublas_handles() {
  return g_handles;
}

#define VGPU_LT_CALL(name) VGPU_LIBRARY_CALL(name, cublasStatus_t)

VGPU_EXPORT cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  VGPU_LT_CALL("cublasLtCreate");
  return create(handle, {});
}
VGPU_EXPORT cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return destroy(handle);
}

VGPU_EXPORT cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d,
                                                    cublasComputeType_t compute,
                                                    cudaDataType_t scale) {
  VGPU_LT_CALL("cublasLtMatmulDescCreate");
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  Attributes a;
  a.set(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &compute, sizeof compute);
  a.set(CUBLASLT_MATMUL_DESC_SCALE_TYPE, &scale, sizeof scale);
  return create(d, std::move(a));
}
VGPU_EXPORT cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
  return destroy(d);
}
VGPU_EXPORT cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
                                                          cublasLtMatmulDescAttributes_t name,
                                                          const void* data, std::size_t bytes) {
  VGPU_LT_CALL("cublasLtMatmulDescSetAttribute");
  attributes_of(d).set(name, data, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType type,
                                                      std::uint64_t rows, std::uint64_t columns,
                                                      std::int64_t ld) {
  VGPU_LT_CALL("cublasLtMatrixLayoutCreate");
  Attributes a;
  a.set(CUBLASLT_MATRIX_LAYOUT_TYPE, &type, sizeof type);
  a.set(CUBLASLT_MATRIX_LAYOUT_ROWS, &rows, sizeof rows);
  a.set(CUBLASLT_MATRIX_LAYOUT_COLS, &columns, sizeof columns);
  a.set(CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof ld);
  return create(l, std::move(a));
}
VGPU_EXPORT cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
  return destroy(l);
}
VGPU_EXPORT cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* p) {
  VGPU_LT_CALL("cublasLtMatmulPreferenceCreate");
  return create(p, {});
}
VGPU_EXPORT cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
  return destroy(p);
}
VGPU_EXPORT cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t name, const void* data,
    std::size_t bytes) {
  VGPU_LT_CALL("cublasLtMatmulPreferenceSetAttribute");
  attributes_of(p).set(name, data, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

VGPU_EXPORT cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
    cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int wanted,
    cublasLtMatmulHeuristicResult_t results[], int* count) {
  VGPU_LT_CALL("cublasLtMatmulAlgoGetHeuristic");
  *count = std::min(wanted, 1);
  if (wanted > 0) {
    results[0] = {};
    results[0].state = CUBLAS_STATUS_SUCCESS;
    results[0].wavesCount = 1;
  }
  return CUBLAS_STATUS_SUCCESS;
}

VGPU_EXPORT cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description,
                                          const void* alpha, const void* a,
                                          cublasLtMatrixLayout_t la, const void* b,
                                          cublasLtMatrixLayout_t lb, const void* beta,
                                          const void* c, cublasLtMatrixLayout_t lc, void* d,
                                          cublasLtMatrixLayout_t ld, const cublasLtMatmulAlgo_t*,
                                          void*, std::size_t, cudaStream_t stream) {
  VGPU_LT_CALL(kWho);
  const Attributes& desc = attributes_of(description);
  const auto is_transposed = [&](int name) { return desc.get(name, CUBLAS_OP_N) != CUBLAS_OP_N; };
  Matmul g{};
  g.a = {{a, attributes_of(la)}, is_transposed(CUBLASLT_MATMUL_DESC_TRANSA)};
  g.b = {{b, attributes_of(lb)}, is_transposed(CUBLASLT_MATMUL_DESC_TRANSB)};
  g.c = {c, attributes_of(lc)};
  g.d = {d, attributes_of(ld)};
  const int epilogue = desc.get<int>(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT);
  const bool has_bias = epilogue == CUBLASLT_EPILOGUE_BIAS;
  const bool is_on_host = desc.get(CUBLASLT_MATMUL_DESC_POINTER_MODE, CUBLASLT_POINTER_MODE_HOST) ==
                          CUBLASLT_POINTER_MODE_HOST;
  if (!g.a.matrix.is_known || !g.b.matrix.is_known || !g.c.is_known || !g.d.is_known ||
      !is_on_host || (!has_bias && epilogue != CUBLASLT_EPILOGUE_DEFAULT)) {
    Report::instance().error("cublasLt", "", 0,
                             "cublasLtMatmul: a layout, the pointer mode or the epilogue " +
                                 std::to_string(epilogue) + " is not known to this virtual GPU");
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (has_bad_sizes(g)) return CUBLAS_STATUS_INVALID_VALUE;
  g.alpha = *static_cast<const float*>(alpha);
  g.beta = *static_cast<const float*>(beta);
  if (has_bias) g.bias = desc.get<void*>(CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr);
  g.bias_type = g.d.type;
  if (const auto type = desc.get<std::int32_t>(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, -1); type >= 0)
    number_from(static_cast<cudaDataType_t>(type), g.bias_type);
  return enqueue_in(stream, kWho, text_of(g), [g] { run(g); }) ? CUBLAS_STATUS_SUCCESS
                                                               : CUBLAS_STATUS_EXECUTION_FAILED;
}
