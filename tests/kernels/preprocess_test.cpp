#include "kernels/cpu/preprocess.h"

#include "tests/reference/convolution.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

constexpr Preprocess all[] = {Preprocess::rescale, Preprocess::caffe, Preprocess::torch};

PixelTables tables_of(Preprocess how) {
  if (how == Preprocess::caffe) return caffe_tables();
  return how == Preprocess::torch ? torch_tables() : rescale_tables();
}

TEST(Preprocess, IsKerasBitForBitForEveryByte) {
  std::vector<std::uint8_t> rgb;
  for (int byte = 0; byte < 256; ++byte) {
    for (const int shift : {0, 85, 170}) rgb.push_back(static_cast<std::uint8_t>(byte + shift));
  }
  for (const Preprocess how : all) {
    const std::vector<float> expected = reference::rounded(reference::preprocess(how, 8, 32, rgb));
    std::vector<float> padded(10 * 34 * 3);
    cpu::preprocess(tables_of(how), {8, 32, rgb.data(), padded.data()});
    std::vector<float> inside;
    for (std::size_t y = 1; y <= 8; ++y) {
      const auto row = padded.begin() + static_cast<std::ptrdiff_t>((y * 34 + 1) * 3);
      inside.insert(inside.end(), row, row + 96);
    }
    EXPECT_TRUE(same_bytes(inside, expected)) << name_of(how);
  }
}

TEST(Preprocess, LeavesTheBorderAlone) {
  const std::vector<std::uint8_t> rgb(5 * 7 * 3, 200);
  std::vector<float> padded(7 * 9 * 3, 0.0F);
  cpu::preprocess(caffe_tables(), {5, 7, rgb.data(), padded.data()});
  for (std::size_t y = 0; y < 7; ++y) {
    for (std::size_t x = 0; x < 9; ++x) {
      const bool border = y == 0 || y == 6 || x == 0 || x == 8;
      for (std::size_t c = 0; c < 3; ++c) {
        // No byte gives 0 under the caffe means.
        EXPECT_EQ(padded[(y * 9 + x) * 3 + c] == 0.0F, border);
      }
    }
  }
}

TEST(Preprocess, KnowsTheKnownValues) {
  EXPECT_EQ(rescale_tables().value[0][255], 1.0F);
  EXPECT_EQ(caffe_tables().source[0], 2);
  EXPECT_FLOAT_EQ(caffe_tables().value[0][0], -103.939F);
  EXPECT_FLOAT_EQ(torch_tables().value[2][0], -1.8044444F);
}

}  // namespace
}  // namespace graft::test
