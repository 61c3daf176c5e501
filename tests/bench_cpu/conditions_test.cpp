#include "bench/cpu/conditions.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <string>

#include "engine/base/file.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

unsigned a_processor_of_ours() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (unsigned i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &allowed)) return i;
  return 0;
}

// /proc and /sys as one folder.
class CpuConditionsTest : public ::testing::Test {
 protected:
  const unsigned processor_ = a_processor_of_ours();
  const TemporaryFolder folder_;
};

TEST_F(CpuConditionsTest, BusyIsAllButIdleAndWaitingOfOurProcessors) {
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  write_file_whole(folder_ / "stat",
                   "cpu  999 999 999 999 999 999 999 999 0 0\n"
                   "cpu" +
                       std::to_string(processor_) + " 100 20 30 5000 600 7 8 9 0 0\n" +
                       "cpu99999 100 100 100 100 100 100 100 100 0 0\nintr 5\n");
  const auto busy = bench::busy_seconds(folder_.path());
  ASSERT_TRUE(busy);
  EXPECT_NEAR(*busy * ticks, 100 + 20 + 30 + 7 + 8 + 9, 1e-6);
}

TEST_F(CpuConditionsTest, WhatTheSystemDoesNotTellStaysEmpty) {
  EXPECT_FALSE(bench::busy_seconds(folder_.path()));
  bench::CpuConditions conditions(folder_.path(), folder_.path());
  const bench::Conditions now = conditions.now();
  EXPECT_FALSE(now.clock_mhz);
  EXPECT_FALSE(now.other_processes);
  EXPECT_TRUE(now.throttle_reasons.empty());
}

TEST_F(CpuConditionsTest, TheClockComesFromCpufreqElseFromCpuinfo) {
  write_file_whole(folder_ / "cpuinfo",
                   "processor : 0\ncpu MHz\t\t: 2500.5\n"
                   "processor : 1\ncpu MHz\t\t: 3500.5\n");
  bench::CpuConditions conditions(folder_.path(), folder_.path());
  EXPECT_EQ(conditions.now().clock_mhz, 3000.5);
  const auto cpufreq =
      folder_.path() / "devices/system/cpu" / ("cpu" + std::to_string(processor_)) / "cpufreq";
  make_folder(cpufreq);
  write_file_whole(cpufreq / "scaling_cur_freq", "4000000\n");
  EXPECT_EQ(conditions.now().clock_mhz, 4000.0);
}

}  // namespace
}  // namespace graft::test
