#include "engine/base/folder_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "tests/base/failing_calls.h"
#include "tests/support/files.h"
#include "tests/support/forked.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::die;
using test::Ending;
using test::error_of;
using test::FailingCall;
using test::in_child;
using test::read_bytes;
using test::TemporaryFolder;
using test::write_bytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr milliseconds quick{20};           // a silent holder is dead after a fifth of a second
constexpr milliseconds endless{3'600'000};  // a test that waits for a beat does not end

const FolderLock::Warn silent = [](const std::string&) {};

// HOST/MACHINE BOOT NAMESPACE PROCESS START TIME COUNTER
enum Word : std::size_t { host, boot, name_space, process, start };
using Words = std::vector<std::string>;

Words words_of(const std::string& text) {
  std::istringstream input(text);
  return {std::istream_iterator<std::string>(input), {}};
}

// The text of a lock file of this process, with other words.
std::string text_with(const std::vector<std::pair<Word, std::string>>& others) {
  const TemporaryFolder folder;
  const FolderLock lock(folder.path());
  Words words = words_of(read_bytes(folder / ".lock.exclusive"));
  for (const auto& [word, text] : others) words.at(word) = text;
  std::string result;
  for (const std::string& word : words) result += word + (&word == &words.back() ? '\n' : ' ');
  return result;
}

std::string text_of_another_host() {
  return text_with({{host, "node7/0123"}, {boot, "another-boot"}, {process, "4711"}});
}

class FolderLocks : public ::testing::Test {
 protected:
  // The sentence of the refusal; empty when the lock is given.
  std::string refusal(milliseconds beat = endless) {
    warnings_.clear();
    try {
      const FolderLock lock(
          folder_.path(), [&](const std::string& one) { warnings_.push_back(one); }, beat);
      EXPECT_THAT(read_bytes(file_), HasSubstr(" " + std::to_string(::getpid()) + " "));
      return {};
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::io);
      return error.what();
    }
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename());
    return names;
  }

  const TemporaryFolder folder_;
  const fs::path file_ = folder_ / ".lock.exclusive";
  std::vector<std::string> warnings_;
};

// ---- One holder ----

TEST_F(FolderLocks, ASecondHolderIsRefusedAtOnceAndServedWhenTheFirstIsGone) {
  {
    const FolderLock first(folder_.path(), silent, endless);
    EXPECT_THAT(refusal(), AllOf(HasSubstr(folder_.path().string()),
                                 HasSubstr("process " + std::to_string(::getpid()) + " on ")));
    EXPECT_THAT(files(), ElementsAre(file_.filename()));
  }
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_EQ(refusal(), "");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(FolderLocks, TheCounterGoesOnWhileTheLockIsHeld) {
  const FolderLock lock(folder_.path(), silent, quick);
  const std::string first = read_bytes(file_);
  for (int change = 0; change < 3; ++change) {
    const std::string before = read_bytes(file_);
    while (read_bytes(file_) == before) std::this_thread::sleep_for(quick);
  }
  const std::string last = read_bytes(file_);
  EXPECT_EQ(last.size(), first.size());
  EXPECT_EQ(last.substr(0, last.rfind(' ')), first.substr(0, first.rfind(' ')));
}

TEST_F(FolderLocks, NoTwoLocksOfAProcessHaveTheSameText) {
  std::string before;
  for (int i = 0; i < 3; ++i) {
    const FolderLock lock(folder_.path());
    EXPECT_NE(read_bytes(file_), before);
    before = read_bytes(file_);
  }
}

TEST_F(FolderLocks, AHolderWhoseFileWasReplacedLeavesTheNewOne) {
  const std::string other = text_of_another_host();
  {
    const FolderLock lock(folder_.path(), silent, quick);
    write_bytes(folder_ / "new", other);
    fs::rename(folder_ / "new", file_);
    std::this_thread::sleep_for(5 * quick);
    EXPECT_EQ(read_bytes(file_), other);
  }
  EXPECT_EQ(read_bytes(file_), other);
}

TEST_F(FolderLocks, AHolderWhoseFileWasRemovedMakesNoNewOne) {
  const FolderLock lock(folder_.path(), silent, quick);
  fs::remove(file_);
  std::this_thread::sleep_for(5 * quick);
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(FolderLocks, WarnsOnceWhereNothingCanBeSynced) {
  const FailingCall sync("fdatasync", EINVAL);
  EXPECT_EQ(refusal(), "");
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("cannot sync"), HasSubstr("power cut"))));
}

// ---- A holder of this host ----

// A process that holds the folder until it is killed.
class OtherProcess {
 public:
  explicit OtherProcess(const fs::path& folder) : number_(::fork()) {
    if (number_ != 0) return;
    const FolderLock held(folder, silent, endless);
    write_bytes(folder / "held", "");
    for (;;) ::pause();
  }
  ~OtherProcess() {
    kill();
    int status = 0;
    ::waitpid(number_, &status, 0);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  pid_t number() const { return number_; }
  // It stays a zombie.
  void kill() const {
    ::kill(number_, SIGKILL);
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(number_), &ended, WEXITED | WNOWAIT);
  }

 private:
  const pid_t number_;
};

TEST_F(FolderLocks, AnotherProcessIsRefusedAtOnceUntilTheHolderIsKilled) {
  const OtherProcess holder(folder_.path());
  while (!fs::exists(folder_ / "held")) std::this_thread::sleep_for(quick);
  EXPECT_THAT(refusal(), HasSubstr("process " + std::to_string(holder.number()) + " on "));
  holder.kill();
  EXPECT_EQ(refusal(), "");
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_FALSE(fs::exists(file_));
}

TEST_F(FolderLocks, TheFileOfAKilledProcessIsTakenOverAtOnce) {
  const Ending ending = in_child([&]() -> int {
    const FolderLock held(folder_.path());
    die();
  });
  ASSERT_TRUE(ending.killed());
  ASSERT_TRUE(fs::exists(file_));
  EXPECT_EQ(refusal(), "");
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(FolderLocks, TheFileOfAnEarlierBootOrOfAReusedNumberIsTakenOverAtOnce) {
  for (const std::string& dead : {text_with({{boot, "another-boot"}}), text_with({{start, "1"}})}) {
    write_bytes(file_, dead);
    EXPECT_EQ(refusal(), "") << dead;
    EXPECT_THAT(warnings_, IsEmpty());
  }
}

TEST_F(FolderLocks, OneProcessAtATimeRemovesADeadHoldersFile) {
  const std::string dead = text_with({{start, "1"}});
  write_bytes(file_, dead);
  {
    const FolderLock other(folder_.path(), silent, endless, ".lock.exclusive.removal");
    EXPECT_THAT(refusal(), HasSubstr("in use"));
    EXPECT_EQ(read_bytes(file_), dead);
  }
  EXPECT_EQ(refusal(), "");
}

TEST_F(FolderLocks, ATakeoverThatWasKilledHalfWayIsRepeated) {
  const std::string dead = text_with({{start, "1"}});
  for (const char* name : {".lock.exclusive", ".lock.exclusive.removal"})
    write_bytes(folder_ / name, dead);
  EXPECT_EQ(refusal(), "");
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(FolderLocks, TheFileThatEarlierVersionsLeaveDoesNotMatter) {
  write_bytes(folder_ / ".lock", std::to_string(::getpid()));
  EXPECT_EQ(refusal(), "");
  EXPECT_THAT(files(), ElementsAre(".lock"));
}

// ---- A holder that may live: of another host, of another container, unknown ----

TEST_F(FolderLocks, AHolderOfAnotherHostThatAnswersIsLeftAlone) {
  const std::string text = text_of_another_host();
  write_bytes(file_, text);
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    for (int counter = 1000; !is_over; ++counter) {
      std::this_thread::sleep_for(quick);
      File(file_, File::Mode::read_write)
          .write_at(text.rfind(' ') + 1, as_bytes(std::to_string(counter)));
    }
  });
  EXPECT_THAT(refusal(5 * quick),
              AllOf(HasSubstr(folder_.path().string()), HasSubstr("process 4711 on node7)")));
  is_over = true;
  other.join();
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("waiting up to 1 s for process 4711 on node7"),
                                           HasSubstr(folder_.path().string()))));
  EXPECT_THAT(files(), ElementsAre(file_.filename()));
}

TEST_F(FolderLocks, ASilentHolderOfAnotherHostIsTakenOverWithAWarning) {
  write_bytes(file_, text_of_another_host());
  const auto before = steady_clock::now();
  EXPECT_EQ(refusal(quick), "");
  EXPECT_GE(steady_clock::now() - before, 10 * quick);
  EXPECT_THAT(warnings_,
              ElementsAre(HasSubstr("waiting up to 0.2 s"),
                          AllOf(HasSubstr("process 4711 on node7 did not answer for 0.2 s"),
                                HasSubstr(folder_.path().string()))));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(FolderLocks, AHolderOfAnotherHostThatEndsMeanwhileIsFollowed) {
  write_bytes(file_, text_of_another_host());
  std::thread other([&] {
    std::this_thread::sleep_for(quick);
    fs::remove(file_);
  });
  EXPECT_EQ(refusal(5 * quick), "");
  other.join();
  EXPECT_THAT(warnings_, SizeIs(1));
}

TEST_F(FolderLocks, AnotherHolderThatTookOverMeanwhileIsNamed) {
  write_bytes(file_, text_of_another_host());
  const std::string newer = text_with({{host, "node8/0123"}, {boot, "one-more"}, {process, "12"}});
  std::thread other([&] {
    std::this_thread::sleep_for(quick);
    write_bytes(folder_ / "new", newer);
    fs::rename(folder_ / "new", file_);
  });
  EXPECT_THAT(refusal(5 * quick), HasSubstr("process 12 on node8"));
  other.join();
  EXPECT_EQ(read_bytes(file_), newer);
}

TEST_F(FolderLocks, WhereNothingIsKnownOfTheHolderTheFileIsWatched) {
  const std::string another_container =
      text_with({{process, "4194999"}, {name_space, "pid:[1]"}});  // above the largest number
  const std::string unnumbered_host = text_with({{host, "node7/-"}, {boot, "another-boot"}});
  for (const std::string& held :
       {another_container, unnumbered_host, std::string(), std::string(200, '\0'),
        std::string("\x1b[2J"), std::string("too few words"), another_container.substr(0, 40)}) {
    write_bytes(file_, held);
    EXPECT_EQ(refusal(quick), "") << held;
    ASSERT_THAT(warnings_, SizeIs(2)) << held;
    EXPECT_THAT(warnings_[1], HasSubstr("did not answer"));
    EXPECT_EQ(warnings_[1].find('\x1b'), std::string::npos);
  }
}

// ---- Many at once ----

// Forks children that run `work` at the same time and end only when all have done it. Returns how
// often each result came.
std::map<int, int> results_of(int children, const std::function<int()>& work) {
  int gate[2] = {}, done[2] = {}, exit[2] = {};
  if (::pipe(gate) != 0 || ::pipe(done) != 0 || ::pipe(exit) != 0) return {};
  const auto wait_for = [](int pipe[2]) {
    char byte = 0;
    ::close(pipe[1]);
    return ::read(pipe[0], &byte, 1);
  };
  for (int i = 0; i < children; ++i) {
    if (::fork() != 0) continue;
    wait_for(gate);
    const auto result = static_cast<char>(work());
    if (::write(done[1], &result, 1) == 1) wait_for(exit);
    ::_exit(0);
  }
  ::close(gate[1]);
  std::map<int, int> results;
  for (char result = 0; children > 0 && ::read(done[0], &result, 1) == 1; --children)
    ++results[result];
  ::close(exit[1]);
  for (const int descriptor : {gate[0], done[0], done[1], exit[0]}) ::close(descriptor);
  while (::wait(nullptr) > 0) continue;
  return results;
}

TEST_F(FolderLocks, OfManyProcessesThatFindADeadHolderOneTakesOver) {
  enum { refused, served };
  const std::vector<std::string> dead = {text_with({{start, "1"}}), text_of_another_host(), ""};
  for (int round = 0; round < 20; ++round) {
    write_bytes(file_, dead[round < 14 ? 0 : static_cast<std::size_t>(round) % dead.size()]);
    std::optional<FolderLock> lock;
    const std::map<int, int> results = results_of(8, [&] {
      try {
        lock.emplace(folder_.path(), silent, quick);
        return served;
      } catch (const Error&) {
        return refused;
      }
    });
    EXPECT_THAT(results, ElementsAre(std::pair(refused, 7), std::pair(served, 1))) << round;
  }
}

// Each holder makes a file that must not exist yet. Every second one is killed after that.
TEST_F(FolderLocks, HoldersAreNeverTwoHoweverManyAreKilled) {
  enum { served, refused, met_another };
  const fs::path held = folder_ / "held";
  const auto hold = [&](bool is_killed) -> int {
    try {
      const FolderLock lock(folder_.path(), silent, quick);
      const int file = ::open(held.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
      if (file < 0) return met_another;
      ::usleep(500);
      ::unlink(held.c_str());
      if (is_killed) die();
      return served;
    } catch (const Error&) {
      return refused;
    }
  };
  const std::map<int, int> results = results_of(6, [&] {
    int worst = served;
    for (int i = 0; i < 60 && worst != met_another; ++i)
      worst = std::max(worst, in_child([&] { return hold(i % 2 == 0); }).exit_code);
    return worst;
  });
  for (const auto& [result, count] : results) EXPECT_LT(result, met_another) << count;
  EXPECT_EQ(refusal(), "");
}

// ---- What cannot be locked ----

TEST_F(FolderLocks, AFolderThatCannotBeWrittenIsOneSentenceWithTheReason) {
  fs::permissions(folder_.path(), fs::perms(0555));
  {
    const test::WithoutPrivileges bound;
    if (!bound.bound()) GTEST_SKIP() << "this user cannot give up its privileges";
    EXPECT_THAT(refusal(), AllOf(HasSubstr("cannot create " + file_.string()),
                                 HasSubstr("Permission denied; check its permissions")));
  }
  fs::permissions(folder_.path(), fs::perms(0755));
  EXPECT_THAT(error_of([&] { FolderLock(folder_ / "absent"); }), HasSubstr("No such file"));
}

TEST_F(FolderLocks, AFileThatThisUserCannotReadIsNotTakenOver) {
  write_bytes(file_, text_of_another_host());
  fs::permissions(file_, fs::perms(0600));
  fs::permissions(folder_.path(), fs::perms(0777));
  const test::WithoutPrivileges bound;
  if (!bound.bound()) GTEST_SKIP() << "this user cannot give up its privileges";
  EXPECT_THAT(refusal(quick), HasSubstr("check its permissions"));
}

TEST_F(FolderLocks, ALinkIsNotFollowedAndAFolderIsRefused) {
  const TemporaryFolder elsewhere;
  for (const char* name : {"file", "absent"}) {
    write_bytes(elsewhere / "file", "a text");
    fs::create_symlink(elsewhere / name, file_);
    EXPECT_THAT(refusal(quick), AllOf(HasSubstr(file_.string()), HasSubstr("it is a link")));
    EXPECT_EQ(read_bytes(elsewhere / "file"), "a text");
    EXPECT_FALSE(fs::exists(elsewhere / "absent"));
    fs::remove(file_);
  }
  fs::create_directory(file_);
  EXPECT_THAT(refusal(quick), HasSubstr("Is a directory"));
}

TEST_F(FolderLocks, AFullDiskAndARefusedThreadLeaveNoFile) {
  const Ending full = in_child([&] {
    test::limit_file_size(8);
    return error_of([&] { FolderLock(folder_.path()); }).find(file_.string()) != std::string::npos;
  });
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_THAT(files(), IsEmpty());
  if (const char* reason = test::why_no_memory_limit()) GTEST_SKIP() << reason;
  const Ending no_thread = in_child([&] {
    pthread_attr_t attributes;  // a stack that no earlier thread has left
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, 64U << 20U);
    ::pthread_setattr_default_np(&attributes);
    test::limit_more_memory(16U << 20U);
    try {
      const FolderLock lock(folder_.path());
    } catch (const Error& error) {
      return error.kind() == ErrorKind::device ? 5 : 1;
    }
    return 0;
  });
  EXPECT_EQ(no_thread.exit_code, 5);
  EXPECT_THAT(files(), IsEmpty());
}

}  // namespace
}  // namespace graft
