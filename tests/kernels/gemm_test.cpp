#include "kernels/cpu/gemm.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/guarded_floats.h"
#include "tests/kernels/isa_test.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using cpu::channel_block;
using cpu::Isa;
using cpu::KernelTable;

// Row-major matrices A (rows × depth) and B (depth × columns), and their product by `isa`.
struct Product {
  std::size_t rows, columns, depth;
  std::vector<float> a, b;

  Product(std::size_t rows_, std::size_t columns_, std::size_t depth_)
      : rows(rows_),
        columns(columns_),
        depth(depth_),
        a(normal_values(rows * depth, 1)),
        b(normal_values(depth * columns, 2)) {}

  std::vector<float> packed_a(const KernelTable& kernels) const {
    const std::size_t panel = kernels.gemm_rows;
    // Values past the last row must not matter.
    std::vector<float> packed((rows + panel - 1) / panel * panel * depth,
                              std::numeric_limits<float>::quiet_NaN());
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t k = 0; k < depth; ++k) {
        packed[((row / panel * (depth / channel_block) + k / channel_block) * panel + row % panel) *
                   channel_block +
               k % channel_block] = a[row * depth + k];
      }
    }
    return packed;
  }

  std::vector<float> packed_b(const KernelTable& kernels) const {
    const std::size_t panel = kernels.gemm_columns;
    std::vector<float> packed(depth * columns);
    for (std::size_t k = 0; k < depth; ++k) {
      for (std::size_t column = 0; column < columns; ++column) {
        packed[(column / panel * depth + k) * panel + column % panel] = b[k * columns + column];
      }
    }
    return packed;
  }

  std::vector<float> by(Isa isa, std::size_t offset, std::size_t gap = 0) const {
    const KernelTable& kernels = cpu::kernels_for(isa);
    GuardedFloats left(packed_a(kernels), offset), right(packed_b(kernels), offset);
    GuardedFloats c(rows * (columns + gap), offset);
    kernels.gemm(
        {rows, columns, depth, left.data(), right.data(), right.data(), c.data(), columns + gap});
    EXPECT_TRUE(c.guards_intact());
    std::vector<float> product;
    for (std::size_t row = 0; row < rows; ++row) {
      const float* from = c.data() + row * (columns + gap);
      product.insert(product.end(), from, from + columns);
    }
    return product;
  }

  std::vector<float> plain() const {
    std::vector<float> product;
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < columns; ++column) {
        double sum = 0;
        for (std::size_t k = 0; k < depth; ++k) {
          sum += static_cast<double>(a[row * depth + k]) *
                 static_cast<double>(b[k * columns + column]);
        }
        product.push_back(static_cast<float>(sum));
      }
    }
    return product;
  }
};

class Gemm : public IsaTest {};
GRAFT_FOR_EACH_ISA(Gemm);

TEST_P(Gemm, IsTheProductForEveryNumberOfRows) {
  for (std::size_t rows = 0; rows <= 2 * kernels().gemm_rows + 1; ++rows) {
    const Product product(rows, 2 * kernels().gemm_columns, 48);
    EXPECT_TRUE(nearly_equal(product.by(GetParam(), rows % 16), product.plain(), 1e-6))
        << rows << " rows";
  }
}

TEST_P(Gemm, IsTheProductForEveryDepth) {
  for (std::size_t depth = channel_block; depth <= 5 * cpu::gemm_chain / 2;
       depth += channel_block) {
    const Product product(kernels().gemm_rows + 3, kernels().gemm_columns, depth);
    EXPECT_TRUE(nearly_equal(product.by(GetParam(), 0, 5), product.plain(), 1e-6))
        << "depth " << depth;
  }
}

// Chains of 128: without them the error at this depth is about twice as large.
TEST_P(Gemm, KeepsItsDigitsOverAGreatDepth) {
  const Product product(24, 32, 4096);
  EXPECT_TRUE(nearly_equal(product.by(GetParam(), 0), product.plain(), 1e-6));
}

TEST_P(Gemm, ARowDoesNotDependOnTheOthers) {
  const Product all(31, 64, 80);
  const std::vector<float> expected = all.by(GetParam(), 0);
  for (std::size_t row = 0; row < all.rows; ++row) {
    Product one(1, 64, 80);
    one.a.assign(all.a.begin() + static_cast<std::ptrdiff_t>(row * all.depth),
                 all.a.begin() + static_cast<std::ptrdiff_t>((row + 1) * all.depth));
    EXPECT_TRUE(same_bytes(one.by(GetParam(), 0), std::span(expected).subspan(row * 64, 64)));
  }
}

TEST_P(Gemm, ANotANumberStaysInItsRow) {
  Product product(17, 32, 32);
  product.a[5 * product.depth + 7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(nearly_equal(product.by(GetParam(), 0), product.plain(), 1e-6));
}

TEST(GemmBytes, AreTheSameWithAvx2AndAvx512) {
  if (!cpu::supports(Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  const Product product(47, 96, 272);
  EXPECT_TRUE(same_bytes(product.by(Isa::avx2, 0), product.by(Isa::avx512, 0)));
}

}  // namespace
}  // namespace graft::test
