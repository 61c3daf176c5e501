// Threads that step back.

#include "engine/base/background.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

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

}  // namespace
}  // namespace graft
