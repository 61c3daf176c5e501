#include "kernels/cpu/gemm_convolution.h"

#include <stdexcept>

#include "tests/kernels/convolution_case.h"
#include "tests/kernels/isa_test.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using cpu::ConvolutionShape;
using cpu::GemmConvolution;
using cpu::Isa;

constexpr double tolerance = 1e-6;

std::vector<float> by(Isa isa, const ConvolutionCase& layer, std::size_t threads = 1,
                      std::size_t offset = 0) {
  return layer.by(GemmConvolution(cpu::kernels_for(isa), layer.shape), threads, offset);
}

class GemmConvolutions : public IsaTest {};
GRAFT_FOR_EACH_ISA(GemmConvolutions);

TEST_P(GemmConvolutions, AreTheConvolutionOnEveryShapeUpTo40) {
  for (std::size_t side = 1; side <= 40; ++side) {
    const ConvolutionCase layer({side, 41 - side, 16, 32, false});
    EXPECT_TRUE(nearly_equal(by(GetParam(), layer), layer.plain(), tolerance)) << side;
  }
}

TEST_P(GemmConvolutions, AreTheConvolutionAndPoolOnEveryShapeUpTo40) {
  for (std::size_t side = 2; side <= 40; ++side) {
    const ConvolutionCase layer({side, 42 - side, 16, 16, true});
    EXPECT_TRUE(nearly_equal(by(GetParam(), layer), layer.plain(), tolerance)) << side;
  }
}

TEST_P(GemmConvolutions, AreTheConvolutionForEveryNumberOfChannels) {
  for (std::size_t channels = 16; channels <= 144; channels += 16) {
    for (const bool pooled : {false, true}) {
      const ConvolutionCase layer({9, 70, channels, 160 - channels, pooled});
      EXPECT_TRUE(nearly_equal(by(GetParam(), layer), layer.plain(), tolerance)) << channels;
    }
  }
}

TEST_P(GemmConvolutions, KeepNotANumberAndInfinityWhereThePlainLoopHasThem) {
  for (const bool pooled : {false, true}) {
    ConvolutionCase layer({11, 13, 16, 16, pooled});
    layer.input[(3 * 13 + 4) * 16] = std::numeric_limits<float>::quiet_NaN();
    layer.input[(8 * 13 + 9) * 16 + 1] = std::numeric_limits<float>::infinity();
    EXPECT_TRUE(nearly_equal(by(GetParam(), layer), layer.plain(), tolerance));
  }
}

TEST_P(GemmConvolutions, GiveTheSameBytesForAnyThreadsAlignmentAndBatch) {
  const ConvolutionCase all({19, 23, 32, 64, true}, 3);
  const std::vector<float> expected = by(GetParam(), all);
  EXPECT_TRUE(same_bytes(by(GetParam(), all, 2, 3), expected));
  EXPECT_TRUE(same_bytes(by(GetParam(), all, 3, 1), expected));
  EXPECT_TRUE(same_bytes(by(GetParam(), all.image(1)),
                         std::span(expected).subspan(all.output_size(), all.output_size())));
}

TEST_P(GemmConvolutions, RefuseWhatTheyCannotDo) {
  for (const ConvolutionShape& shape :
       {ConvolutionShape{5, 5, 3, 16, false}, {5, 1, 16, 16, true}}) {
    EXPECT_THROW(GemmConvolution(kernels(), shape), std::invalid_argument);
  }
}

TEST(GemmConvolutionBytes, AreTheSameWithAvx2AndAvx512) {
  if (!cpu::supports(Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  const ConvolutionCase layer({17, 31, 48, 80, false});
  EXPECT_TRUE(same_bytes(by(Isa::avx2, layer), by(Isa::avx512, layer)));
}

}  // namespace
}  // namespace graft::test
