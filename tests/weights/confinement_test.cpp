#include "tools/hdf5/confinement.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <new>
#include <vector>

#include "tests/support/forked.h"
#include "tests/support/support.h"

namespace graft {
namespace {

constexpr std::uint64_t memory = std::uint64_t{256} << 20;

// What `attempt` returns in a confined process. The test is skipped where the kernel cannot confine one.
int confined(const std::function<int()>& attempt) {
  const test::Ending ending = test::in_child([&] {
    if (!confine_process(memory, 1)) return 99;
    return attempt();
  });
  return ending.signal == 0 ? ending.exit_code : -ending.signal;
}

TEST(Confinement, NothingCanBeOpened) {
  EXPECT_EQ(confined([] { return open("/dev/null", O_RDONLY) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(confined([] { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(confined([] { return socket(AF_UNIX, SOCK_DGRAM, 0) < 0 ? 1 : 0; }), 1);
}

TEST(Confinement, ProcessorTimeEnds) {
  EXPECT_EQ(confined([] {
              const std::atomic<bool> goes_on{true};
              while (goes_on) {
              }
              return 0;
            }),
            -SIGXCPU);
}

TEST(Confinement, MemoryEnds) {
  if (const char* reason = test::why_no_memory_limit()) GTEST_SKIP() << reason;
  EXPECT_EQ(confined([] {
              try {
                std::vector<char> bytes(memory);
                return bytes.empty() ? 2 : 0;
              } catch (const std::bad_alloc&) {
                return 1;
              }
            }),
            1);
}

TEST(Confinement, NoOtherProcessStartsOrIsSignalled) {
  if (test::why_no_memory_limit() != nullptr) GTEST_SKIP() << "sanitizers need these calls";
  if (confined([] { return 0; }) == 99) GTEST_SKIP() << "the kernel has no seccomp";
  EXPECT_EQ(confined([] { return fork() < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(confined([] { return kill(getppid(), 0) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(confined([] { return write(STDERR_FILENO, "x", 1) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(confined([] { return write(STDOUT_FILENO, "", 0) == 0 ? 1 : 0; }), 1);
}

// A kernel without seccomp, as another filter shows it.
TEST(Confinement, WithoutFiltersTheLimitsHoldAlone) {
  if (test::why_no_memory_limit() != nullptr) GTEST_SKIP() << "sanitizers have no filter";
  const test::Ending ending = test::in_child([] {
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0);
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                     SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
    if (seccomp_load(filter) != 0) return 99;
    if (confine_process(memory, 1)) return 1;
    if (open("/dev/null", O_RDONLY) >= 0 || socket(AF_INET, SOCK_STREAM, 0) >= 0) return 2;
    return 0;
  });
  if (ending.exit_code == 99) GTEST_SKIP() << "the kernel has no seccomp";
  EXPECT_TRUE(ending.succeeded()) << ending.exit_code;
}

TEST(Confinement, AProcessWhoseParentHasGoneEnds) {
  EXPECT_EQ(test::in_child([] {
              die_with_parent(getppid());
              return 0;
            }).exit_code,
            0);
  EXPECT_EQ(test::in_child([] {
              die_with_parent(getpid());
              return 0;
            }).exit_code,
            1);
}

}  // namespace
}  // namespace graft
