// cuBLASLt and cuDNN, whose real library builds the execution plans, against plain loops.

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <limits>

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

// The largest difference, over the largest value; infinite where `got` is not finite.
double deviation(const std::vector<float>& got, const std::vector<double>& want) {
  EXPECT_EQ(got.size(), want.size());
  double largest = 0, difference = 0;
  for (std::size_t n = 0; n < std::min(got.size(), want.size()); ++n) {
    if (!std::isfinite(got[n])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::fabs(want[n]));
    difference = std::max(difference, std::fabs(got[n] - want[n]));
  }
  return difference / largest;
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

// D = op(A) · op(B) with leading dimensions that leave gaps, plain or with a bias per row.
struct Product {
  int m, n, k;
  bool ta = false, tb = false;
  const float* bias = nullptr;
  int lda() const { return (ta ? k : m) + 2; }
  int ldb() const { return (tb ? n : k) + 1; }
  int ldd() const { return m + 3; }
  std::size_t a_size() const { return static_cast<std::size_t>(lda()) * (ta ? m : k); }
  std::size_t b_size() const { return static_cast<std::size_t>(ldb()) * (tb ? k : n); }
  std::size_t d_size() const { return static_cast<std::size_t>(ldd()) * n; }

  void run(const float* pa, const float* pb, float* pd) const {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t description;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulPreference_t preference;
    BLAS(cublasLtCreate(&handle));
    BLAS(cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    const auto set = [&](cublasLtMatmulDescAttributes_t name, const auto& value) {
      BLAS(cublasLtMatmulDescSetAttribute(description, name, &value, sizeof value));
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, ta ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, tb ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    BLAS(cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, ta ? k : m, ta ? m : k, lda()));
    BLAS(cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, tb ? n : k, tb ? k : n, ldb()));
    BLAS(cublasLtMatrixLayoutCreate(&d, CUDA_R_32F, m, n, ldd()));
    BLAS(cublasLtMatmulPreferenceCreate(&preference));
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    BLAS(cublasLtMatmulAlgoGetHeuristic(handle, description, a, b, d, d, preference, 1, &result,
                                        &found));
    ASSERT_EQ(found, 1);
    const float alpha = 1.5F, beta = -0.5F;
    BLAS(cublasLtMatmul(handle, description, &alpha, pa, a, pb, b, &beta, pd, d, pd, d,
                        &result.algo, nullptr, 0, nullptr));
    cublasLtMatmulPreferenceDestroy(preference);
    for (const auto layout : {a, b, d}) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulDescDestroy(description);
    cublasLtDestroy(handle);
  }
};

TEST(Libraries, MatmulInAllTranspositions) {
  for (const auto [m, n, k] : {std::array{1, 1, 1}, {5, 7, 3}, {33, 17, 65}, {64, 48, 100}})
    for (const int form : {0, 1, 2, 3, 4, 7}) {
      Product p{m, n, k, (form & 1) != 0, (form & 2) != 0};
      const auto a = random_floats(p.a_size(), 1), b = random_floats(p.b_size(), 2),
                 d = random_floats(p.d_size(), 3), bias = random_floats(m, 4);
      const DeviceArray<float> da(a), db(b), dd(d), dbias(bias);
      const bool has_bias = (form & 4) != 0;
      if (has_bias) p.bias = dbias.get();
      p.run(da.get(), db.get(), dd.get());
      const auto sums = product(p.ta, p.tb, m, n, k, a, p.lda(), b, p.ldb());
      std::vector<double> want(d.begin(), d.end());
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < m; ++i)
          want[i + j * p.ldd()] = 1.5 * sums[i + static_cast<std::size_t>(j) * m] -
                                  0.5 * d[i + j * p.ldd()] + (has_bias ? bias[i] : 0);
      ASSERT_LE(deviation(dd.host(), want), 1e-6);
    }
}

TEST(Libraries, ProductsOfUnwrittenMemoryAreFound) {
  NEEDS_VIRTUAL_GPU();
  const Product p{4, 4, 4};
  const DeviceArray<float> unwritten(p.a_size()), b(std::vector<float>(p.b_size(), 1)),
      d(std::vector<float>(p.d_size(), 0)), small(std::vector<float>(p.d_size() - 4, 0));
  p.run(unwritten.get(), b.get(), d.get());
  CHECKED(cudaDeviceSynchronize());
  EXPECT_NE(take_errors().find("uninitialised_read: cublasLtMatmul"), std::string::npos);
  p.run(d.get(), b.get(), small.get());
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);  // the last column ends past D
  EXPECT_NE(take_errors().find("out_of_bounds: cublasLtMatmul"), std::string::npos);
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

float same(float v) {
  return v;
}
// Ten bits of fraction, the nearest, ties away from zero.
float rounded_to_tf32(float v) {
  const float scale = std::exp2(static_cast<float>(std::ilogb(v) - 10));
  return std::round(v / scale) * scale;
}

constexpr cudnn_test::Shape kSmall{2, 8, 11, 13, 24, 3, 3, 1, 1};
// One for which the heuristics prefer tensor cores, where they know floats.
constexpr cudnn_test::Shape kForTensorCores{2, 64, 16, 16, 64, 3, 3, 1, 1};

// Of cuDNN's result from a convolution of the factors that `round` gives.
template <class T>
double convolution_deviation(cudnnDataType_t type, bool fused, float (*round)(float) = same,
                             const cudnn_test::Shape& s = kSmall) {
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
  CHECKED(cudaStreamDestroy(stream));
  CUDNN_CHECKED(cudnnDestroy(handle));
  for (std::vector<float>* factors : {&x, &w})
    std::transform(factors->begin(), factors->end(), factors->begin(), round);
  return deviation(got, convolved(s, x, w, fused ? &bias : nullptr));
}
// A device may round to TF32.
TEST(Libraries, CudnnConvolvesInFloat) {
  EXPECT_LE(convolution_deviation<float>(CUDNN_DATA_FLOAT, false), 2e-3);
}
TEST(Libraries, CudnnConvolvesWithBiasAndReluInFloat) {
  EXPECT_LE(convolution_deviation<float>(CUDNN_DATA_FLOAT, true), 2e-3);
}
TEST(Libraries, FloatsAreRoundedToTf32OnTensorCores) {
  NEEDS_VIRTUAL_GPU();
  for (const bool fused : {false, true}) {
    const auto deviates = [&](float (*round)(float)) {
      return convolution_deviation<float>(CUDNN_DATA_FLOAT, fused, round, kForTensorCores);
    };
    EXPECT_LE(deviates(rounded_to_tf32), 2e-6);
    EXPECT_GE(deviates(same), 5e-5);
  }
}
TEST(Libraries, FloatsAreNotRoundedWithoutTensorCores) {
  NEEDS_VIRTUAL_GPU();
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv("VGPU_ARCH", "sm_75", 1);  // whose tensor cores know half types only
  const auto deviates = [] {
    return convolution_deviation<float>(CUDNN_DATA_FLOAT, false, same, kForTensorCores);
  };
  EXPECT_EXIT(std::exit(deviates() <= 2e-6 ? 0 : 1), ::testing::ExitedWithCode(0), "");
  unsetenv("VGPU_ARCH");
}
TEST(Libraries, CudnnConvolvesWithBiasAndReluInHalf) {
  EXPECT_LE(convolution_deviation<__half>(CUDNN_DATA_HALF, true), 1e-3);
}
TEST(Libraries, CudnnConvolvesInBfloat16) {
  EXPECT_LE(convolution_deviation<__nv_bfloat16>(CUDNN_DATA_BFLOAT16, false), 8e-3);
}
TEST(Libraries, ChosenEnginesOfCudnnFail) {
  if (VGPU(vgpu_set_faults) == nullptr) GTEST_SKIP() << "only the virtual GPU fails on demand";
  const cudnn_test::Shape s{1, 8, 1, 1, 8, 3, 3, 1, 1};
  const DeviceArray<__half> x(std::vector<__half>(8, __float2half(60000))),
      w(std::vector<__half>(576, __float2half(2))), y(8);
  cudnnHandle_t handle;
  CUDNN_CHECKED(cudnnCreate(&handle));
  const auto failure = [&](const char* fault) -> std::string {
    VGPU(vgpu_set_faults)(fault);
    try {
      cudnn_test::convolve(handle, s, CUDNN_DATA_HALF, false, x.get(), w.get(), nullptr, y.get());
      CHECKED(cudaDeviceSynchronize());
    } catch (const std::exception& error) {
      return error.what();
    }
    return std::to_string(__half2float(y.host().at(0)));
  };
  EXPECT_EQ(failure("engine.finalize:1000:4000,engine.execute:1000:5000"), "inf");
  EXPECT_NE(failure("engine.finalize:-1:4000").find("CUDNN_STATUS_INTERNAL_ERROR"),
            std::string::npos);
  EXPECT_NE(failure("engine.execute:-1:5003").find("CUDNN_STATUS_EXECUTION_FAILED_CUDART"),
            std::string::npos);
  EXPECT_EQ(failure("engine.saturate:-1:1"), "65504.000000");
  VGPU(vgpu_set_faults)("");
  CUDNN_CHECKED(cudnnDestroy(handle));
}

}  // namespace
