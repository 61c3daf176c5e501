// Kills at every system call that changes a file, and full disks at every one that needs space.
// tests/features/system_calls.cpp counts the calls and returns ENOSPC; the process is forked, so that
// SIGKILL is real. One test uses a limit of the kernel (RLIMIT_FSIZE, EFBIG).

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "engine/base/error.h"
#include "engine/features/features.h"
#include "engine/features/set_files.h"
#include "tests/features/small_backend.h"
#include "tests/features/system_calls.h"
#include "tests/support/files.h"
#include "tests/support/forked.h"
#include "tests/support/image_files.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using test::Ending;
using test::Fault;
using test::SmallSet;
using test::TemporaryFolder;
using ::testing::HasSubstr;

// What is in the folder before the extraction that meets a fault.
struct Scenario {
  const char* name;
  std::function<void(SmallSet&)> prepare;  // without faults
};

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      {"a first extraction", [](SmallSet&) {}},
      {"with a bad image",
       [](SmallSet& set) {
         set.data.on_bad_image = OnBadImage::skip;
         test::write_bytes(set.image("c0/1.png"), test::png_with_damaged_pixels(1));
       }},
      {"a set replaced by one with other images",
       [](SmallSet& set) {
         set.extract();
         fs::remove(set.image("c0/0.png"));
         test::write_png(set.image("c1/9.png"), 90);
         test::write_png(set.image("c0/9.png"), 91);
       }},
      {"a set replaced by one with other weights and the same images",
       [](SmallSet& set) {
         set.extract();
         set.weights = {5, 5};
         set.data.resize = Resize::bilinear;  // so that the rows differ, too
       }},
      {"new names for the same rows",
       [](SmallSet& set) {
         set.extract();
         fs::rename(set.image("c1"), set.image("renamed"));
       }},
      {"an interrupted one continued", [](SmallSet& set) { set.interrupt_after(1); }},
      {"two interrupted ones with other images",
       [](SmallSet& set) {
         set.interrupt_after(2);
         test::write_png(set.image("c0/00.png"), 92);
         set.interrupt_after(1);
         test::write_png(set.image("c0/000.png"), 93);
       }},
      {"images that move to validation",
       [](SmallSet& set) {
         set.names = {"train", "validation"};
         set.data.validation_split = 0.2;
         set.extract();
         set.data.validation_split = 0.8;
       }},
      {"images that move to train", [](SmallSet& set) {
         set.names = {"train", "validation"};
         set.data.validation_split = 0.8;
         set.extract();
         set.data.validation_split = 0.2;
       }}};
  return all;
}

constexpr std::size_t images_a_class = 4;

Ending extract_in_child(SmallSet& set, Fault fault, std::size_t at) {
  return test::in_child([&] {
    test::arm_fault(fault, at);
    set.extract();
    return 0;
  });
}

// The content of train as it opens: it must be that of one complete set, old or new.
std::string opened_rows(const SmallSet& set) {
  try {
    const FeatureSet features = FeatureSet::open(set.features, "train", 0);
    std::string text;
    for (const std::string& file : features.files()) text += file + ";";
    const FeatureView view = features.view();
    for (std::size_t i = 0; i < view.rows * view.columns; ++i) {
      text.append(reinterpret_cast<const char*>(view.data + i), sizeof(float));
    }
    return text;
  } catch (const Error&) {
    return "refused";
  }
}

// Rows on disk that no journal names.
std::vector<std::string> orphaned_rows(const SmallSet& set) {
  std::vector<std::string> orphans;
  if (!fs::exists(set.features)) return orphans;
  for (const std::string& name : set.result_files()) {
    const fs::path file = set.result(name);
    if (!name.ends_with(".npy.partial")) continue;
    if (!fs::exists(fs::path(file).replace_extension().replace_extension(".journal"))) {
      orphans.push_back(name);
    }
  }
  return orphans;
}

class FaultsTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  const Scenario& scenario() const { return scenarios()[GetParam()]; }

  void SetUp() override {
    const TemporaryFolder folder;
    SmallSet set(folder.path(), 2, images_a_class);
    scenario().prepare(set);
    before_ = opened_rows(set);
    test::arm_fault(Fault::none, 0);
    set.extract();
    calls_ = test::disarm_fault();
    computed_ = set.images_computed;
    out_of_order_ = test::writes_out_of_order();
    expected_ = set.result_bytes();
    after_ = opened_rows(set);
    ASSERT_GT(calls_, 10U) << "the system calls are not counted";
    ASSERT_NE(after_, "refused");
  }

  void expect_complete(const SmallSet& set) const {
    EXPECT_EQ(set.result_bytes(), expected_);
    EXPECT_EQ(set.result_files().size(), 3 * set.names.size());
  }

  std::size_t calls_ = 0, out_of_order_ = 0, computed_ = 0;
  std::string before_, after_, expected_;
};

TEST_P(FaultsTest, KilledAtAnyStepARestartEndsWithTheSameBytes) {
  for (std::size_t at = 0; at < calls_; ++at) {
    SCOPED_TRACE(test::numbered("killed at call ", at, std::string(": ") + scenario().name));
    const TemporaryFolder folder;
    SmallSet set(folder.path(), 2, images_a_class);
    scenario().prepare(set);
    ASSERT_TRUE(extract_in_child(set, Fault::kill, at).killed());
    const std::string now = opened_rows(set);
    EXPECT_TRUE(now == before_ || now == after_ || now == "refused") << "a mix of two sets";
    set.extract();
    expect_complete(set);
    EXPECT_LE(set.images_computed, computed_) << "rows were lost";
  }
}

TEST_P(FaultsTest, NothingSpeaksOfBytesThatAreNotSynced) {
  EXPECT_EQ(out_of_order_, 0U);
}

TEST_P(FaultsTest, KilledAgainAndAgainItEndsWithTheSameBytes) {
  for (const std::size_t steps : {3, 7, 11}) {
    const TemporaryFolder folder;
    SmallSet set(folder.path(), 2, images_a_class);
    scenario().prepare(set);
    // Each life is longer than the one before, so that the last one ends by itself.
    std::size_t lives = 0;
    while (!extract_in_child(set, Fault::kill, steps + lives).succeeded()) ASSERT_LT(++lives, 100U);
    EXPECT_GT(lives, 0U);
    set.read();
    expect_complete(set);
  }
}

TEST_P(FaultsTest, AFullDiskIsOneSentenceAndARestartEndsWithTheSameBytes) {
  for (std::size_t at = 0; at < calls_; ++at) {
    SCOPED_TRACE(test::numbered("disk full at call ", at, std::string(": ") + scenario().name));
    const TemporaryFolder folder;
    SmallSet set(folder.path(), 2, images_a_class);
    scenario().prepare(set);
    const std::string bytes_before = set.result_bytes();
    test::arm_fault(Fault::no_space, at);
    try {
      set.extract();  // only renaming and removing may be left to do
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::io);
      EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
    }
    test::disarm_fault();
    const std::string now = opened_rows(set);
    EXPECT_TRUE(now == before_ || now == after_ || now == "refused") << "a mix of two sets";
    if (set.result_bytes() == bytes_before) {  // else a publish was cut off, which is ended later
      EXPECT_THAT(orphaned_rows(set), ::testing::IsEmpty());
    }
    set.extract();
    expect_complete(set);
  }
}

std::string scenario_name(const ::testing::TestParamInfo<std::size_t>& info) {
  std::string name = scenarios()[info.param].name;
  for (char& letter : name) letter = letter == ' ' ? '_' : letter;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Scenarios, FaultsTest, ::testing::Range(std::size_t{0}, std::size_t{9}),
                         scenario_name);

// The space for all rows is taken first: a full disk is met before any image is computed, and what
// was taken of it is given back.
TEST(FullDisk, IsMetBeforeAnyImageIsComputed) {
  const TemporaryFolder folder;
  SmallSet set(folder.path(), 2, images_a_class);
  const Ending ending = test::in_child([&] {
    test::limit_file_size(std::uint64_t{8} * 4096);  // eight rows and a header do not fit
    try {
      set.extract();
    } catch (const Error& error) {
      const std::string message = error.what();
      const bool named = message.find("train.npy.partial") != std::string::npos &&
                         message.find("File too large") != std::string::npos;
      return error.kind() == ErrorKind::io && named && set.images_computed == 0 ? 0 : 1;
    }
    return 9;
  });
  EXPECT_TRUE(ending.succeeded()) << ending.exit_code;
  EXPECT_TRUE(set.result_files().empty());
  set.extract();
  EXPECT_EQ(set.images_computed, 2 * images_a_class);
}

}  // namespace
}  // namespace graft
