// Threads that step back, and work on a thread.

#include "engine/base/background.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

#include "engine/base/error.h"
#include "tests/support/forked.h"

namespace graft {
namespace {

int nice_value() {
  return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)));
}

TEST(Background, AThreadStepsBackAloneAndByTenLevels) {
  const int before = nice_value();
  int after = before;
  std::thread([&] {
    step_back();
    after = nice_value();
  }).join();
  EXPECT_EQ(after, std::min(before + 10, 19));
  EXPECT_EQ(nice_value(), before);
}

TEST(StartThread, ARefusalIsAnErrorOfTheDevice) {
  if (const char* reason = test::why_no_memory_limit()) GTEST_SKIP() << reason;
  const test::Ending ending = test::in_child([] {
    test::limit_more_memory(64U << 20U);  // a few stacks
    try {
      for (;;) start_thread([] { ::pause(); }).detach();
    } catch (const Error& error) {
      return error.kind() == ErrorKind::device ? 5 : 1;
    }
    return 0;
  });
  EXPECT_EQ(ending.exit_code, 5);
}

TEST(StartWork, RunsOnAnotherThread) {
  std::thread::id thread;
  start_work([&] { thread = std::this_thread::get_id(); }).get();
  EXPECT_NE(thread, std::thread::id());
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST(StartWork, PassesOnWhatItsWorkThrows) {
  std::future<void> work = start_work([] { throw std::runtime_error("thrown"); });
  EXPECT_THROW(work.get(), std::runtime_error);
}

TEST(StartWork, IsNotGoneBeforeItsWorkIsDone) {
  std::atomic<bool> worked = false;
  {
    const std::future<void> work = start_work([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      worked = true;
      throw std::runtime_error("nobody waits for this");
    });
  }
  EXPECT_TRUE(worked);
}

}  // namespace
}  // namespace graft
