// The journal of an extraction and its rows: torn ends are ignored, what is before them is kept.

#include "engine/features/row_log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "engine/base/error.h"
#include "tests/features/system_calls.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft {
namespace {

class RowLogTest : public ::testing::Test {
 protected:
  static constexpr RowLayout layout{64, 8};
  static FeatureKey key() { return feature_key(DataConfig{}, digest_of("w"), "n", {1, 2, 512}); }
  static std::vector<std::byte> row(int i) {
    return std::vector<std::byte>(8, static_cast<std::byte>(i));
  }
  RowLog create() const { return RowLog::create(paths_, std::string(64, 'h'), 8, 16, key()); }
  static void add_rows(RowLog& log, int first, int count) {
    for (int i = first; i < first + count; ++i) {
      log.add_row(digest_of(std::to_string(i)), row(i), digest_of(row(i)));
    }
  }
  void write(int count, int rows_a_line) const {
    RowLog log = create();
    for (int i = 0; i < count; i += rows_a_line) {
      add_rows(log, i, std::min(rows_a_line, count - i));
      if (i + rows_a_line <= count) log.flush();
    }
  }
  std::uintmax_t journal_size() const { return std::filesystem::file_size(paths_.journal); }
  std::string journal_text() const { return read_text_file(paths_.journal, 1 << 20); }
  std::size_t usable() const {
    return usable_entries(paths_.rows, layout, *read_journal(paths_.journal));
  }

  test::TemporaryFolder folder_;
  LogPaths paths_{folder_ / "r", folder_ / "j"};
};

TEST_F(RowLogTest, TheJournalReadsBackWhatWasFlushed) {
  RowLog log = create();
  add_rows(log, 0, 3);
  log.flush();
  log.add_bad(digest_of("bad"), "cut off \xFF");
  log.flush();
  const auto journal = read_journal(paths_.journal);
  ASSERT_TRUE(journal.has_value());
  EXPECT_EQ(journal->key, key());
  ASSERT_EQ(journal->entries.size(), 4U);
  EXPECT_EQ(journal->entries[2].digest, digest_of("2"));
  EXPECT_EQ(journal->entries[2].check, digest_of(row(2)));
  EXPECT_FALSE(journal->entries[2].bad_reason);
  EXPECT_TRUE(journal->entries[3].bad_reason);
  EXPECT_FALSE(journal->committed);
  log.commit();
  EXPECT_TRUE(read_journal(paths_.journal)->committed);
  write_committed_journal(paths_.journal, key());
  EXPECT_TRUE(read_journal(paths_.journal)->committed);
}

// So that a line takes little memory where it is read.
TEST_F(RowLogTest, AFlushOfManyRowsMakesSeveralLines) {
  RowLog log = create();
  add_rows(log, 0, 10'000);
  log.flush();
  const auto journal = read_journal(paths_.journal);
  ASSERT_EQ(journal->entries.size(), 10'000U);
  EXPECT_EQ(journal->entries[9'999].digest, digest_of("9999"));
  EXPECT_LT(journal->entry_ends.front(), journal->entry_ends.back() / 2);
  EXPECT_EQ(usable(), 10'000U);
}

TEST_F(RowLogTest, TheVerdictOfAnotherDecoderIsAboutNoImage) {
  RowLog log = create();
  log.add_bad(digest_of("bad"), "out of memory");
  log.flush();
  EXPECT_EQ(read_journal(paths_.journal)->entries[0].digest, digest_of("bad"));
  const std::string text = journal_text();
  const std::size_t line = text.find('\n') + 1;
  std::string json = text.substr(line + 33, text.size() - line - 34);
  json.erase(json.rfind(','), json.find(']') - json.rfind(','));  // as an older version wrote it
  write_file_whole(paths_.journal,
                   text.substr(0, line) + digest_of(json).hex() + " " + json + "\n");
  const auto journal = read_journal(paths_.journal);
  ASSERT_EQ(journal->entries.size(), 1U);
  EXPECT_EQ(journal->entries[0].digest, Digest());
  EXPECT_EQ(*journal->entries[0].bad_reason, "out of memory");
}

TEST_F(RowLogTest, EveryTruncationOfTheJournalKeepsTheCompleteLinesBefore) {
  RowLog log = create();
  const auto start_end = journal_size();
  add_rows(log, 0, 2);
  log.flush();
  const auto first_end = journal_size();
  add_rows(log, 2, 2);
  log.flush();
  log.commit();
  const std::string text = journal_text();
  for (std::size_t length = 0; length <= text.size(); ++length) {
    test::write_bytes(folder_ / "torn", std::string_view(text).substr(0, length));
    const auto journal = read_journal(folder_ / "torn");
    ASSERT_EQ(journal.has_value(), length >= start_end) << length;
    if (!journal) continue;
    EXPECT_EQ(journal->entries.size() >= 2, length >= first_end) << length;
    EXPECT_EQ(journal->committed, length == text.size()) << length;
  }
}

TEST_F(RowLogTest, AFlippedByteEndsTheJournalThere) {
  write(3, 1);
  std::string text = journal_text();
  const std::size_t second_row = text.find('\n', text.find('\n') + 1) + 1;
  text[second_row + 50] ^= 1;
  test::write_bytes(paths_.journal, text);
  EXPECT_EQ(read_journal(paths_.journal)->entries.size(), 1U);
}

TEST_F(RowLogTest, ContinuesAfterTheTornEndIsCutOff) {
  write(2, 2);
  std::ofstream(paths_.journal, std::ios::app) << "0123 torn";
  RowLog log = RowLog::resume(paths_, layout, 16, *read_journal(paths_.journal), 2);
  EXPECT_EQ(log.rows(), 2U);
  add_rows(log, 2, 1);
  log.flush();
  EXPECT_EQ(read_journal(paths_.journal)->entries.size(), 3U);
  EXPECT_EQ(usable(), 3U);
}

TEST_F(RowLogTest, AForeignFileIsNoJournal) {
  EXPECT_FALSE(read_journal(folder_ / "absent").has_value());
  // The last is an intact line of another program.
  const std::string json = "{\"key\": 3}";
  for (const std::string& text : {std::string(), std::string("\n"), std::string("x\n"),
                                  std::string("{}\n"), digest_of(json).hex() + " " + json + "\n"}) {
    test::write_bytes(paths_.journal, text);
    EXPECT_FALSE(read_journal(paths_.journal).has_value()) << text;
  }
}

TEST_F(RowLogTest, FlushedRowsAreUsableOthersAreNot) {
  write(8, 3);
  EXPECT_EQ(usable(), 6U);
}

TEST_F(RowLogTest, FlushesOnlyOnceTheIntervalHasPassed) {
  RowLog log = create();
  add_rows(log, 0, 2);
  log.flush_after(std::chrono::hours(1));
  EXPECT_EQ(usable(), 0U);
  log.flush_after(std::chrono::seconds(0));
  EXPECT_EQ(usable(), 2U);
}

// A second sync may succeed although the bytes of the first were dropped.
TEST_F(RowLogTest, RowsWhoseSyncFailedAreNeverNamed) {
  RowLog log = create();
  add_rows(log, 0, 2);
  log.flush();
  add_rows(log, 2, 1);
  test::arm_fault(test::Fault::no_space, 0);
  EXPECT_THROW(log.flush(), Error);
  test::disarm_fault();
  log.flush();
  EXPECT_EQ(read_journal(paths_.journal)->entries.size(), 2U);
}

TEST_F(RowLogTest, ReservesThePlaceOfEveryRow) {
  write(1, 1);
  EXPECT_EQ(std::filesystem::file_size(paths_.rows), 64U + 16U * 8U);
}

TEST_F(RowLogTest, ADamagedRowEndsWhatIsUsableAtItsLine) {
  write(9, 3);
  File(paths_.rows, File::Mode::read_write).write_at(64 + 4 * 8, row(99));
  EXPECT_EQ(usable(), 3U);  // row 4 is in the second line
}

TEST_F(RowLogTest, AShortOrAbsentFileHasNoRows) {
  write(9, 3);
  File(paths_.rows, File::Mode::read_write).truncate(64 + 7 * 8);
  EXPECT_EQ(usable(), 6U);
  std::filesystem::remove(paths_.rows);
  EXPECT_EQ(usable(), 0U);
}

TEST_F(RowLogTest, ARowOfAnotherSizeIsRefused) {
  RowLog log = create();
  EXPECT_THROW(log.add_row({}, std::vector<std::byte>(7), {}), Error);
  EXPECT_THROW(log.finish(std::string(128, 'h')), Error);
}

}  // namespace
}  // namespace graft
