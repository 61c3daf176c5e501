// cuBLASLt's matmul with the epilogues of a dense layer's forward and backward pass.

#include <cublasLt.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "api.h"
#include "cublas.h"
#include "report.h"

using namespace vgpu;

namespace {

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
  cublasStatus_t read(int name, void* data, std::size_t bytes, std::size_t* written) const {
    const auto found = values.find(name);
    if (found == values.end() || found->second.size() > bytes) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(data, found->second.data(), found->second.size());
    if (written != nullptr) *written = found->second.size();
    return CUBLAS_STATUS_SUCCESS;
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
  count_handle(1);
  return CUBLAS_STATUS_SUCCESS;
}
template <class Handle>
cublasStatus_t destroy(Handle handle) {
  if (handle == nullptr) return CUBLAS_STATUS_SUCCESS;
  delete &attributes_of(handle);
  count_handle(-1);
  return CUBLAS_STATUS_SUCCESS;
}

struct Layout {
  Number type = Number::f32;
  std::int64_t rows = 0, columns = 0, ld = 0;
  bool known = false;
};
Layout layout_from(const Attributes& a) {
  Layout l;
  l.known = number_from(a.get(CUBLASLT_MATRIX_LAYOUT_TYPE, CUDA_R_32F), l.type) &&
            a.get(CUBLASLT_MATRIX_LAYOUT_ORDER, CUBLASLT_ORDER_COL) == CUBLASLT_ORDER_COL &&
            a.get<std::int32_t>(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 1) == 1;
  l.rows = a.get<std::int64_t>(CUBLASLT_MATRIX_LAYOUT_ROWS, 0);
  l.columns = a.get<std::int64_t>(CUBLASLT_MATRIX_LAYOUT_COLS, 0);
  l.ld = a.get<std::int64_t>(CUBLASLT_MATRIX_LAYOUT_LD, 0);
  return l;
}

struct Matmul {
  std::int64_t m, n, k;
  DeviceMatrix a, b;
  const void* c;
  void* d;
  Layout c_layout, d_layout;
  Scalar alpha, beta;
  int epilogue;
  void* bias;
  Number bias_type;
  void* aux;  // ReLU's mask: a bit per element, columns aux_ld bits apart
  std::int64_t aux_ld;
};

bool adds_bias(int e) {
  return e == CUBLASLT_EPILOGUE_BIAS || e == CUBLASLT_EPILOGUE_RELU_BIAS ||
         e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS;
}
bool has_relu(int e) {
  return e == CUBLASLT_EPILOGUE_RELU || e == CUBLASLT_EPILOGUE_RELU_BIAS ||
         e == CUBLASLT_EPILOGUE_RELU_AUX || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS;
}
bool writes_mask(int e) {
  return e == CUBLASLT_EPILOGUE_RELU_AUX || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS;
}
bool reads_mask(int e) {
  return e == CUBLASLT_EPILOGUE_DRELU || e == CUBLASLT_EPILOGUE_DRELU_BGRAD;
}
bool is_known(int e) {
  return e == CUBLASLT_EPILOGUE_DEFAULT || adds_bias(e) || has_relu(e) || reads_mask(e) ||
         e == CUBLASLT_EPILOGUE_BGRADA || e == CUBLASLT_EPILOGUE_BGRADB;
}

constexpr const char* kWho = "cublasLtMatmul";

void relu_and_mask(const Matmul& g, std::vector<float>& values) {
  std::vector<std::byte*> columns;
  const auto mask_bytes = static_cast<std::size_t>((g.m + 7) / 8);
  for (std::int64_t column = 0; (writes_mask(g.epilogue) || reads_mask(g.epilogue)) && column < g.n;
       ++column) {
    auto* at = static_cast<std::byte*>(g.aux) + column * g.aux_ld / 8;
    if (reads_mask(g.epilogue)) device_read(kWho, at, mask_bytes);
    columns.push_back(static_cast<std::byte*>(device_write(kWho, at, mask_bytes)));
    if (writes_mask(g.epilogue)) std::memset(columns.back(), 0, mask_bytes);
  }
  for (std::int64_t column = 0; column < g.n; ++column)
    for (std::int64_t row = 0; row < g.m; ++row) {
      float& value = values[static_cast<std::size_t>(row + column * g.m)];
      const auto bit = std::byte{1} << static_cast<unsigned>(row % 8);
      if (writes_mask(g.epilogue) && value > 0)
        columns[static_cast<std::size_t>(column)][row / 8] |= bit;
      if (has_relu(g.epilogue) && value < 0) value = 0;
      if (reads_mask(g.epilogue) &&
          (columns[static_cast<std::size_t>(column)][row / 8] & bit) == std::byte{0})
        value = 0;
    }
}

// Sums of op(A) or op(B) over k, or of D over its columns.
void bias_gradient(const Matmul& g, const std::vector<float>& values) {
  std::vector<float> sums;
  if (g.epilogue == CUBLASLT_EPILOGUE_BGRADA || g.epilogue == CUBLASLT_EPILOGUE_BGRADB) {
    const bool of_a = g.epilogue == CUBLASLT_EPILOGUE_BGRADA;
    const auto element =
        of_a ? device_elements(kWho, g.a, g.m, g.k) : device_elements(kWho, g.b, g.k, g.n);
    sums.assign(static_cast<std::size_t>(of_a ? g.m : g.n), 0);
    for (std::size_t i = 0; i < sums.size(); ++i)
      for (std::int64_t j = 0; j < g.k; ++j) {
        const auto index = static_cast<std::int64_t>(i);
        sums[i] += of_a ? element(index, j) : element(j, index);
      }
  } else if (g.epilogue == CUBLASLT_EPILOGUE_DRELU_BGRAD) {
    sums.assign(static_cast<std::size_t>(g.m), 0);
    for (std::int64_t column = 0; column < g.n; ++column)
      for (std::int64_t row = 0; row < g.m; ++row)
        sums[static_cast<std::size_t>(row)] += values[static_cast<std::size_t>(row + column * g.m)];
  }
  if (sums.empty()) return;
  void* out = device_write(kWho, g.bias, sums.size() * bytes_of(g.bias_type));
  for (std::size_t i = 0; i < sums.size(); ++i)
    store_number(g.bias_type, out, static_cast<std::int64_t>(i), sums[i]);
}

void run(const Matmul& g) {
  const float alpha = g.alpha.get();
  const float beta = g.beta.get();
  std::vector<float> values = device_product(kWho, g.m, g.n, g.k, g.a, g.b);
  std::function<float(std::int64_t, std::int64_t)> old;
  if (beta != 0)
    old = device_elements(kWho, {g.c, g.c_layout.type, g.c_layout.ld, false}, g.m, g.n);
  const void* bias = nullptr;
  if (adds_bias(g.epilogue))
    bias = device_read(kWho, g.bias, static_cast<std::size_t>(g.m) * bytes_of(g.bias_type));
  for (std::int64_t column = 0; column < g.n; ++column)
    for (std::int64_t row = 0; row < g.m; ++row) {
      float& value = values[static_cast<std::size_t>(row + column * g.m)];
      value *= alpha;
      if (beta != 0) value += beta * old(row, column);
      if (bias != nullptr) value += load_number(g.bias_type, bias, row);
    }
  relu_and_mask(g, values);
  bias_gradient(g, values);
  device_update(kWho, g.d, g.d_layout.type, g.m, g.n, g.d_layout.ld, false,
                [&](std::int64_t row, std::int64_t column, float) {
                  return values[static_cast<std::size_t>(row + column * g.m)];
                });
}

}  // namespace

#define VGPU_LT_FAULT(name)                                        \
  if (const int error = Faults::instance().next(name); error != 0) \
  return static_cast<cublasStatus_t>(error)

VGPU_EXPORT cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  VGPU_LT_FAULT("cublasLtCreate");
  return create(handle, {});
}
VGPU_EXPORT cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return destroy(handle);
}

VGPU_EXPORT cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d,
                                                    cublasComputeType_t compute,
                                                    cudaDataType_t scale) {
  VGPU_LT_FAULT("cublasLtMatmulDescCreate");
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
  VGPU_LT_FAULT("cublasLtMatmulDescSetAttribute");
  attributes_of(d).set(name, data, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
VGPU_EXPORT cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t d,
                                                          cublasLtMatmulDescAttributes_t name,
                                                          void* data, std::size_t bytes,
                                                          std::size_t* written) {
  return attributes_of(d).read(name, data, bytes, written);
}

VGPU_EXPORT cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType type,
                                                      std::uint64_t rows, std::uint64_t columns,
                                                      std::int64_t ld) {
  VGPU_LT_FAULT("cublasLtMatrixLayoutCreate");
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
VGPU_EXPORT cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l,
                                                            cublasLtMatrixLayoutAttribute_t name,
                                                            const void* data, std::size_t bytes) {
  attributes_of(l).set(name, data, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

VGPU_EXPORT cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* p) {
  VGPU_LT_FAULT("cublasLtMatmulPreferenceCreate");
  return create(p, {});
}
VGPU_EXPORT cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
  return destroy(p);
}
VGPU_EXPORT cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t name, const void* data,
    std::size_t bytes) {
  VGPU_LT_FAULT("cublasLtMatmulPreferenceSetAttribute");
  attributes_of(p).set(name, data, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

VGPU_EXPORT cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
    cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int wanted,
    cublasLtMatmulHeuristicResult_t results[], int* count) {
  VGPU_LT_FAULT("cublasLtMatmulAlgoGetHeuristic");
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
  VGPU_LT_FAULT(kWho);
  const Attributes& desc = attributes_of(description);
  const auto transposed = [&](int name) { return desc.get(name, CUBLAS_OP_N) != CUBLAS_OP_N; };
  const Layout layout_a = layout_from(attributes_of(la));
  const Layout layout_b = layout_from(attributes_of(lb));
  Matmul g{};
  g.c_layout = layout_from(attributes_of(lc));
  g.d_layout = layout_from(attributes_of(ld));
  g.a = {a, layout_a.type, layout_a.ld, transposed(CUBLASLT_MATMUL_DESC_TRANSA)};
  g.b = {b, layout_b.type, layout_b.ld, transposed(CUBLASLT_MATMUL_DESC_TRANSB)};
  g.m = g.d_layout.rows;
  g.n = g.d_layout.columns;
  g.k = g.a.transposed ? layout_a.rows : layout_a.columns;
  g.epilogue = desc.get<int>(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT);
  if (!layout_a.known || !layout_b.known || !g.c_layout.known || !g.d_layout.known ||
      !is_known(g.epilogue)) {
    Report::instance().error("cublasLt", "", 0,
                             "cublasLtMatmul: a layout or the epilogue " +
                                 std::to_string(g.epilogue) + " is not known to this virtual GPU");
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  const std::int64_t a_rows = g.a.transposed ? layout_a.columns : layout_a.rows;
  const std::int64_t b_rows = g.b.transposed ? layout_b.columns : layout_b.rows;
  const std::int64_t b_columns = g.b.transposed ? layout_b.rows : layout_b.columns;
  if (a_rows != g.m || b_rows != g.k || b_columns != g.n || layout_a.ld < layout_a.rows ||
      layout_b.ld < layout_b.rows || g.d_layout.ld < g.m)
    return CUBLAS_STATUS_INVALID_VALUE;
  g.c = c;
  g.d = d;
  const bool on_device = desc.get(CUBLASLT_MATMUL_DESC_POINTER_MODE, CUBLASLT_POINTER_MODE_HOST) !=
                         CUBLASLT_POINTER_MODE_HOST;
  g.alpha = on_device ? Scalar{0, alpha} : Scalar{*static_cast<const float*>(alpha), nullptr};
  g.beta = on_device ? Scalar{0, beta} : Scalar{*static_cast<const float*>(beta), nullptr};
  g.bias = desc.get<void*>(CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr);
  g.bias_type = g.d_layout.type;
  if (const auto type = desc.get<std::int32_t>(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, -1); type >= 0)
    number_from(static_cast<cudaDataType_t>(type), g.bias_type);
  g.aux = desc.get<void*>(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, nullptr);
  g.aux_ld = desc.get<std::int64_t>(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, 0);
  return enqueue_blas(stream, [g] { run(g); });
}
