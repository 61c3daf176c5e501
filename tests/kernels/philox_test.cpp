// Philox4x32-10 against the known answers of Random123, and the streams that are cut from it.

#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

namespace graft {
namespace {

using Words = std::array<std::uint32_t, 4>;

Words philox(const Words& counter, std::uint32_t key0, std::uint32_t key1) {
  const PhiloxBlock block =
      philox4x32_10({{counter[0], counter[1], counter[2], counter[3]}}, key0, key1);
  return {block.word[0], block.word[1], block.word[2], block.word[3]};
}

// Random123's known-answer file, the lines of "philox4x32 10": zeros, ones, digits of pi.
TEST(Philox, GivesThePublishedKnownAnswers) {
  constexpr std::uint32_t ones = 0xFFFFFFFFU;
  EXPECT_EQ(philox({0, 0, 0, 0}, 0, 0),
            (Words{0x6627E8D5U, 0xE169C58DU, 0xBC57AC4CU, 0x9B00DBD8U}));
  EXPECT_EQ(philox({ones, ones, ones, ones}, ones, ones),
            (Words{0x408F276DU, 0x41C83B0EU, 0xA20BC7C6U, 0x6D5451FDU}));
  EXPECT_EQ(philox({0x243F6A88U, 0x85A308D3U, 0x13198A2EU, 0x03707344U}, 0xA4093822U, 0x299F31D0U),
            (Words{0xD16CFE09U, 0x94FDCCEBU, 0x5001E420U, 0x24126EA1U}));
}

TEST(RandomStreams, TheCounterIsBlockThenStepThenPurposeAndLayer) {
  const RandomStream stream = {0x1122334455667788ULL, RandomPurpose::dropout, 0xAB,
                               0x0000C0DE12345678ULL};
  const PhiloxBlock block = random_block(stream, 0x99999999AAAAAAAAULL);
  EXPECT_EQ((Words{block.word[0], block.word[1], block.word[2], block.word[3]}),
            philox({0xAAAAAAAAU, 0x99999999U, 0x12345678U, 0x03ABC0DEU}, 0x55667788U, 0x11223344U));
}

TEST(RandomStreams, AWordIsAFunctionOfItsIndex) {
  const RandomStream stream = {1, RandomPurpose::shuffle, 0, 9};
  for (std::uint64_t index = 0; index < 100; ++index) {
    EXPECT_EQ(random_word(stream, index), random_block(stream, index / 4).word[index % 4]);
  }
}

TEST(RandomStreams, EveryFieldMakesAnotherStream) {
  std::set<std::uint32_t> first_words;
  std::size_t streams = 0;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32U}) {
    for (const auto purpose :
         {RandomPurpose::initialize, RandomPurpose::shuffle, RandomPurpose::dropout}) {
      for (const std::uint32_t layer : {0U, 1U, 255U}) {
        for (const std::uint64_t step : {0ULL, 1ULL, 1ULL << 32U, (1ULL << 48U) - 1}) {
          first_words.insert(random_word({seed, purpose, layer, step}, 0));
          ++streams;
        }
      }
    }
  }
  EXPECT_EQ(first_words.size(), streams);
}

TEST(UniformFromWord, IsBelowOneInStepsOfTwoToTheMinus24) {
  EXPECT_EQ(uniform_from_word(0), 0.0F);
  EXPECT_EQ(uniform_from_word(0xFFU), 0.0F);
  EXPECT_EQ(uniform_from_word(0x100U), std::ldexp(1.0F, -24));
  EXPECT_EQ(uniform_from_word(0x80000000U), 0.5F);
  EXPECT_EQ(uniform_from_word(0xFFFFFFFFU), 1.0F - std::ldexp(1.0F, -24));
}

TEST(UniformFromWord, HasTheMeanVarianceAndCorrelationOfIndependentUniforms) {
  constexpr std::uint64_t count = 100000;
  const RandomStream stream = {3, RandomPurpose::dropout, 0, 0};
  const RandomStream next = {3, RandomPurpose::dropout, 0, 1};
  double sum = 0.0;
  double squares = 0.0;
  double products = 0.0;
  for (std::uint64_t index = 0; index < count; ++index) {
    const double a = uniform_from_word(random_word(stream, index)) - 0.5;
    const double b = uniform_from_word(random_word(next, index)) - 0.5;
    sum += a;
    squares += a * a;
    products += a * b;
  }
  const double variance = 1.0 / 12.0;
  EXPECT_NEAR(sum / count, 0.0, 5.0 * std::sqrt(variance / count));
  EXPECT_NEAR(squares / count, variance, 5.0 * std::sqrt(1.0 / 180.0 / count));
  EXPECT_NEAR(products / count, 0.0, 5.0 * variance / std::sqrt(count));
}

}  // namespace
}  // namespace graft
