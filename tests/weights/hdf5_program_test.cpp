// The client of graft-hdf5 with scripts in its place, which do what no library should.
#include "engine/weights/hdf5_program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "engine/base/error.h"
#include "engine/weights/convolution_files.h"
#include "tests/support/files.h"
#include "tests/support/support.h"
#include "tests/weights/hdf5_writer.h"

namespace graft {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Hdf5Program : public ::testing::Test {
 protected:
  const test::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "weights.h5";
  const std::filesystem::path program_ = folder_ / "graft-hdf5";
  std::stop_source stop_;

  std::string run(const std::string& script, std::size_t largest_result = 100,
                  std::chrono::milliseconds limit = 60s) const {
    test::write_bytes(program_, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(program_, std::filesystem::perms::owner_all);
    const std::vector<std::string> request = {"read", "3"};
    const auto result =
        run_hdf5_program(program_, file_, request, largest_result, stop_.get_token(), limit);
    return {reinterpret_cast<const char*>(result.data()), result.size()};
  }
  // The kind of the refusal; its sentence is in sentence_.
  template <typename... Arguments>
  ErrorKind refusal(Arguments... arguments) {
    try {
      sentence_ = "nothing was refused: " + run(arguments...);
    } catch (const Error& error) {
      sentence_ = error.what();
      return error.kind();
    }
    return ErrorKind{};
  }
  std::string sentence_;
};

TEST_F(Hdf5Program, ResultComesAfterAZero) {
  EXPECT_EQ(run("printf '\\000tensors'"), "tensors");
  EXPECT_EQ(run("printf '\\000'"), "");
  EXPECT_EQ(run("printf '\\000'; head -c 1000000 /dev/zero", 1'000'000),
            std::string(1'000'000, '\0'));
}

TEST_F(Hdf5Program, GetsItsParentTheFileAndTheRequest) {
  EXPECT_EQ(run("printf '\\000%s' \"$*\"", 5000),
            std::to_string(getpid()) + " " + file_.string() + " read 3");
}

TEST_F(Hdf5Program, HasNoOtherDescriptorsAndNoBlockedSignals) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  std::signal(SIGPIPE, SIG_IGN);
  const int unrelated = fcntl(STDERR_FILENO, F_DUPFD, 200);
  // The shell ends last: a program whose output has ended is killed.
  const std::string status =
      run("printf '\\000'; ls /proc/$$/fd; grep Sig /proc/self/status; :", 5000);
  close(unrelated);
  std::signal(SIGPIPE, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_THAT(status, AllOf(HasSubstr("0\n1\n"), HasSubstr("SigBlk:\t0000000000000000"),
                            Not(HasSubstr(std::to_string(unrelated) + "\n"))));
  const std::string ignored = "SigIgn:\t";
  const auto mask = std::stoull(status.substr(status.find(ignored) + ignored.size()), nullptr, 16);
  EXPECT_EQ(mask & (1ULL << (SIGPIPE - 1)), 0U);
}

TEST_F(Hdf5Program, RefusalIsTheSentenceEscapedAndBounded) {
  EXPECT_EQ(refusal("printf '\\004weights.h5: no group \"\\033[2J\\nx\"'"), ErrorKind::weights);
  EXPECT_EQ(sentence_, "weights.h5: no group \"\\x1b[2J\\x0ax\"");
  EXPECT_EQ(refusal("printf '\\006cannot open it'"), ErrorKind::io);
  EXPECT_EQ(refusal("printf '\\005memory'"), ErrorKind::device);
  EXPECT_EQ(refusal("printf '\\377?'"), ErrorKind::weights);
  EXPECT_EQ(refusal("printf '\\004'; head -c 3999 /dev/zero"), ErrorKind::weights);
  EXPECT_LE(sentence_.size(), 16'000U);  // four characters a byte
}

TEST_F(Hdf5Program, CrashIsASentence) {
  for (const char* signal : {"SEGV", "ABRT", "FPE", "ILL", "SYS"}) {
    EXPECT_EQ(refusal("printf '\\000half'; kill -" + std::string(signal) + " $$"),
              ErrorKind::weights);
    EXPECT_THAT(sentence_, AllOf(HasSubstr("weights.h5: the HDF5 library crashed"),
                                 HasSubstr("save the weights again")));
  }
  EXPECT_EQ(refusal("kill -XCPU $$"), ErrorKind::weights);
  EXPECT_THAT(sentence_, HasSubstr("did not come to an end"));
  EXPECT_EQ(refusal("kill -BUS $$"), ErrorKind::io);
  EXPECT_EQ(refusal("kill -KILL $$"), ErrorKind::device);
  EXPECT_EQ(refusal("kill -INT $$"), ErrorKind::interrupted);
}

TEST_F(Hdf5Program, AnythingElseIsRefused) {
  EXPECT_EQ(refusal("exit 0"), ErrorKind::weights);
  EXPECT_THAT(sentence_, HasSubstr("no answer"));
  EXPECT_EQ(refusal("printf '\\000x'; exit 3"), ErrorKind::weights);
  EXPECT_THAT(sentence_, HasSubstr("code 3"));
  EXPECT_EQ(refusal("cat /dev/zero"), ErrorKind::weights);
  EXPECT_THAT(sentence_, HasSubstr("more than the 100 bytes"));
}

TEST_F(Hdf5Program, HangMeetsTheTimeLimit) {
  EXPECT_EQ(refusal("printf '\\000'; exec sleep 1000", std::size_t{100}, 50ms), ErrorKind::weights);
  EXPECT_THAT(sentence_, HasSubstr("longer than 1 s"));
}

TEST_F(Hdf5Program, OneThatClosesItsOutputAndGoesOnIsEnded) {
  EXPECT_EQ(refusal("exec >&-; exec sleep 1000"), ErrorKind::device);
}

TEST_F(Hdf5Program, StopEndsAHang) {
  const std::filesystem::path started = folder_ / "started";
  std::jthread stopper([&] {
    while (!std::filesystem::exists(started)) std::this_thread::sleep_for(1ms);
    stop_.request_stop();
  });
  EXPECT_EQ(refusal("touch " + started.string() + "; exec sleep 1000"), ErrorKind::interrupted);
}

TEST_F(Hdf5Program, IsReadAlsoWhereEndedChildrenAreNotKept) {
  std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(run("printf '\\000tensors'"), "tensors");
  EXPECT_EQ(refusal("printf '\\004no'"), ErrorKind::weights);
  std::signal(SIGCHLD, SIG_DFL);
}

TEST_F(Hdf5Program, AbsentProgramIsNamed) {
  try {
    run_hdf5_program(folder_ / "absent", file_, {}, 1, {});
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_THAT(error.what(), AllOf(HasSubstr((folder_ / "absent").string()), HasSubstr("HDF5")));
  }
  EXPECT_EQ(hdf5_program().filename(), "graft-hdf5");
  EXPECT_TRUE(hdf5_program().is_absolute());
}

// The real program, held up by a pipe that nobody reads, while the process that started it is killed.
TEST(RealHdf5Program, DiesWithItsParent) {
  const test::TemporaryFolder folder;
  const std::vector<Vgg16Layer> layers = {{"block1_conv1", 3, 10'000, false}};
  const std::filesystem::path file = folder / "weights.h5";
  test::write_keras3(file, layers, test::random_convolutions(layers, 1));
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t parent = fork();
  if (parent == 0) {
    const std::string own = std::to_string(getpid());
    if (fork() == 0) {
      dup2(ends[1], STDOUT_FILENO);
      execl(hdf5_program().c_str(), "graft-hdf5", own.c_str(), file.c_str(), "read", "3", "10000",
            nullptr);
      _exit(1);
    }
    for (;;) pause();
  }
  char first = 1;
  EXPECT_EQ(read(ends[0], &first, 1), 1);
  EXPECT_EQ(first, 0);
  kill(parent, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(parent, &status, 0), parent);
  EXPECT_GT(waitpid(-1, &status, 0), 0);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  close(ends[0]);
  close(ends[1]);
}

TEST(Hdf5Summary, IsCheckedLikeAFile) {
  const auto refusal = [](const std::string& json) {
    try {
      parse_hdf5_summary("f.h5", json);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::weights);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal(R"({"format":"HDF5","metadata":{},"names":["a"],"shapes":[[2,3]]})"), "");
  EXPECT_THAT(refusal(R"({"format":"HDF5","metadata":{},"names":["a"],"shapes":[]})"),
              HasSubstr("names without shapes"));
  EXPECT_THAT(refusal(R"({"format":"HDF5","metadata":{},"names":["a"],"shapes":[[-1]]})"),
              HasSubstr("at least 0"));
  EXPECT_THAT(refusal(R"({"format":1})"), HasSubstr("names"));
  EXPECT_THAT(refusal("{"), HasSubstr("not JSON"));
}

}  // namespace
}  // namespace graft
