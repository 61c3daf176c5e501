#include "engine/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "engine/base/error.h"
#include "tests/base/failing_calls.h"
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

// ---- Links, limits and file systems that lack a call ----

TEST(File, WritesThroughNoLink) {
  const TemporaryFolder folder;
  write_file_whole(folder / "target", "kept");
  std::filesystem::create_symlink("target", folder / "link");
  EXPECT_EQ(read_text_file(folder / "link", 100), "kept");
  for (const auto mode :
       {File::Mode::create_or_truncate, File::Mode::read_write, File::Mode::create_or_read_write})
    EXPECT_THAT(sentence_of([&] { const File file(folder / "link", mode); }),
                HasSubstr("it is a link; remove it"));
  EXPECT_EQ(read_text_file(folder / "target", 100), "kept");
}

TEST(WriteFileWhole, ReplacesALinkAndKeepsItsTarget) {
  const TemporaryFolder folder;
  write_file_whole(folder / "target", "kept");
  std::filesystem::create_symlink("target", folder / "link");
  write_file_whole(folder / "link", "new");
  EXPECT_FALSE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_text_file(folder / "link", 100), "new");
  EXPECT_EQ(read_text_file(folder / "target", 100), "kept");
}

TEST(File, WaitsForNoPipe) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(MappedFile(folder / "pipe").bytes().empty());
}

TEST(WriteFileWhole, ReplacesNoSpecialFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", folder / "link");              // as /dev/stdout is one
  std::filesystem::create_symlink("/proc/self/exe", folder / "stream");  // to a regular file
  for (const char* name : {"pipe", "link", "stream"})
    EXPECT_THAT(sentence_of([&] { write_file_whole(folder / name, "text"); }),
                HasSubstr("not a regular file"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "stream"));
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "pipe"));
}

TEST(WriteFileWhole, LeavesALinkAtThePartialFileToItsOwner) {
  const TemporaryFolder folder;
  write_file_whole(folder / "target", "kept");
  std::filesystem::create_symlink("target", partial_path(folder / "a"));
  EXPECT_THAT(sentence_of([&] { write_file_whole(folder / "a", "text"); }),
              HasSubstr("it is a link; remove it"));
  EXPECT_TRUE(std::filesystem::is_symlink(partial_path(folder / "a")));
  EXPECT_EQ(read_text_file(folder / "target", 100), "kept");
}

TEST(WriteFileWhole, OneWriterAtATime) {
  const TemporaryFolder folder;
  const auto path = folder / "value";
  write_durably(path, [&](File& file) {
    file.append(as_bytes("first"));
    EXPECT_THAT(sentence_of([&] { write_file_whole(path, "second"); }),
                HasSubstr("is being written by another process"));
  });
  EXPECT_EQ(read_text_file(path, 100), "first");
  EXPECT_FALSE(std::filesystem::exists(partial_path(path)));
}

TEST(WriteFileWhole, NamesTheLimitOnTheSizeOfFiles) {
  const TemporaryFolder folder;
  const Ending ending = in_child([&] {
    limit_file_size(4096);
    const std::string sentence =
        sentence_of([&] { write_file_whole(folder / "a", std::string(100'000, 'x')); });
    return sentence.find("(ulimit -f)") != std::string::npos ? 6 : 1;
  });
  EXPECT_EQ(ending.exit_code, 6);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(File, DoesWithoutCallsThatItsFileSystemLacks) {
  for (const int code : {ENOSYS, EOPNOTSUPP, EINVAL}) {
    const TemporaryFolder folder;
    const test::FailingCall sync("fdatasync", code), folder_sync("fsync", code),
        reserve("posix_fallocate", code);
    File file(folder / "rows", File::Mode::create_or_truncate);
    file.reserve(1000);
    EXPECT_EQ(file.size(), 1000U);
    EXPECT_NO_THROW(write_file_whole(folder / "value", "text"));
  }
}

TEST(File, ADiskErrorAtSyncOrCloseIsReported) {
  for (const char* call : {"fdatasync", "fsync", "close"}) {
    for (const int code : {EIO, ENOSPC, EDQUOT}) {
      const TemporaryFolder folder;
      const auto path = folder / "value";
      write_file_whole(path, "old");
      {
        const test::FailingCall failing(call, code);
        EXPECT_THAT(sentence_of([&] { write_file_whole(path, "new"); }),
                    HasSubstr(std::strerror(code)));
      }
      EXPECT_FALSE(std::filesystem::exists(partial_path(path)));
    }
  }
}

TEST(ReadFile, RefusesAFileThatGrows) {
  const TemporaryFolder folder;
  const auto path = folder / "photo";
  write_file_whole(path, "half");
  const test::BeforeRead grow([&] { std::ofstream(path, std::ios::app) << "the rest"; });
  EXPECT_THAT(sentence_of([&] { read_file(path, 100); }), HasSubstr("changed while it was read"));
}

TEST(MappedFile, IsReadWhereItsFileSystemCannotMap) {
  const TemporaryFolder folder;
  write_file_whole(folder / "some", "abc");
  const test::FailingCall map("mmap", ENODEV);
  const MappedFile file(folder / "some");
  ASSERT_EQ(file.bytes().size(), 3U);
  EXPECT_EQ(file.bytes()[2], std::byte{'c'});
  EXPECT_THAT(sentence_of([&] { const MappedFile none(folder.path()); }),
              HasSubstr("Is a directory"));
}

TEST(MappedFile, WithoutMemoryIsAnErrorOfTheDevice) {
  const TemporaryFolder folder;
  write_file_whole(folder / "some", "abc");
  const test::FailingCall map("mmap", ENOMEM);
  try {
    const MappedFile file(folder / "some");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), HasSubstr("memory ran out"));
  }
}

TEST(OthersCanWrite, LooksAtGroupWorldAndOwner) {
  using std::filesystem::perms;
  const TemporaryFolder folder;
  const auto path = folder / "plan";
  EXPECT_FALSE(others_can_write(path)) << "absent";
  write_file_whole(path, "text");
  const perms own = perms::owner_read | perms::owner_write | perms::group_read;
  for (const perms more : {perms::none, perms::group_write, perms::others_write}) {
    std::filesystem::permissions(path, own | more);
    EXPECT_EQ(others_can_write(path), more != perms::none);
  }
  std::filesystem::create_symlink(path, folder / "link");
  EXPECT_FALSE(others_can_write(folder / "link")) << "the choice of its owner";
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  std::filesystem::permissions(path, own);
  ASSERT_EQ(::chown(path.c_str(), 1, 1), 0);
  EXPECT_TRUE(others_can_write(path));
}

}  // namespace
}  // namespace graft
