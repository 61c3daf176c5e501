// Ends of the program that no catch clause sees, and its signals, each in a child process.

#include "tools/graft/last_resort.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <new>
#include <thread>

#include "engine/base/background.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "tests/program/recipe.h"
#include "tests/support/forked.h"
#include "tools/graft/signals.h"

namespace graft::program {
namespace {

using namespace std::chrono_literals;
using test::Ending;
using test::in_child;
using test::TemporaryFolder;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct End {
  int exit_code;
  std::string error;
};

// `work` in a child that is prepared as the program is.
End end_of(const std::function<void()>& work) {
  const TemporaryFolder folder;
  const Ending ending = in_child([&] {
    const int error = ::open((folder / "error").c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(error, STDERR_FILENO);
    install_last_resorts();
    work();
    return 0;
  });
  return {ending.exit_code, test::text_of(folder / "error")};
}

// The compiler warns of a plain `throw` where nothing may be thrown.
template <typename Exception>
void fail_with(const Exception& exception) {
  throw exception;
}

TEST(LastResort, MemoryThatRunsOutWhereNothingMayBeThrownIsExitCode5) {
  const End thrown = end_of([]() noexcept { fail_with(std::bad_alloc()); });
  EXPECT_EQ(thrown.exit_code, 5);
  EXPECT_THAT(thrown.error, StartsWith("graft: memory ran out"));
  const End in_thread = end_of([] { start_thread([] { throw std::bad_alloc(); }).join(); });
  EXPECT_EQ(in_thread.exit_code, 5);
}

TEST(LastResort, OtherExceptionsKeepTheirExitCodeAndAreEscaped) {
  EXPECT_EQ(end_of([]() noexcept { fail_with(Error(ErrorKind::io, "no disk")); }).error,
            "graft: no disk\n");
  const End error = end_of([]() noexcept {
    for (const auto& entry : std::filesystem::directory_iterator("no\x1b[2J\nsuch folder"))
      (void)entry;
  });
  EXPECT_EQ(error.exit_code, 6);
  EXPECT_THAT(error.error, HasSubstr("no\\x1b[2J\\x0asuch folder"));
  EXPECT_EQ(end_of([]() noexcept { fail_with(7); }).exit_code, 1);
}

TEST(LastResort, AMappedFileThatIsCutShortIsExitCode6) {
  const TemporaryFolder folder;
  const auto path = folder / "rows.npy";
  write_file_whole(path, std::string(100'000, 'x'));
  const End end = end_of([&] {
    const MappedFile file(path);
    std::filesystem::resize_file(path, 0);
    [[maybe_unused]] const volatile std::byte last = file.bytes().back();
  });
  EXPECT_EQ(end.exit_code, 6);
  EXPECT_THAT(end.error, HasSubstr("became shorter, or its disk failed"));
}

TEST(LastResort, ProcessorTimeIsAnInterruption) {
  EXPECT_EQ(end_of([] { std::raise(SIGXCPU); }).exit_code, 130);
}

TEST(Signals, AsksAndEndsTheProgramThatDoesNotObey) {
  const End end = end_of([] {
    const Signals signals;
    kill(getpid(), SIGTERM);
    for (;;) pause();
  });
  EXPECT_EQ(end.exit_code, 130);
  EXPECT_THAT(end.error, HasSubstr("ended at once"));
}

TEST(Signals, LeaveTheTimeToSaveWorkUntilTheSecondOne) {
  const auto saving = [](int signals_sent) {
    return end_of([signals_sent] {
      Signals signals;
      signals.set(FirstSignal::waits);
      kill(getpid(), SIGTERM);
      while (!signals.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
      if (signals_sent == 2) kill(getpid(), SIGTERM);
      std::this_thread::sleep_for(1s);  // more than an unpatient program gets
    });
  };
  EXPECT_EQ(saving(1).exit_code, 0);
  EXPECT_EQ(saving(2).exit_code, 130);
}

}  // namespace
}  // namespace graft::program
