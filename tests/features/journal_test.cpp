// The journal of an extraction: torn ends are left out, what stands before them is kept.

#include "engine/features/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/base/error.h"
#include "engine/features/row_log.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft {
namespace {

FeatureKey key() {
  return feature_key(DataConfig{}, digest_of("w"), "n", {1, 2, 512});
}

std::vector<JournalEntry> rows(std::size_t first, std::size_t count) {
  std::vector<JournalEntry> entries;
  for (std::size_t i = first; i < first + count; ++i) {
    entries.push_back({digest_of(test::numbered("c", i)), digest_of(test::numbered("r", i)), {}});
  }
  return entries;
}

TEST(Journal, ReadsBackWhatWasAppended) {
  const test::TemporaryFolder folder;
  JournalWriter writer = JournalWriter::create(folder / "j", digest_of("plan"), key());
  writer.append(rows(0, 3));
  writer.append({{digest_of("bad"), {}, "cut off \xFF"}});
  const auto journal = read_journal(folder / "j");
  ASSERT_TRUE(journal.has_value());
  EXPECT_EQ(journal->plan, digest_of("plan"));
  EXPECT_EQ(journal->key, key());
  ASSERT_EQ(journal->entries.size(), 4U);
  EXPECT_EQ(journal->entries[2].check, digest_of("r2"));
  EXPECT_FALSE(journal->entries[2].bad_reason.has_value());
  EXPECT_TRUE(journal->entries[3].bad_reason.has_value());
  EXPECT_FALSE(journal->committed);
  writer.commit();
  EXPECT_TRUE(read_journal(folder / "j")->committed);
}

TEST(Journal, EveryTruncationKeepsTheWholeLinesBefore) {
  const test::TemporaryFolder folder;
  JournalWriter writer = JournalWriter::create(folder / "j", digest_of("plan"), key());
  const auto start_end = std::filesystem::file_size(folder / "j");
  writer.append(rows(0, 2));
  const auto first_end = std::filesystem::file_size(folder / "j");
  writer.append(rows(2, 2));
  writer.commit();
  const std::string text = read_text_file(folder / "j", 1 << 20);
  for (std::size_t length = 0; length <= text.size(); ++length) {
    test::write_bytes(folder / "torn", std::string_view(text).substr(0, length));
    const auto journal = read_journal(folder / "torn");
    ASSERT_EQ(journal.has_value(), length >= start_end) << length;
    if (!journal) continue;
    const std::size_t lines = journal->entries.size();
    EXPECT_EQ(lines >= 2, length >= first_end) << length;
    EXPECT_EQ(journal->committed, length == text.size()) << length;
  }
}

TEST(Journal, AFlippedByteEndsItThere) {
  const test::TemporaryFolder folder;
  JournalWriter writer = JournalWriter::create(folder / "j", digest_of("plan"), key());
  writer.append(rows(0, 1));
  const auto first_end = std::filesystem::file_size(folder / "j");
  writer.append(rows(1, 1));
  writer.append(rows(2, 1));
  std::string text = read_text_file(folder / "j", 1 << 20);
  text[first_end + 50] ^= 1;
  test::write_bytes(folder / "j", text);
  EXPECT_EQ(read_journal(folder / "j")->entries.size(), 1U);
}

TEST(Journal, GoesOnAfterTheTornEndIsCutOff) {
  const test::TemporaryFolder folder;
  JournalWriter::create(folder / "j", digest_of("plan"), key()).append(rows(0, 1));
  std::ofstream(folder / "j", std::ios::app) << "0123 torn";
  const auto torn = read_journal(folder / "j");
  JournalWriter::reopen(folder / "j", torn->entry_ends.back()).append(rows(1, 1));
  EXPECT_EQ(read_journal(folder / "j")->entries.size(), 2U);
}

TEST(Journal, AForeignFileIsNoJournal) {
  const test::TemporaryFolder folder;
  EXPECT_FALSE(read_journal(folder / "absent").has_value());
  for (const char* text : {"", "\n", "x\n", "{}\n"}) {
    test::write_bytes(folder / "j", text);
    EXPECT_FALSE(read_journal(folder / "j").has_value()) << text;
  }
  // A whole line of ours, of another program.
  const std::string json = "{\"plan\": 3}";
  test::write_bytes(folder / "j", digest_of(json).hex() + " " + json + "\n");
  EXPECT_FALSE(read_journal(folder / "j").has_value());
}

class RowLogTest : public ::testing::Test {
 protected:
  static constexpr RowLayout layout{64, 8};
  static std::vector<std::byte> row(int i) {
    return std::vector<std::byte>(8, static_cast<std::byte>(i));
  }
  void write(int count, int rows_a_line) {
    RowLog log = RowLog::create(folder_ / "r", folder_ / "j", layout, std::string(64, 'h'), 16,
                                digest_of("plan"), key());
    for (int i = 0; i < count; ++i) {
      log.add_row(digest_of(std::to_string(i)), row(i), digest_of(row(i)));
      if ((i + 1) % rows_a_line == 0) log.flush();
    }
  }
  std::size_t usable() {
    return usable_entries(folder_ / "r", layout, *read_journal(folder_ / "j"));
  }
  test::TemporaryFolder folder_;
};

TEST_F(RowLogTest, FlushedRowsAreUsableOthersAreNot) {
  write(8, 3);
  EXPECT_EQ(usable(), 6U);
}

TEST_F(RowLogTest, ReservesThePlaceOfEveryRow) {
  write(1, 1);
  EXPECT_EQ(std::filesystem::file_size(folder_ / "r"), 64U + 16U * 8U);
}

TEST_F(RowLogTest, ADamagedRowEndsWhatIsUsableAtItsLine) {
  write(9, 3);
  File(folder_ / "r", File::Mode::read_write).write_at(64 + 4 * 8, row(99));
  EXPECT_EQ(usable(), 3U);  // row 4 is in the second line
}

TEST_F(RowLogTest, AShortOrAbsentFileHasNoRows) {
  write(9, 3);
  File(folder_ / "r", File::Mode::read_write).truncate(64 + 7 * 8);
  EXPECT_EQ(usable(), 6U);
  std::filesystem::remove(folder_ / "r");
  EXPECT_EQ(usable(), 0U);
}

TEST_F(RowLogTest, ARowOfAnotherSizeIsRefused) {
  RowLog log = RowLog::create(folder_ / "r", folder_ / "j", layout, std::string(64, 'h'), 16,
                              digest_of("plan"), key());
  EXPECT_THROW(log.add_row({}, std::vector<std::byte>(7), {}), Error);
  EXPECT_THROW(log.finish(std::string(128, 'h')), Error);
}

}  // namespace
}  // namespace graft
