#include "engine/base/folder_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "tests/base/failing_calls.h"
#include "tests/support/forked.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::die;
using test::Ending;
using test::FailingCall;
using test::in_child;
using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

// The sentence of the refusal; empty when the lock is given.
std::string refusal(const std::filesystem::path& folder) {
  try {
    const FolderLock lock(folder);
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    return error.what();
  }
}

TEST(FolderLock, ASecondHolderIsRefusedWithTheProcessAndServedOnceTheFirstIsGone) {
  const TemporaryFolder folder;
  {
    const FolderLock first(folder.path());
    EXPECT_THAT(refusal(folder.path()), AllOf(HasSubstr(folder.path().string()),
                                              HasSubstr("process " + std::to_string(::getpid()))));
  }
  EXPECT_EQ(refusal(folder.path()), "");
}

TEST(FolderLock, GoesWithAKilledProcess) {
  const TemporaryFolder folder;
  const Ending ending = in_child([&]() -> int {
    const FolderLock held(folder.path());
    die();
  });
  ASSERT_TRUE(ending.killed());
  EXPECT_EQ(refusal(folder.path()), "");
}

TEST(FolderLock, WarnsOnceWhereNothingCanBeSynced) {
  const TemporaryFolder folder;
  const FailingCall sync("fdatasync", EINVAL);
  std::vector<std::string> warnings;
  const FolderLock lock(folder.path(), [&](const std::string& one) { warnings.push_back(one); });
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], HasSubstr("cannot sync"));
}

// ---- On a file system without flock ----

class FolderWithoutFlock : public ::testing::Test {
 protected:
  // What a holder writes into its lock file.
  std::string own_text() const {
    const FolderLock lock(folder_.path());
    return read_text_file(file_, 4096);
  }

  const TemporaryFolder folder_;
  const FailingCall flock_{"flock", ENOSYS};
  const std::filesystem::path file_ = folder_ / ".lock.exclusive";
};

TEST_F(FolderWithoutFlock, AFileTakesThePlaceWithOneWarning) {
  for (const int code : {ENOSYS, ENOLCK, EOPNOTSUPP}) {
    const FailingCall failing("flock", code);
    std::vector<std::string> warnings;
    {
      const FolderLock lock(folder_.path(), [&](const auto& one) { warnings.push_back(one); });
      EXPECT_THAT(refusal(folder_.path()),
                  AllOf(HasSubstr("process " + std::to_string(::getpid()) + " on "),
                        HasSubstr("remove " + file_.string())));
    }
    ASSERT_EQ(warnings.size(), 1U) << code;
    EXPECT_THAT(warnings[0], HasSubstr(file_.string()));
    EXPECT_FALSE(std::filesystem::exists(file_));
  }
}

TEST_F(FolderWithoutFlock, TheFileOfADeadProcessIsTakenOver) {
  const Ending ending = in_child([&]() -> int {
    const FolderLock held(folder_.path());
    die();
  });
  ASSERT_TRUE(ending.killed());
  ASSERT_TRUE(std::filesystem::exists(file_));
  EXPECT_EQ(refusal(folder_.path()), "");
  EXPECT_FALSE(std::filesystem::exists(file_));
}

// HOST BOOT NAMESPACE PROCESS START
std::string with_word(const std::string& text, std::size_t position, const std::string& word) {
  std::vector<std::string> words;
  std::istringstream input(text);
  for (std::string one; input >> one;) words.push_back(one);
  words.at(position) = word;
  std::string result;
  for (const std::string& one : words) result += one + ' ';
  return result;
}

TEST_F(FolderWithoutFlock, TheFileOfAnEarlierBootOrOfAReusedNumberIsTakenOver) {
  const std::string text = own_text();
  for (const std::string& dead : {with_word(text, 1, "another-boot"), with_word(text, 4, "1")}) {
    write_file_whole(file_, dead);
    EXPECT_EQ(refusal(folder_.path()), "") << dead;
  }
}

TEST_F(FolderWithoutFlock, WhereTheProcessMayLiveTheFileIsKeptAndNamed) {
  const std::string text = own_text();
  const std::string elsewhere = with_word(with_word(text, 1, "another-boot"), 0, "another-host");
  const std::string another_container =
      with_word(with_word(text, 3, "4194999"), 2, "pid:[1]");  // above the largest number
  for (const std::string& held : {text, elsewhere, another_container, std::string(),
                                  std::string("\x1b[2J"), std::string("too few words")}) {
    write_file_whole(file_, held);
    EXPECT_THAT(refusal(folder_.path()), HasSubstr("remove " + file_.string())) << held;
    EXPECT_EQ(read_text_file(file_, 4096), held);
  }
}

}  // namespace
}  // namespace graft
