// HDF5 weights: the program with scripts in the place of graft-hdf5, which hang and crash.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string_view>

#include "tests/program/recipe.h"
#include "tests/support/files.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;

class Hdf5Weights : public ::testing::Test {
 protected:
  const TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "weights.h5";
  const std::filesystem::path started_ = folder_ / "started";
  const Recipe recipe_;
  ChildOptions options_;

  void SetUp() override {
    write_bytes(file_, std::string_view("\x89HDF\r\n\x1a\n"));
    options_.program = folder_ / "graft";
    std::filesystem::copy_file(GRAFT_PROGRAM, options_.program);
  }
  void use_script(const std::string& script) const {
    write_bytes(folder_ / "graft-hdf5", "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(folder_ / "graft-hdf5", std::filesystem::perms::owner_all);
  }
  std::vector<std::string> show() const { return {"weights", "show", file_.string()}; }
  std::vector<std::string> import() const {
    return {"weights", "import", file_.string(), "-o", (folder_ / "w.safetensors").string()};
  }
  std::vector<std::string> run() const {
    return recipe_.arguments("run", "a", {"--set", "backbone.weights=" + file_.string()});
  }
};

TEST_F(Hdf5Weights, OneSignalEndsAHang) {
  use_script("touch " + started_.string() + "; exec sleep 30");
  for (const auto& arguments : {show(), import(), run()}) {
    for (const int signal : {SIGINT, SIGTERM}) {
      std::filesystem::remove(started_);
      Child child(arguments, options_);
      ASSERT_TRUE(child.wait_until([&] { return std::filesystem::exists(started_); }))
          << child.wait().error;
      child.signal(signal);
      const Outcome outcome = child.wait();
      EXPECT_EQ(outcome.exit_code, 130) << arguments[0] << ": " << outcome.error;
    }
  }
}

TEST_F(Hdf5Weights, CrashIsExitFourWithASentence) {
  use_script("kill -SEGV $$");
  for (const auto& arguments : {show(), import(), run()}) {
    const Outcome outcome = graft_program(arguments, options_);
    EXPECT_EQ(outcome.exit_code, 4) << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr("the HDF5 library crashed on it (Segmentation fault)"));
  }
}

TEST_F(Hdf5Weights, ProgramIsLookedForNextToThisOneOnly) {
  use_script("exit 0");
  std::filesystem::create_directory(folder_ / "path");
  std::filesystem::rename(folder_ / "graft-hdf5", folder_ / "path" / "graft-hdf5");
  options_.environment["PATH"] = (folder_ / "path").string() + ":/usr/bin:/bin";
  const Outcome outcome = graft_program(show(), options_);
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.error, HasSubstr((folder_ / "graft-hdf5").string()));
}

TEST_F(Hdf5Weights, FilesThatCrashedTheLibraryAreRefused) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  for (const char* name : {"segv_min.h5", "endless_min.h5"}) {
    const Outcome outcome =
        graft_program({"weights", "show", reference / "reference" / "hostile" / name});
    EXPECT_EQ(outcome.exit_code, 4) << outcome.error;
    EXPECT_THAT(lines_of(outcome.error), ::testing::SizeIs(1));
  }
}

}  // namespace
}  // namespace graft::test
