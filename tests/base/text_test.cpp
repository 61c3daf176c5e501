#include "engine/base/text.h"

#include <gtest/gtest.h>

namespace graft {
namespace {

TEST(Utf8, AcceptsEveryLengthAndTheLimits) {
  for (const char* good : {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "a\xC3\xA9z"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
}

TEST(Utf8, RefusesTornOverlongSurrogateAndTooLargeForms) {
  for (const char* bad :
       {"\x80", "\xC3", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE7\x8C", "a\xF0\x90\x80"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

TEST(Utf8, EscapesOnlyTheBytesThatDoNotFit) {
  EXPECT_EQ(escape_invalid_utf8("caf\xE9 \xC3\xA9"), "caf\\xe9 \xC3\xA9");
  EXPECT_EQ(escape_invalid_utf8("\xE7\x8C"), "\\xe7\\x8c");
  EXPECT_TRUE(is_utf8(escape_invalid_utf8("\xFF\xC3\xA9\x80")));
}

TEST(Numbers, AreGroupedByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(counted(1, "image", "images"), "1 image");
  EXPECT_EQ(counted(2000, "image", "images"), "2,000 images");
}

}  // namespace
}  // namespace graft
