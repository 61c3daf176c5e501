#include "tools/graft/text.h"

#include <gtest/gtest.h>

#include <vector>

namespace graft::program {
namespace {

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
  EXPECT_EQ(printable("a\x1b[31m\nb\x7f", 20), "a?[31m?b?");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
}

TEST(ReplaceAll, ReplacesEachOccurrenceOnce) {
  EXPECT_EQ(replace_all("a|b|", "|", "\\|"), "a\\|b\\|");
  EXPECT_EQ(replace_all("${a}${b}", "${", "$${"), "$${a}$${b}");
  EXPECT_EQ(replace_all("", "x", "y"), "");
}

}  // namespace
}  // namespace graft::program
