// What a process may take: limits of control groups, as /proc and the mounted groups show them.

#include "engine/base/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "engine/base/error.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::TemporaryFolder;
using test::write_bytes;
using ::testing::HasSubstr;

constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();

// A machine's files below a folder of the test's.
class ControlGroup : public ::testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    write_bytes(root_.path() / file, text);
  }
  std::uint64_t limit() const { return control_group_limit(root_.path()); }

  TemporaryFolder root_;
};

TEST_F(ControlGroup, NoneIsNoLimit) {
  EXPECT_EQ(limit(), none);
  write("proc/self/cgroup", "0::/\n");
  write("proc/self/mountinfo", "20 1 0:5 / /proc rw - proc proc rw\nnonsense\n");
  EXPECT_EQ(limit(), none);
}

TEST_F(ControlGroup, Version2TakesTheLeastFromItsOwnGroupUp) {
  write("proc/self/cgroup", "0::/batch/job 7/step\n");
  write("proc/self/mountinfo",
        "20 1 0:5 / /proc rw - proc proc rw\n"
        "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  write("sys/fs/cgroup/batch/memory.max", "max\n");
  write("sys/fs/cgroup/batch/job 7/step/memory.max", "max\n");
  EXPECT_EQ(limit(), none);
  write("sys/fs/cgroup/batch/job 7/memory.max", "3000000\n");
  EXPECT_EQ(limit(), 3000000U);
  write("sys/fs/cgroup/batch/job 7/step/memory.max", "2000000\n");
  EXPECT_EQ(limit(), 2000000U);
  write("sys/fs/cgroup/other/memory.max", "1\n");  // another group's
  EXPECT_EQ(limit(), 2000000U);
}

TEST_F(ControlGroup, Version1IsTheHierarchyWithTheMemoryController) {
  write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/box\n2:cpuset:/small\n");
  write("proc/self/mountinfo",
        "33 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,cpu,memory\n");
  write("sys/fs/cgroup/cpuset/small/memory.limit_in_bytes", "1\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "4194304\n");
  EXPECT_EQ(limit(), 4194304U);
}

// A container sees its own group mounted at the top, and a path that is the host's or its own.
TEST_F(ControlGroup, AContainersOwnGroupIsTheMountedOne) {
  write("proc/self/mountinfo",
        "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "8388608\n");
  write("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "4194304\n");
  for (const char* path : {"/docker/abc", "/", "/../other"}) {
    write("proc/self/cgroup", std::string("4:memory:") + path + "\n");
    EXPECT_EQ(limit(), 8388608U) << path;
  }
  write("proc/self/cgroup", "4:memory:/docker/abc/inner\n");
  EXPECT_EQ(limit(), 4194304U);
}

TEST(AvailableMemory, IsWhatTheSystemSaysAndAtMostTheMachines) {
  const TemporaryFolder root;
  EXPECT_EQ(available_memory(root.path()), 0U);
  const auto write = [&](const std::string& kib) {
    write_bytes(root.path() / "proc/meminfo",
                "MemTotal:       99999999 kB\nMemFree:   1 kB\n"
                "MemAvailable:   " +
                    kib + " kB\nBuffers:   3 kB\n");
  };
  write("2048");
  EXPECT_EQ(available_memory(root.path()), 2048U * 1024U);
  write("999999999999");
  EXPECT_EQ(available_memory(root.path()), machine_memory());
  EXPECT_GT(available_memory(), 0U);
}

TEST(CheckMemory, RefusesMoreThanTheMachineHas) {
  const std::uint64_t all = machine_memory();
  EXPECT_GT(all, std::uint64_t{1} << 26U);
  EXPECT_LE(all, control_group_limit());
  check_memory("A test", static_cast<double>(all), "make it smaller");
  try {
    check_memory("A test", 1e22, "make it smaller");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), HasSubstr("A test needs 9313225746154.8 GiB of memory, and this"));
    EXPECT_THAT(error.what(), HasSubstr("GiB; make it smaller."));
  }
}

}  // namespace
}  // namespace graft
