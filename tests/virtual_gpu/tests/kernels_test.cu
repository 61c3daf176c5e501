// Kernels as a network's training needs them, against host loops. This test needs no virtual GPU: it
// runs on a real one as well.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <functional>

#include "support.cuh"

namespace {

std::vector<float> random_floats(std::size_t count, unsigned seed, float low = -2, float high = 2) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(count);
  for (float& v : values) v = uniform(engine);
  return values;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& want, float tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t n = 0; n < got.size(); ++n) {
    if (want[n] != want[n]) {
      ASSERT_NE(got[n], got[n]) << "element " << n << " should be NaN";
      continue;
    }
    if (got[n] == want[n]) continue;  // infinities too
    ASSERT_LE(std::fabs(got[n] - want[n]), tolerance * std::max(1.0F, std::fabs(want[n])))
        << "element " << n << ": " << got[n] << ", not " << want[n];
  }
}

__device__ __host__ float relu(float v) {
  return v < 0 ? 0 : v;
}  // keeps NaN

__global__ void bias_relu(float* y, const float* bias, long long count, int channels) {
  const long long i = 4LL * (blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x);
  if (i >= count) return;
  float4 v = *reinterpret_cast<const float4*>(y + i);
  const float4 b = *reinterpret_cast<const float4*>(bias + i % channels);
  v = {relu(v.x + b.x), relu(v.y + b.y), relu(v.z + b.z), relu(v.w + b.w)};
  *reinterpret_cast<float4*>(y + i) = v;
}
TEST(Kernels, BiasAndReluInFours) {
  const int channels = 64;
  const std::size_t count = 64 * 37;
  auto y = random_floats(count, 1);
  y[5] = NAN;
  y[6] = INFINITY;
  const auto bias = random_floats(channels, 2);
  const DeviceArray<float> dy(y), db(bias);
  bias_relu<<<(count / 4 + 127) / 128, 128>>>(dy.get(), db.get(), static_cast<long long>(count),
                                              channels);
  std::vector<float> want(count);
  for (std::size_t n = 0; n < count; ++n) want[n] = relu(y[n] + bias[n % channels]);
  expect_near(dy.host(), want, 0);
  VgpuCounters c;
  if (VGPU(vgpu_last_launch) == nullptr) return;
  ASSERT_EQ(VGPU(vgpu_last_launch)("bias_relu", &c), 1);
  EXPECT_EQ(c.distinct_sectors_written, count / 8);  // what it must move, and no more
  EXPECT_EQ(c.distinct_sectors_read, count / 8 + channels / 8);
  EXPECT_EQ(c.sectors_loaded, c.sectors_loaded_minimum);
  EXPECT_EQ(c.sectors_stored, c.sectors_stored_minimum);
}

__global__ void max_pool_half2(__half2* out, const __half2* in, int h, int w, int c2) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int ow = w / 2;
  if (i >= h / 2 * ow * c2) return;
  const int channel = i % c2, x = i / c2 % ow, y = i / c2 / ow;
  const __half2* p = in + ((2 * y) * w + 2 * x) * c2 + channel;
  out[i] = __hmax2_nan(__hmax2_nan(p[0], p[c2]), __hmax2_nan(p[w * c2], p[w * c2 + c2]));
}
TEST(Kernels, MaxPoolInHalf2) {
  const int h = 6, w = 4, c2 = 3;
  const auto values = random_floats(h * w * c2 * 2, 4);
  std::vector<__half> in;
  for (const float v : values) in.push_back(__float2half(v));
  const DeviceArray<__half> din(in), out(3 * 2 * c2 * 2);
  max_pool_half2<<<1, 32>>>(reinterpret_cast<__half2*>(out.get()),
                            reinterpret_cast<const __half2*>(din.get()), h, w, c2);
  const auto got = out.host();
  for (int n = 0; n < 3 * 2 * c2 * 2; ++n) {
    const int channel = n % (2 * c2), x = n / (2 * c2) % 2, y = n / (2 * c2) / 2;
    float m = -INFINITY;
    for (const int d : {0, 1, w, w + 1})
      m = std::max(m, __half2float(in[((2 * y) * w + 2 * x + d) * 2 * c2 + channel]));
    EXPECT_EQ(__half2float(got[n]), m);
  }
}

__device__ float warp_sum(float v) {
  for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(~0U, v, offset);
  return v;
}
__global__ void softmax_loss(float* loss, float* gradient, const float* x, const int* label,
                             int classes) {
  const int row = static_cast<int>(blockIdx.x), lane = static_cast<int>(threadIdx.x);
  const float* values = x + row * classes;
  float highest = -INFINITY;
  for (int n = lane; n < classes; n += 32) highest = fmaxf(highest, values[n]);
  for (int offset = 16; offset > 0; offset /= 2)
    highest = fmaxf(highest, __shfl_xor_sync(~0U, highest, offset));
  float sum = 0;
  for (int n = lane; n < classes; n += 32) sum += expf(values[n] - highest);
  sum = warp_sum(sum);
  for (int n = lane; n < classes; n += 32)
    gradient[row * classes + n] = expf(values[n] - highest) / sum - (n == label[row] ? 1.0F : 0.0F);
  if (lane == 0) loss[row] = logf(sum) + highest - values[label[row]];
}
TEST(Kernels, SoftmaxWithCrossEntropy) {
  const int rows = 5, classes = 71;
  const auto x = random_floats(rows * classes, 9, -8, 8);
  const std::vector<int> label = {0, 70, 33, 5, 64};
  const DeviceArray<float> dx(x), loss(rows), gradient(rows * classes);
  const DeviceArray<int> dl(label);
  softmax_loss<<<rows, 32>>>(loss.get(), gradient.get(), dx.get(), dl.get(), classes);
  std::vector<float> want_loss, want_gradient;
  for (int r = 0; r < rows; ++r) {
    double highest = -1e30, sum = 0;
    for (int n = 0; n < classes; ++n) highest = std::max<double>(highest, x[r * classes + n]);
    for (int n = 0; n < classes; ++n) sum += std::exp(x[r * classes + n] - highest);
    for (int n = 0; n < classes; ++n)
      want_gradient.push_back(
          static_cast<float>(std::exp(x[r * classes + n] - highest) / sum - (n == label[r])));
    want_loss.push_back(static_cast<float>(std::log(sum) + highest - x[r * classes + label[r]]));
  }
  expect_near(loss.host(), want_loss, 2e-6F);
  expect_near(gradient.host(), want_gradient, 2e-6F);
}

__global__ void bias_relu_bf16(__nv_bfloat162* y, const __nv_bfloat162* bias, int count, int c2) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  y[i] = __hmax2_nan(__hadd2(y[i], bias[i % c2]), __float2bfloat162_rn(0.0F));
}
TEST(Kernels, BiasAndReluInBfloat16) {
  const int count = 96, c2 = 12;
  const auto values = random_floats(2 * count, 12), biases = random_floats(2 * c2, 13);
  std::vector<__nv_bfloat16> y, bias;
  for (const float v : values) y.push_back(__float2bfloat16(v));
  for (const float v : biases) bias.push_back(__float2bfloat16(v));
  const DeviceArray<__nv_bfloat16> dy(y), db(bias);
  bias_relu_bf16<<<3, 32>>>(reinterpret_cast<__nv_bfloat162*>(dy.get()),
                            reinterpret_cast<const __nv_bfloat162*>(db.get()), count, c2);
  const auto got = dy.host();
  for (int n = 0; n < 2 * count; ++n)
    EXPECT_EQ(__bfloat162float(got[n]),
              __bfloat162float(__float2bfloat16(
                  std::max(0.0F, __bfloat162float(y[n]) + __bfloat162float(bias[n % (2 * c2)])))));
}

constexpr int kTile = 16;
__global__ void gemm(float* c, const float* a, const float* b, int m, int n, int k) {
  __shared__ float ta[kTile][kTile], tb[kTile][kTile + 1];
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int row = static_cast<int>(blockIdx.y) * kTile + y,
            column = static_cast<int>(blockIdx.x) * kTile + x;
  float sum = 0;
  for (int at = 0; at < k; at += kTile) {
    ta[y][x] = row < m && at + x < k ? a[row * k + at + x] : 0;
    tb[y][x] = column < n && at + y < k ? b[(at + y) * n + column] : 0;
    __syncthreads();
    for (int l = 0; l < kTile; ++l) sum += ta[y][l] * tb[l][x];
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}
TEST(Kernels, TiledMatrixProduct) {
  const int m = 37, n = 29, k = 50;
  const auto a = random_floats(m * k, 14), b = random_floats(k * n, 15);
  const DeviceArray<float> da(a), db(b), dc(m * n);
  gemm<<<dim3(2, 3), dim3(kTile, kTile)>>>(dc.get(), da.get(), db.get(), m, n, k);
  std::vector<float> want(m * n, 0);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j)
      for (int l = 0; l < k; ++l)
        want[i * n + j] = std::fma(a[i * k + l], b[l * n + j], want[i * n + j]);
  expect_near(dc.host(), want, 0);
}

template <class F>
__global__ void functions(float* y, const float* x, int count, F f) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) y[i] = f(x[i]);
}
struct Tanh {
  __device__ float operator()(float v) const { return tanhf(v); }
};
struct Sin {
  __device__ float operator()(float v) const { return sinf(v); }
};
struct Pow {
  __device__ float operator()(float v) const { return powf(fabsf(v), 1.7F); }
};
struct Erf {
  __device__ float operator()(float v) const { return erff(v); }
};
struct ExpDouble {
  __device__ float operator()(float v) const {
    return static_cast<float>(exp(static_cast<double>(v)));
  }
};
struct FastExp {
  __device__ float operator()(float v) const { return __expf(v); }
};
template <class F>
void check_function(F f, double (*host)(double), float tolerance) {
  const auto x = random_floats(500, 16, -30, 30);
  const DeviceArray<float> dx(x), dy(500);
  functions<<<4, 128>>>(dy.get(), dx.get(), 500, f);
  std::vector<float> want;
  for (const float v : x) want.push_back(static_cast<float>(host(v)));
  expect_near(dy.host(), want, tolerance);
}
TEST(Kernels, CudasMathFunctions) {
  check_function(
      Tanh{}, [](double v) { return std::tanh(v); }, 1e-6F);
  check_function(
      Sin{}, [](double v) { return std::sin(v); }, 1e-6F);
  check_function(
      Pow{}, [](double v) { return std::pow(std::fabs(v), 1.7F * 1.0); }, 1e-6F);
  check_function(
      Erf{}, [](double v) { return std::erf(v); }, 1e-6F);
  check_function(
      ExpDouble{}, [](double v) { return std::exp(v); }, 1e-6F);
  check_function(
      FastExp{}, [](double v) { return std::exp(v); }, 1e-5F);
}

}  // namespace
