#include "tools/graft/observers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "engine/base/file.h"
#include "tests/support/support.h"

namespace graft::program {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// What an observer writes to a file.
template <typename Actions>
std::string written(TerminalStyle style, Actions actions) {
  const test::TemporaryFolder folder;
  std::FILE* file = std::fopen((folder / "text").c_str(), "w");
  {
    TerminalObserver observer(file, style);
    actions(observer);
  }
  std::fclose(file);
  return read_text_file(folder / "text", 1 << 20);
}

TEST(Rate, IsUnknownAtTheStartAndRightAfterwards) {
  const Rate::Clock::time_point start{};
  Rate rate;
  rate.start(start);
  EXPECT_EQ(rate.per_second(), 0.0);
  for (int i = 1; i <= 10; ++i) rate.add(start + seconds(i), 5 * static_cast<std::size_t>(i));
  EXPECT_DOUBLE_EQ(rate.per_second(), 5.0);
}

TEST(Rate, ForgetsWhatWasThereFromAnEarlierRun) {
  const Rate::Clock::time_point start{};
  Rate rate;
  rate.start(start);
  rate.add(start + milliseconds(1), 1000);
  for (int i = 1; i <= 60; ++i)
    rate.add(start + seconds(i), 1000 + 2 * static_cast<std::size_t>(i));
  EXPECT_DOUBLE_EQ(rate.per_second(), 2.0);
}

TEST(TerminalObserver, WritesPlainLinesWhereNobodyRedrawsThem) {
  const std::string text = written({}, [](Observer& observer) {
    observer.note("VGG16 of 13 layers");
    observer.begin("features/train", 200, "images");
    for (std::size_t i = 1; i <= 200; ++i) observer.advance(i);
    observer.end();
    observer.row("epoch 1");
    observer.warn("a file is listed twice");
  });
  EXPECT_THAT(text, MatchesRegex("VGG16 of 13 layers\nfeatures/train: 200 images\n"
                                 "features/train: 200 images in 0\\.[0-9] s\n"
                                 "epoch 1\nwarning: a file is listed twice\n"));
}

// A progress line comes a second after the last one, at the earliest.
TEST(TerminalObserver, NoProgressLineBreaksATable) {
  const auto training = [](bool has_rows) {
    return written({}, [&](Observer& observer) {
      observer.begin("training", 100, "batches");
      if (has_rows) observer.row("epoch  loss");
      std::this_thread::sleep_for(milliseconds(1050));
      observer.advance(50);
      if (has_rows) observer.row("    1   0.5");
    });
  };
  EXPECT_THAT(training(false), HasSubstr("training: 50 of 100 batches (50 %)"));
  EXPECT_EQ(training(true), "training: 100 batches\nepoch  loss\n    1   0.5\n");
}

TEST(TerminalObserver, DrawsABarOnATerminalAndWipesIt) {
  TerminalStyle style;
  style.is_terminal = true;
  const std::string text = written(style, [](Observer& observer) {
    observer.begin("s", 4, "images");
    observer.note("in between");
    observer.advance(4);
    observer.end();
  });
  EXPECT_THAT(text, HasSubstr("\r\x1b[2Ks [........................] 0/4"));
  EXPECT_THAT(text, HasSubstr("\r\x1b[2Kin between\n\r\x1b[2Ks ["));
  EXPECT_THAT(text, Not(HasSubstr("\x1b[3"))) << "no colour was asked for";
  EXPECT_THAT(text.substr(text.rfind('\r')), MatchesRegex("\r.\\[2Ks: 4 images in 0.0 s\n"));
}

TEST(TerminalObserver, AFailureLeavesNoHalfBar) {
  TerminalStyle style;
  style.is_terminal = true;
  const std::string text =
      written(style, [](Observer& observer) { observer.begin("s", 4, "images"); });
  EXPECT_TRUE(text.ends_with("\r\x1b[2K")) << text;
}

TEST(TerminalObserver, ColoursOnlyWhenItMay) {
  TerminalStyle style;
  style.is_terminal = true;
  style.colour = true;
  const auto warn = [](Observer& observer) { observer.warn("w"); };
  EXPECT_EQ(written(style, warn), "\x1b[33mwarning:\x1b[0m w\n");
  style.colour = false;
  EXPECT_EQ(written(style, warn), "warning: w\n");
}

TEST(TerminalObserver, QuietKeepsTheWarnings) {
  for (const bool is_terminal : {false, true}) {
    TerminalStyle style;
    style.quiet = true;
    style.is_terminal = is_terminal;
    EXPECT_EQ(written(style,
                      [](Observer& observer) {
                        observer.note("n");
                        observer.begin("s", 4, "images");
                        observer.advance(2);
                        observer.warn("w");
                        observer.end();
                        observer.row("r");
                      }),
              "warning: w\n");
  }
}

TEST(TerminalStyle, AFileIsNoTerminal) {
  std::FILE* file = std::tmpfile();
  const TerminalStyle style = TerminalStyle::of(file, false);
  std::fclose(file);
  EXPECT_FALSE(style.is_terminal);
  EXPECT_FALSE(style.colour);
}

TEST(LogObserver, KeepsLinesBackUntilTheFolderIsItsOwn) {
  const test::TemporaryFolder folder;
  SilentObserver terminal;
  LogObserver log(terminal);
  log.note("before");
  EXPECT_FALSE(std::filesystem::exists(folder / "run.log"));
  log.open(folder / "run.log");
  log.begin("s", 3, "images");
  log.advance(3);
  log.end();
  log.warn("after");
  const std::string stamp = "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+Z ";
  EXPECT_THAT(read_text_file(folder / "run.log", 1 << 20),
              MatchesRegex(stamp + "note    before\n" + stamp + "begin   s: 3 images\n" + stamp +
                           "end     s: 3 images in 0.0 s\n" + stamp + "warning after\n"));
  EXPECT_EQ(log.failure(), std::nullopt);
}

TEST(LogObserver, AddsToWhatAnEarlierRunWrote) {
  const test::TemporaryFolder folder;
  write_file_whole(folder / "run.log", "earlier\n");
  SilentObserver terminal;
  LogObserver log(terminal);
  log.open(folder / "run.log");
  log.note("now");
  EXPECT_THAT(read_text_file(folder / "run.log", 1 << 20), MatchesRegex("earlier\n.*now\n"));
}

TEST(LogObserver, AFullDiskIsSaidAndStopsNothing) {
  SilentObserver terminal;
  LogObserver log(terminal);
  log.open("/dev/full");
  log.note("lost");
  log.note("lost too");
  ASSERT_TRUE(log.failure());
  EXPECT_THAT(*log.failure(), HasSubstr("run.log is not complete"));
}

TEST(Observers, NamesChangeNoTerminalAndFakeNoLineOfTheLog) {
  const std::string sentence = "bad:\n  a\x1b[2J.jpg\n2026-01-01T00:00:00Z note    all is well";
  EXPECT_EQ(written({}, [&](Observer& observer) { observer.warn(sentence); }),
            "warning: bad:\n  a\\x1b[2J.jpg\n2026-01-01T00:00:00Z note    all is well\n");
  const test::TemporaryFolder folder;
  SilentObserver terminal;
  LogObserver log(terminal);
  log.open(folder / "run.log");
  log.warn(sentence);
  const std::string text = read_text_file(folder / "run.log", 1 << 20);
  EXPECT_THAT(text, HasSubstr("warning bad:\n      a\\x1b[2J.jpg\n    2026-01-01T00"));
}

TEST(LogObserver, WritesThroughNoLink) {
  const test::TemporaryFolder folder;
  write_file_whole(folder / "target", "kept");
  std::filesystem::create_symlink("target", folder / "run.log");
  SilentObserver terminal;
  LogObserver log(terminal);
  log.open(folder / "run.log");
  log.note("now");
  EXPECT_THAT(log.failure().value_or(""), HasSubstr("it is a link"));
  EXPECT_EQ(read_text_file(folder / "target", 100), "kept");
}

}  // namespace
}  // namespace graft::program
