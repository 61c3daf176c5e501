#include "engine/base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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

TEST(Numbers, HaveFourSignificantDigits) {
  EXPECT_EQ(four_digits(0.0), "0");
  EXPECT_EQ(four_digits(0.0234512), "0.02345");
  EXPECT_EQ(four_digits(1.2341), "1.234");
  EXPECT_EQ(four_digits(-123456.0), "-123456");
  EXPECT_EQ(four_digits(1.2341e9), "1.234e+09");
  EXPECT_EQ(percent(.1234, 1), "12.3 %");
}

TEST(Durations, HaveAUnitThatFits) {
  EXPECT_EQ(duration_text(-1.0), "0.0 s");
  EXPECT_EQ(duration_text(0.24), "0.2 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(155.0), "2 min 35 s");
  EXPECT_EQ(duration_text(3720.0), "1 h 02 min");
}

TEST(Table, AlignsCharactersOfUtf8) {
  EXPECT_EQ(text_width("caf\xC3\xA9"), 4U);
  EXPECT_EQ(padded("caf\xC3\xA9", 6), "caf\xC3\xA9  ");
  EXPECT_EQ(padded("abc", 5, Align::right), "  abc");
  EXPECT_EQ(padded("abc", 2), "abc");
  TextTable table({{"name", Align::left}, {"empty"}, {"count"}, {"text", Align::left}});
  table.row({"caf\xC3\xA9", "", "7", "a\nb"});
  table.note("a note");
  table.row({"a longer one", "", "1234567"});
  EXPECT_EQ(table.text(">"),
            ">name            count  text\n"
            ">caf\xC3\xA9                7  a\\x0ab\n"
            ">    ! a note\n"
            ">a longer one  1234567\n");
  TextTable without_heads({{"", Align::left}, {""}});
  without_heads.row({"a", "1"});
  EXPECT_EQ(without_heads.text(), "a  1\n");
}

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("epochs", "epochs"), 0U);
  EXPECT_EQ(edit_distance("epoch", "epochs"), 1U);
  EXPECT_EQ(edit_distance("epocxs", "epochs"), 1U);
  EXPECT_EQ(edit_distance("epohcs", "epochs"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Nearest, TakesTheNearestOfThose) {
  const std::vector<std::string> words = {"bilinear", "bicubic", "nearest"};
  EXPECT_EQ(nearest("nearst", words), "nearest");
  EXPECT_EQ(nearest("bicubik", words), "bicubic");
}

TEST(Nearest, SaysNothingWhenNoneIsNear) {
  const std::vector<std::string> words = {"bilinear", "bicubic", "nearest"};
  EXPECT_EQ(nearest("spline", words), std::nullopt);
  EXPECT_EQ(nearest("", words), std::nullopt);
  EXPECT_EQ(nearest(std::string(100000, 'n'), words), std::nullopt);
}

TEST(Printable, KeepsATerminalSafeAndALineShort) {
  EXPECT_EQ(printable("caf\xC3\xA9", 10), "caf\xC3\xA9");
  EXPECT_EQ(printable("a\x1b[31m\nb\x7f", 20), R"(a\x1b[31m\x0ab\x7f)");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("\xC2\x9B\xFF"), R"(\xc2\x9b\xff)");  // C1's CSI, and no UTF-8
  EXPECT_EQ(shown("a/b\nc.jpg"), R"(a/b\x0ac.jpg)");
}

TEST(ReplaceAll, ReplacesEachOccurrenceOnce) {
  EXPECT_EQ(replace_all("a|b|", "|", "\\|"), "a\\|b\\|");
  EXPECT_EQ(replace_all("${a}${b}", "${", "$${"), "$${a}$${b}");
  EXPECT_EQ(replace_all("", "x", "y"), "");
}

}  // namespace
}  // namespace graft
