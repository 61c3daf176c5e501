#include "engine/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "engine/base/error.h"
#include "tests/support/forked.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::die;
using test::Ending;
using test::in_child;
using test::limit_file_size;
using test::TemporaryFolder;
using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string sentence_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(WriteFileWhole, ReplacesTheOldBytesAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  const auto path = folder / "value.txt";
  write_file_whole(path, std::string_view{"a long first text"});
  write_file_whole(path, std::string_view{"second"});
  EXPECT_EQ(read_text_file(path, 100), "second");
  EXPECT_FALSE(std::filesystem::exists(partial_path(path)));
}

TEST(WriteFileWhole, KeepsTheOldBytesWhenTheNewOnesDoNotFit) {
  const TemporaryFolder folder;
  const auto path = folder / "value.txt";
  write_file_whole(path, std::string_view{"old"});
  // A limit on the file's size simulates a full disk: write() fails in the same place.
  const Ending ending = in_child([&] {
    limit_file_size(4096);
    try {
      write_file_whole(path, std::string_view(std::string(100'000, 'x')));
    } catch (const Error& error) {
      return error.kind() == ErrorKind::io ? 6 : 1;
    }
    return 0;
  });
  EXPECT_EQ(ending.exit_code, 6);
  EXPECT_EQ(read_text_file(path, 100), "old");
}

TEST(File, AFullDeviceIsOneSentence) {
  File full("/dev/full", File::Mode::read_write);
  const std::string sentence = sentence_of([&] { full.write_at(0, bytes_of("x")); });
  EXPECT_THAT(sentence, HasSubstr("/dev/full"));
  EXPECT_THAT(sentence, HasSubstr("No space left on device"));
  EXPECT_THAT(sentence, HasSubstr("free some space"));
}

TEST(File, ReadingPastTheEndSaysHowManyBytesAreMissing) {
  const TemporaryFolder folder;
  write_file_whole(folder / "short", std::string_view{"abc"});
  const File file(folder / "short", File::Mode::read);
  std::byte buffer[8];
  EXPECT_THAT(sentence_of([&] { file.read_at(0, buffer); }), HasSubstr("ends 5 bytes too early"));
}

TEST(File, ReserveGivesTheSizeAndKeepsWhatIsThere) {
  const TemporaryFolder folder;
  File file(folder / "rows", File::Mode::create_or_truncate);
  file.append(bytes_of("head"));
  file.reserve(10'000);
  EXPECT_EQ(file.size(), 10'000U);
  std::byte start[4];
  file.read_at(0, start);
  EXPECT_EQ(std::memcmp(start, "head", 4), 0);
}

TEST(File, AReservationThatDoesNotFitLeavesTheFileAsItWas) {
  const TemporaryFolder folder;
  const auto path = folder / "rows";
  write_file_whole(path, std::string_view{"head"});
  const Ending ending = in_child([&] {
    limit_file_size(4096);
    try {
      File(path, File::Mode::read_write).reserve(100'000);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::io ? 6 : 1;
    }
    return 0;
  });
  EXPECT_EQ(ending.exit_code, 6);
  EXPECT_EQ(read_text_file(path, 100), "head");
}

TEST(File, AMissingFileIsNamedWithTheReason) {
  const TemporaryFolder folder;
  const std::string sentence =
      sentence_of([&] { const File file(folder / "absent", File::Mode::read); });
  EXPECT_THAT(sentence, HasSubstr("absent"));
  EXPECT_THAT(sentence, HasSubstr("No such file"));
}

TEST(ReadFile, RefusesALargerFileBeforeReadingIt) {
  const TemporaryFolder folder;
  File file(folder / "large", File::Mode::create_or_truncate);
  file.truncate(std::uint64_t{1} << 40U);  // sparse: takes no space
  EXPECT_THAT(sentence_of([&] { read_file(folder / "large", 1000); }), HasSubstr("at most 1000"));
}

TEST(ReadFile, RefusesWhatHasNoSizeToBelieve) {
  const TemporaryFolder folder;
  EXPECT_THAT(sentence_of([&] { read_file(folder.path(), 1000); }),
              HasSubstr("not a regular file"));
  EXPECT_THAT(sentence_of([&] { read_file("/dev/null", 1000); }), HasSubstr("not a regular file"));
}

TEST(MappedFile, ShowsTheBytesAndAnEmptyFileIsAnEmptySpan) {
  const TemporaryFolder folder;
  write_file_whole(folder / "some", std::string_view{"abc"});
  write_file_whole(folder / "none", std::string_view{});
  const MappedFile some(folder / "some");
  ASSERT_EQ(some.bytes().size(), 3U);
  EXPECT_EQ(some.bytes()[2], std::byte{'c'});
  EXPECT_TRUE(MappedFile(folder / "none").bytes().empty());
}

TEST(MappedFile, MovingTransfersTheMapping) {
  const TemporaryFolder folder;
  write_file_whole(folder / "some", std::string_view{"abc"});
  MappedFile first(folder / "some");
  const MappedFile second(std::move(first));
  ASSERT_EQ(second.bytes().size(), 3U);
  EXPECT_EQ(second.bytes()[0], std::byte{'a'});
}

TEST(FolderLock, ASecondHolderIsRefusedWithTheProcessAndServedOnceTheFirstIsGone) {
  const TemporaryFolder folder;
  {
    const FolderLock first(folder.path());
    const std::string sentence = sentence_of([&] { const FolderLock second(folder.path()); });
    EXPECT_THAT(sentence, HasSubstr(folder.path().string()));
    EXPECT_THAT(sentence, HasSubstr("process " + std::to_string(::getpid())));
  }
  EXPECT_NO_THROW(FolderLock(folder.path()));
}

TEST(FolderLock, GoesWithAKilledProcess) {
  const TemporaryFolder folder;
  const Ending ending = in_child([&]() -> int {
    const FolderLock held(folder.path());
    die();
  });
  ASSERT_TRUE(ending.killed());
  EXPECT_NO_THROW(FolderLock(folder.path()));
}

}  // namespace
}  // namespace graft
