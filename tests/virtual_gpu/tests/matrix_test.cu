// mma.sync against a product in plain loops. The host lays the matrices out as the PTX ISA's tables
// of fragments say, value by value; they are asymmetric, so that no exchange of places is hidden.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "support.cuh"

namespace {

constexpr int kLanes = 32, kRows = 16, kColumns = 8;
using Words = std::vector<std::uint32_t>;  // lane × register

// The four sums of each lane: c before, d after.
template <class Shape>
__global__ void multiply(float* sums, const std::uint32_t* a, const std::uint32_t* b) {
  float* mine = sums + 4 * threadIdx.x;
  Shape::multiply(mine, a + Shape::a_words * threadIdx.x, b + Shape::b_words * threadIdx.x);
}

#define MMA_OF_FOUR(opcode)                                                    \
  asm volatile(opcode " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#define MMA_OF_TWO(opcode)                                            \
  asm volatile(opcode " {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};" \
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])       \
               : "r"(a[0]), "r"(a[1]), "r"(b[0]))

struct Place {
  int row, column;
};
// Of the i-th value of a lane, for 16-bit types: PTX ISA, m16n8k8 and m16n8k16.
struct PlacesOf16Bits {
  static constexpr int per_word = 2;
  static Place in_a(int lane, int i) {
    const bool below = i % 4 >= 2;
    return {lane / 4 + (below ? 8 : 0), (lane % 4) * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
  }
  static Place in_b(int lane, int i) {
    return {(lane % 4) * 2 + (i & 1) + (i >= 2 ? 8 : 0), lane / 4};
  }
};
template <class T>
struct Of16Bits : PlacesOf16Bits {
  static std::uint32_t bits(float value) {
    const T stored(value);
    std::uint16_t bits = 0;
    std::memcpy(&bits, &stored, sizeof bits);
    return bits;
  }
};
#define SHAPE_OF_16_BITS(name, T, k, MMA, opcode)                                               \
  struct name : Of16Bits<T> {                                                                   \
    static constexpr int depth = k, a_words = k / 4, b_words = k / 8;                           \
    static __device__ void multiply(float* c, const std::uint32_t* a, const std::uint32_t* b) { \
      MMA(opcode);                                                                              \
    }                                                                                           \
  }
SHAPE_OF_16_BITS(Fp16K16, __half, 16, MMA_OF_FOUR,
                 "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
SHAPE_OF_16_BITS(Fp16K8, __half, 8, MMA_OF_TWO, "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32");
SHAPE_OF_16_BITS(Bf16K16, __nv_bfloat16, 16, MMA_OF_FOUR,
                 "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
SHAPE_OF_16_BITS(Bf16K8, __nv_bfloat16, 8, MMA_OF_TWO,
                 "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32");
struct Tf32K8 {
  static constexpr int depth = 8, a_words = 4, b_words = 2, per_word = 1;
  static Place in_a(int lane, int i) {
    return {lane / 4 + (i == 1 || i == 3 ? 8 : 0), lane % 4 + (i >= 2 ? 4 : 0)};
  }
  static Place in_b(int lane, int i) { return {lane % 4 + (i == 1 ? 4 : 0), lane / 4}; }
  // The lower bits do not count, whatever they are.
  static std::uint32_t bits(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return bits | 0x1FFFU;
  }
  static __device__ void multiply(float* c, const std::uint32_t* a, const std::uint32_t* b) {
    MMA_OF_FOUR("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32");
  }
};

// Small whole numbers: every product and sum is exact.
struct Matrix {
  int columns;
  std::vector<float> values;
  Matrix(int rows, int columns_, unsigned seed) : columns(columns_) {
    std::mt19937 engine(seed);
    for (int n = 0; n < rows * columns; ++n)
      values.push_back(static_cast<float>(static_cast<int>(engine() % 61) - 30));
  }
  float at(int row, int column) const {
    return values[static_cast<std::size_t>(row * columns + column)];
  }
};

template <class Shape, class Where>
Words fragment(const Matrix& matrix, int words, Where&& where) {
  Words packed(static_cast<std::size_t>(kLanes * words));
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < words * Shape::per_word; ++i) {
      const Place at = where(lane, i);
      packed[static_cast<std::size_t>(lane * words + i / Shape::per_word)] |=
          Shape::bits(matrix.at(at.row, at.column)) << (16 * (i % Shape::per_word));
    }
  return packed;
}

Place in_c(int lane, int i) {
  return {lane / 4 + (i >= 2 ? 8 : 0), (lane % 4) * 2 + (i & 1)};
}

template <class Shape>
class MatrixMultiply : public ::testing::Test {};
using Shapes = ::testing::Types<Fp16K16, Fp16K8, Bf16K16, Bf16K8, Tf32K8>;
TYPED_TEST_SUITE(MatrixMultiply, Shapes);

TYPED_TEST(MatrixMultiply, IsTheProductOfPlainLoops) {
  using Shape = TypeParam;
  const Matrix a(kRows, Shape::depth, 1), b(Shape::depth, kColumns, 2), c(kRows, kColumns, 3);
  std::vector<float> sums;
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i) sums.push_back(c.at(in_c(lane, i).row, in_c(lane, i).column));
  const DeviceArray<float> d(sums);
  const DeviceArray<std::uint32_t> da(fragment<Shape>(a, Shape::a_words, Shape::in_a));
  const DeviceArray<std::uint32_t> db(fragment<Shape>(b, Shape::b_words, Shape::in_b));
  multiply<Shape><<<1, kLanes>>>(d.get(), da.get(), db.get());
  CHECKED(cudaDeviceSynchronize());
  const std::vector<float> got = d.host();
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i) {
      const Place at = in_c(lane, i);
      float want = c.at(at.row, at.column);
      for (int k = 0; k < Shape::depth; ++k) want += a.at(at.row, k) * b.at(k, at.column);
      EXPECT_EQ(got[static_cast<std::size_t>(4 * lane + i)], want)
          << "row " << at.row << ", column " << at.column;
    }
}

__global__ void multiply_with_half_a_warp(float* sums, const std::uint32_t* a,
                                          const std::uint32_t* b) {
  if (threadIdx.x < 16) Fp16K8::multiply(sums + 4 * threadIdx.x, a, b);
}

TEST(MatrixMultiplyOfHalfAWarp, IsAnError) {
  NEEDS_VIRTUAL_GPU();
  const DeviceArray<float> sums(std::vector<float>(128));
  const DeviceArray<std::uint32_t> words(std::vector<std::uint32_t>(4));
  multiply_with_half_a_warp<<<1, kLanes>>>(sums.get(), words.get(), words.get());
  cudaDeviceSynchronize();
  EXPECT_NE(take_errors().find("multiplies matrices without lane 16"), std::string::npos);
}

}  // namespace
