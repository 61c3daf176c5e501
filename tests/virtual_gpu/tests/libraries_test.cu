// cuBLAS, cuBLASLt and the real cuDNN with a plan of its own, against plain loops.

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>

#include "convolution_graph.h"
#include "support.cuh"

namespace {

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& v : values) v = uniform(engine);
  return values;
}

void expect_near(const std::vector<float>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 0;
  for (const double v : want) largest = std::max(largest, std::fabs(v));
  for (std::size_t n = 0; n < got.size(); ++n)
    ASSERT_LE(std::fabs(got[n] - want[n]), tolerance * largest) << "element " << n;
}

void blas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string(what) + " gives " + std::to_string(status));
}
#define BLAS(call) blas((call), #call)

// op(A) · op(B), column-major, in double
std::vector<double> product(bool ta, bool tb, int m, int n, int k, const std::vector<float>& a,
                            int lda, const std::vector<float>& b, int ldb) {
  std::vector<double> c(static_cast<std::size_t>(m) * n, 0);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j)
      for (int l = 0; l < k; ++l)
        c[i + static_cast<std::size_t>(j) * m] +=
            static_cast<double>(ta ? a[l + i * lda] : a[i + l * lda]) *
            (tb ? b[j + l * ldb] : b[l + j * ldb]);
  return c;
}

class Libraries : public ::testing::Test {};

TEST_F(Libraries, SgemmInAllTranspositions) {
  cublasHandle_t handle;
  BLAS(cublasCreate(&handle));
  for (const auto [m, n, k] : {std::array{1, 1, 1}, {5, 7, 3}, {33, 17, 65}, {64, 48, 100}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        const int lda = (ta ? k : m) + 2;
        const int ldb = (tb ? n : k) + 1;
        const int ldc = m + 3;
        const auto a = random_floats(static_cast<std::size_t>(lda) * (ta ? m : k), 1);
        const auto b = random_floats(static_cast<std::size_t>(ldb) * (tb ? k : n), 2);
        const auto c = random_floats(static_cast<std::size_t>(ldc) * n, 3);
        const DeviceArray<float> da(a), db(b), dc(c);
        const float alpha = 1.5F;
        const float beta = -0.5F;
        BLAS(cublasSgemm(handle, ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_T : CUBLAS_OP_N, m,
                         n, k, &alpha, da.get(), lda, db.get(), ldb, &beta, dc.get(), ldc));
        const auto got = dc.host();
        const auto sums = product(ta, tb, m, n, k, a, lda, b, ldb);
        std::vector<double> want(c.begin(), c.end());
        for (int j = 0; j < n; ++j)
          for (int i = 0; i < m; ++i)
            want[i + j * ldc] =
                1.5 * sums[i + static_cast<std::size_t>(j) * m] - 0.5 * c[i + j * ldc];
        expect_near(got, want, 1e-6);
      }
  BLAS(cublasDestroy(handle));
}

TEST_F(Libraries, SgemvBothWays) {
  cublasHandle_t handle;
  BLAS(cublasCreate(&handle));
  const int m = 19, n = 11;
  const auto a = random_floats(m * n, 4);
  const auto x = random_floats(m, 5);
  const DeviceArray<float> da(a), dx(x), dy(static_cast<std::size_t>(m));
  const float one = 1, zero = 0;
  BLAS(cublasSgemv(handle, CUBLAS_OP_N, m, n, &one, da.get(), m, dx.get(), 1, &zero, dy.get(), 1));
  std::vector<double> want(m, 0);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) want[i] += static_cast<double>(a[i + j * m]) * x[j];
  expect_near(dy.host(), want, 1e-6);
  const DeviceArray<float> dt(static_cast<std::size_t>(n));
  BLAS(cublasSgemv(handle, CUBLAS_OP_T, m, n, &one, da.get(), m, dx.get(), 1, &zero, dt.get(), 1));
  want.assign(n, 0);
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < m; ++i) want[j] += static_cast<double>(a[i + j * m]) * x[i];
  expect_near(dt.host(), want, 1e-6);
  BLAS(cublasDestroy(handle));
}

TEST_F(Libraries, GemmExInHalf) {
  cublasHandle_t handle;
  BLAS(cublasCreate(&handle));
  const int m = 12, n = 9, k = 20;
  auto a = random_floats(m * k, 6);
  auto b = random_floats(k * n, 7);
  std::vector<__half> ha, hb;
  for (float& v : a) ha.push_back(__float2half(v)), v = __half2float(ha.back());
  for (float& v : b) hb.push_back(__float2half(v)), v = __half2float(hb.back());
  const DeviceArray<__half> da(ha), db(hb);
  const DeviceArray<float> dc(static_cast<std::size_t>(m) * n);
  const float one = 1, zero = 0;
  BLAS(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, da.get(), CUDA_R_16F, m,
                    db.get(), CUDA_R_16F, k, &zero, dc.get(), CUDA_R_32F, m, CUBLAS_COMPUTE_32F,
                    CUBLAS_GEMM_DEFAULT));
  expect_near(dc.host(), product(false, false, m, n, k, a, m, b, k), 1e-6);
  BLAS(cublasDestroy(handle));
}

struct LtProblem {
  int m, n, k;
  cublasLtHandle_t handle;
  cublasLtMatmulDesc_t description;
  cublasLtMatrixLayout_t a, b, d;
  LtProblem(int m_, int n_, int k_, cublasLtEpilogue_t epilogue, void* bias, void* aux,
            std::int64_t aux_ld)
      : m(m_), n(n_), k(k_) {
    BLAS(cublasLtCreate(&handle));
    BLAS(cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    if (aux != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aux);
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, aux_ld);
    }
    BLAS(cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, m, k, m));
    BLAS(cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, k, n, k));
    BLAS(cublasLtMatrixLayoutCreate(&d, CUDA_R_32F, m, n, m));
  }
  ~LtProblem() {
    cublasLtMatrixLayoutDestroy(a);
    cublasLtMatrixLayoutDestroy(b);
    cublasLtMatrixLayoutDestroy(d);
    cublasLtMatmulDescDestroy(description);
    cublasLtDestroy(handle);
  }
  template <class T>
  void set(cublasLtMatmulDescAttributes_t name, const T& value) {
    BLAS(cublasLtMatmulDescSetAttribute(description, name, &value, sizeof value));
  }
  void run(const float* pa, const float* pb, float* pd) {
    const float one = 1, zero = 0;
    cublasLtMatmulPreference_t preference;
    BLAS(cublasLtMatmulPreferenceCreate(&preference));
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    BLAS(cublasLtMatmulAlgoGetHeuristic(handle, description, a, b, d, d, preference, 1, &result,
                                        &found));
    BLAS(cublasLtMatmulPreferenceDestroy(preference));
    ASSERT_EQ(found, 1);
    BLAS(cublasLtMatmul(handle, description, &one, pa, a, pb, b, &zero, pd, d, pd, d, &result.algo,
                        nullptr, 0, nullptr));
  }
};

// Forward with bias, ReLU and its mask, then the backward product through that mask.
TEST_F(Libraries, LtMatmulKeepsTheReluMaskForTheBackwardPass) {
  const int m = 24, n = 10, k = 16;
  const std::int64_t aux_ld = 128;
  const auto a = random_floats(m * k, 8);
  const auto b = random_floats(k * n, 9);
  const auto bias = random_floats(m, 10);
  const DeviceArray<float> da(a), db(b), dbias(bias), dd(static_cast<std::size_t>(m) * n),
      dgrad(static_cast<std::size_t>(m));
  const DeviceArray<unsigned char> mask(aux_ld / 8 * n);
  auto sums = product(false, false, m, n, k, a, m, b, k);
  LtProblem(m, n, k, CUBLASLT_EPILOGUE_RELU_AUX_BIAS, dbias.get(), mask.get(), aux_ld)
      .run(da.get(), db.get(), dd.get());
  std::vector<double> want = sums;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < m; ++i) want[i + j * m] = std::max(0.0, sums[i + j * m] + bias[i]);
  expect_near(dd.host(), want, 1e-6);
  LtProblem(m, n, k, CUBLASLT_EPILOGUE_DRELU_BGRAD, dgrad.get(), mask.get(), aux_ld)
      .run(da.get(), db.get(), dd.get());
  std::vector<double> gradient(m, 0);
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < m; ++i) {
      want[i + j * m] = want[i + j * m] > 0 ? sums[i + j * m] : 0;
      gradient[i] += want[i + j * m];
    }
  expect_near(dd.host(), want, 1e-6);
  expect_near(dgrad.host(), gradient, 1e-6);
}

TEST_F(Libraries, LtMatmulSumsItsOperandsForBiasGradients) {
  const int m = 9, n = 14, k = 21;
  const auto a = random_floats(m * k, 11);
  const auto b = random_floats(k * n, 12);
  const DeviceArray<float> da(a), db(b), dd(static_cast<std::size_t>(m) * n),
      of_a(static_cast<std::size_t>(m)), of_b(static_cast<std::size_t>(n));
  LtProblem(m, n, k, CUBLASLT_EPILOGUE_BGRADA, of_a.get(), nullptr, 0)
      .run(da.get(), db.get(), dd.get());
  LtProblem(m, n, k, CUBLASLT_EPILOGUE_BGRADB, of_b.get(), nullptr, 0)
      .run(da.get(), db.get(), dd.get());
  std::vector<double> sum_a(m, 0), sum_b(n, 0);
  for (int l = 0; l < k; ++l) {
    for (int i = 0; i < m; ++i) sum_a[i] += a[i + l * m];
    for (int j = 0; j < n; ++j) sum_b[j] += b[l + j * k];
  }
  expect_near(of_a.host(), sum_a, 1e-6);
  expect_near(of_b.host(), sum_b, 1e-6);
  expect_near(dd.host(), product(false, false, m, n, k, a, m, b, k), 1e-6);
}

TEST_F(Libraries, ProductsOfUnwrittenMemoryAreFound) {
  NEEDS_VIRTUAL_GPU();
  cublasHandle_t handle;
  BLAS(cublasCreate(&handle));
  const DeviceArray<float> a(16), b(std::vector<float>(16, 1)), c(16);
  const float one = 1, zero = 0;
  BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, a.get(), 4, b.get(), 4, &zero,
                   c.get(), 4));
  CHECKED(cudaDeviceSynchronize());
  EXPECT_NE(take_errors().find("uninitialised_read: cublasSgemm"), std::string::npos);
  BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, b.get(), 4, b.get(), 4, &one,
                   c.get(), 5));
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);  // the last column ends past C
  EXPECT_NE(take_errors().find("out_of_bounds: cublasSgemm"), std::string::npos);
  BLAS(cublasDestroy(handle));
}

// ---- cuDNN ----

std::vector<double> convolved(const cudnn_test::Shape& s, const std::vector<float>& x,
                              const std::vector<float>& w, const std::vector<float>* bias) {
  std::vector<double> y;
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t p = 0; p < s.p(); ++p)
      for (std::int64_t q = 0; q < s.q(); ++q)
        for (std::int64_t k = 0; k < s.k; ++k) {
          double sum = bias != nullptr ? (*bias)[k] : 0;
          for (std::int64_t r = 0; r < s.r; ++r)
            for (std::int64_t t = 0; t < s.s; ++t) {
              const std::int64_t row = p * s.stride - s.pad + r;
              const std::int64_t column = q * s.stride - s.pad + t;
              if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
              for (std::int64_t c = 0; c < s.c; ++c)
                sum += static_cast<double>(x[((n * s.h + row) * s.w + column) * s.c + c]) *
                       w[((k * s.r + r) * s.s + t) * s.c + c];
            }
          y.push_back(bias != nullptr ? std::max(0.0, sum) : sum);
        }
  return y;
}

template <class T>
T narrow(float v) {
  if constexpr (std::is_same_v<T, __half>)
    return __float2half(v);
  else if constexpr (std::is_same_v<T, __nv_bfloat16>)
    return __float2bfloat16(v);
  else
    return v;
}
float widen(float v) {
  return v;
}
float widen(__half v) {
  return __half2float(v);
}
float widen(__nv_bfloat16 v) {
  return __bfloat162float(v);
}

template <class T>
void check_convolution(cudnnDataType_t type, bool fused, double tolerance) {
  const cudnn_test::Shape s{2, 8, 11, 13, 24, 3, 3, 1, 1};
  auto x = random_floats(static_cast<std::size_t>(s.n * s.h * s.w * s.c), 13);
  auto w = random_floats(static_cast<std::size_t>(s.k * s.r * s.s * s.c), 14);
  auto bias = random_floats(static_cast<std::size_t>(s.k), 15);
  std::vector<T> tx, tw, tb;
  for (float& v : x) tx.push_back(narrow<T>(v)), v = widen(tx.back());
  for (float& v : w) tw.push_back(narrow<T>(v)), v = widen(tw.back());
  for (float& v : bias) tb.push_back(narrow<T>(v)), v = widen(tb.back());
  const DeviceArray<T> dx(tx), dw(tw), db(tb),
      dy(static_cast<std::size_t>(s.n * s.p() * s.q() * s.k));
  cudnnHandle_t handle;
  CUDNN_CHECKED(cudnnCreate(&handle));
  cudaStream_t stream;
  CHECKED(cudaStreamCreate(&stream));
  CHECKED(cudaDeviceSynchronize());
  CUDNN_CHECKED(cudnnSetStream(handle, stream));
  cudnn_test::convolve(handle, s, type, fused, dx.get(), dw.get(), db.get(), dy.get());
  CHECKED(cudaStreamSynchronize(stream));
  std::vector<float> got;
  for (const T v : dy.host()) got.push_back(widen(v));
  expect_near(got, convolved(s, x, w, fused ? &bias : nullptr), tolerance);
  CHECKED(cudaStreamDestroy(stream));
  CUDNN_CHECKED(cudnnDestroy(handle));
}
TEST_F(Libraries, CudnnConvolvesInFloat) {
  check_convolution<float>(CUDNN_DATA_FLOAT, false, 2e-6);
}
TEST_F(Libraries, CudnnConvolvesWithBiasAndReluInFloat) {
  check_convolution<float>(CUDNN_DATA_FLOAT, true, 2e-6);
}
TEST_F(Libraries, CudnnConvolvesWithBiasAndReluInHalf) {
  check_convolution<__half>(CUDNN_DATA_HALF, true, 1e-3);
}
TEST_F(Libraries, CudnnConvolvesInBfloat16) {
  check_convolution<__nv_bfloat16>(CUDNN_DATA_BFLOAT16, false, 8e-3);
}

}  // namespace
