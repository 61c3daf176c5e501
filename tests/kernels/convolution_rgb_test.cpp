#include "kernels/cpu/convolution_rgb.h"

#include <limits>

#include "tests/kernels/guarded_floats.h"
#include "tests/kernels/isa_test.h"
#include "tests/reference/convolution.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using cpu::Isa;

struct RgbCase {
  std::size_t height, width, outputs;
  std::vector<float> image, kernel, bias;

  RgbCase(std::size_t height_, std::size_t width_, std::size_t outputs_)
      : height(height_),
        width(width_),
        outputs(outputs_),
        image(normal_values(height * width * 3, 3)),
        kernel(normal_values(27 * outputs, 4)),
        bias(normal_values(outputs, 5)) {}

  std::vector<float> by(Isa isa, std::size_t offset, std::size_t rows_at_once) const {
    std::vector<float> bordered((height + 2) * (width + 2) * 3, 0.0F);
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t index = 0; index < width * 3; ++index) {
        bordered[(y + 1) * (width + 2) * 3 + 3 + index] = image[y * width * 3 + index];
      }
    }
    GuardedFloats input(bordered, offset), weights(kernel, offset), biases(bias, offset);
    GuardedFloats output(height * width * outputs, offset);
    for (std::size_t row = 0; row < height; row += rows_at_once) {
      cpu::kernels_for(isa).convolution_rgb({width, outputs, input.data(), weights.data(),
                                             biases.data(), output.data(), row,
                                             std::min(rows_at_once, height - row)});
    }
    EXPECT_TRUE(output.guards_intact());
    return {output.values().begin(), output.values().end()};
  }

  std::vector<float> plain() const {
    reference::FeatureMap map =
        reference::convolution({height, width, 3, {image.begin(), image.end()}}, kernel, bias);
    reference::relu(map);
    return reference::rounded(map);
  }
};

class ConvolutionRgb : public IsaTest {};
GRAFT_FOR_EACH_ISA(ConvolutionRgb);

TEST_P(ConvolutionRgb, IsTheConvolutionForEveryWidth) {
  for (std::size_t width = 1; width <= 40; ++width) {
    const RgbCase rgb(1 + width % 7, width, 64);
    EXPECT_TRUE(nearly_equal(rgb.by(GetParam(), width % 16, 3), rgb.plain(), 1e-6))
        << "width " << width;
  }
}

TEST_P(ConvolutionRgb, IsTheConvolutionForEveryNumberOfChannels) {
  for (std::size_t outputs = 16; outputs <= 144; outputs += 16) {
    const RgbCase rgb(5, 9, outputs);
    EXPECT_TRUE(nearly_equal(rgb.by(GetParam(), 1, 5), rgb.plain(), 1e-6))
        << outputs << " channels";
  }
}

TEST_P(ConvolutionRgb, KeepsNotANumberAndInfinity) {
  RgbCase rgb(9, 11, 32);
  rgb.image[(2 * 11 + 3) * 3] = std::numeric_limits<float>::quiet_NaN();
  rgb.image[(6 * 11 + 8) * 3 + 1] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(nearly_equal(rgb.by(GetParam(), 0, 9), rgb.plain(), 1e-6));
}

TEST(ConvolutionRgbBytes, AreTheSameWithAvx2AndAvx512) {
  if (!cpu::supports(Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  const RgbCase rgb(31, 37, 64);
  EXPECT_TRUE(same_bytes(rgb.by(Isa::avx2, 0, 4), rgb.by(Isa::avx512, 0, 31)));
}

}  // namespace
}  // namespace graft::test
