#include "engine/base/digest.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/error.h"

namespace graft {
namespace {

// XXH3_128bits of an empty input without a seed, from the test vectors of the xxHash project.
TEST(Digest, OfNothingIsTheAlgorithmsOwnConstant) {
  EXPECT_EQ(digest_of(std::string_view{}).hex(), "99aa06d3014798d86001c324468d497f");
}

TEST(Digest, HexReadsBack) {
  const Digest digest = digest_of(std::string_view{"graft"});
  EXPECT_EQ(Digest::from_hex(digest.hex()), digest);
}

TEST(Digest, FromHexRefusesWhatIsNotThirtyTwoHexadecimalDigits) {
  for (const std::string text :
       {"", "12", "zz000000000000000000000000000000", "0x000000000000000000000000000000",
        "000000000000000000000000000000000"}) {
    EXPECT_THROW(Digest::from_hex(text), Error) << text;
  }
}

TEST(Digester, PiecesGiveTheDigestOfTheWhole) {
  const std::string text(5000, 'g');
  for (const std::size_t cut : {0U, 1U, 239U, 240U, 241U, 4999U, 5000U}) {
    Digester digester;
    digester.add(std::string_view(text).substr(0, cut));
    digester.add(std::string_view(text).substr(cut));
    EXPECT_EQ(digester.digest(), digest_of(std::string_view(text))) << cut;
  }
}

}  // namespace
}  // namespace graft
