// Shards through the program: together they are the run of one process, whatever is missing, changed or
// in another set.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/file.h"
#include "engine/base/folder_lock.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Shards : public ::testing::Test {
 protected:
  Shards() {
    for (const auto& entry : fs::recursive_directory_iterator(recipe_.folder()))
      if (entry.path().extension() == ".png") make_old(entry.path());
  }

  // So that its time tells whether it has changed.
  static void make_old(const fs::path& photo, int hours = 1) {
    fs::last_write_time(photo, fs::file_time_type::clock::now() - std::chrono::hours(hours));
  }

  Outcome extract(const std::string& name, const std::string& shard,
                  std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--shard", shard});
    return graft_program(recipe_.arguments("extract", name, more));
  }
  void extract_all(const std::string& name, int count,
                   const std::vector<std::string>& more = {}) const {
    for (int i = 0; i < count; ++i) {
      const Outcome outcome = extract(name, fmt::format("{}/{}", i, count), more);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    }
  }
  // Collects into `name`, and compares with one process.
  Outcome collect(const std::string& name, const std::vector<std::string>& more = {}) const {
    Outcome collected = recipe_.run(name, more);
    EXPECT_EQ(collected.exit_code, 0) << collected.error;
    EXPECT_EQ(recipe_.run(name + " alone", more).exit_code, 0);
    EXPECT_TRUE(same_results(recipe_.output(name), recipe_.output(name + " alone")));
    for (const char* list : {"features/train.files.json", "features/validation.files.json"})
      EXPECT_EQ(text_of(recipe_.output(name) / list),
                text_of(recipe_.output(name + " alone") / list));
    return collected;
  }
  fs::path photo(const std::string& name) const { return recipe_.folder() / "train" / name; }

  const Recipe recipe_;
};

TEST_F(Shards, AreTogetherTheRunOfOneProcess) {
  for (const int count : {1, 3}) {
    const std::string name = fmt::format("{} shards", count);
    extract_all(name, count);
    EXPECT_THAT(collect(name).error, AllOf(HasSubstr("features/train: 0 computed, 8 reused"),
                                           HasSubstr("features/validation: 0 computed, 4 reused")));
  }
}

TEST_F(Shards, OfOtherCountsGiveTheirRowsToo) {
  extract_all("a", 2);
  const Outcome outcome = extract("a", "0/3");
  EXPECT_THAT(outcome.error, HasSubstr("features/train: 0 computed")) << outcome.error;
  EXPECT_THAT(collect("a").error, HasSubstr("features/train: 0 computed"));
}

TEST_F(Shards, ThatAreMissingAreComputedWhereTheRowsAreCollected) {
  extract("a", "0/3");
  extract("a", "2/3");
  EXPECT_THAT(collect("a").error,
              ContainsRegex("computed here:\n  [0-9]+ photos? of shard 1/3, which is missing"));
}

TEST_F(Shards, MayHaveNoPhoto) {
  extract_all("a", 16);
  collect("a");
}

TEST_F(Shards, WorkWhereOneFolderIsSplitAndBadPhotosAreSkipped) {
  const std::vector<std::string> split = {
      "--set", "data.validation=",      "--set", "data.validation_split=0.4",
      "--set", "data.on_bad_image=skip"};
  write_file_whole(photo("brown/no image.png"), "text");
  const std::string good = text_of(photo("brown/photo 0.png"));
  write_file_whole(photo("grey/torn.png"), good.substr(0, good.size() - 200));
  extract_all("a", 3, split);
  EXPECT_THAT(collect("a", split).error, HasSubstr("torn.png"));
}

TEST_F(Shards, WorkWithAListOfPhotos) {
  std::string list = "path,label,split\n";
  for (const std::string set : {"train", "validation"})
    for (const std::string label : {"brown", "grey"})
      for (const int i : {0, 1})
        list += fmt::format("{}/{}/photo {}.png,{},{}\n", set, label, i, label, set);
  write_file_whole(recipe_.folder() / "list.csv", list);
  const std::vector<std::string> listed = {"--set",
                                           "data.train=" + (recipe_.folder() / "list.csv").string(),
                                           "--set", "data.validation="};
  extract_all("a", 2, listed);
  EXPECT_THAT(collect("a", listed).error, HasSubstr("features/train: 0 computed, 4 reused"));
}

// Another content with the size and the time of before shows who reads the photo.
TEST_F(Shards, APhotoIsReadAgainOnlyWhereItHasChangedOrAllAreVerified) {
  extract_all("a", 2);
  const fs::path changed = photo("brown/photo 1.png");
  const fs::file_time_type time = fs::last_write_time(changed);
  std::string bytes = text_of(changed);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);  // of a check sum behind the pixels
  write_file_whole(changed, bytes);
  fs::last_write_time(changed, time);
  const auto extract_again = [&](const std::vector<std::string>& more) {
    return graft_program(recipe_.arguments("extract", "a", more)).error;
  };
  EXPECT_THAT(extract_again({}), HasSubstr("features/train: 0 computed, 8 reused"));
  EXPECT_THAT(extract_again({"--verify"}), HasSubstr("features/train: 1 computed, 7 reused"));
  make_old(changed, 2);
  EXPECT_THAT(extract_again({}), HasSubstr("all 8 rows are up to date"));
}

TEST_F(Shards, APhotoThatIsNewOrFromTheFutureIsReadAgain) {
  make_old(photo("brown/photo 1.png"), 0);
  make_old(photo("grey/photo 1.png"), -24);
  const Outcome outcome = extract("a", "0/1");
  EXPECT_THAT(outcome.error,
              HasSubstr("will read 2 files again: bad, or changed less than two seconds ago"));
  EXPECT_EQ(
      text_of(recipe_.output("a") / "features/shard-0-of-1/train.files.json").find("\"time\": 0"),
      std::string::npos);
  collect("a");
}

TEST_F(Shards, APhotoMayBeAddedReplacedMovedAndRemoved) {
  extract_all("a", 2);
  fs::copy_file(photo("brown/photo 3.png"), photo("brown/new.png"));
  write_file_whole(photo("brown/new.png"), text_of(photo("brown/new.png")) + "more");
  fs::rename(photo("brown/photo 2.png"), photo("brown/moved.png"));
  fs::rename(photo("grey/photo 2.png"), recipe_.folder() / "validation/grey/moved.png");
  fs::copy_file(photo("grey/photo 0.png"), photo("grey/photo 1.png"),
                fs::copy_options::overwrite_existing);
  fs::remove(photo("grey/photo 3.png"));
  EXPECT_THAT(collect("a").error, HasSubstr("features/train: 1 computed, 6 reused"));
}

TEST_F(Shards, WithOtherSettingsAreRefusedWithTheReason) {
  extract("a", "0/2");
  const std::vector<std::string> other = {"--set", "data.preprocess=torch"};
  const auto is_refusal =
      HasSubstr("shard-0-of-2 cannot be used: preprocess changed from caffe to torch");
  const Outcome shard = extract("a", "1/2", other);
  EXPECT_EQ(shard.exit_code, 3);
  EXPECT_THAT(shard.error, is_refusal);
  const Outcome run = recipe_.run("a", other);
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.error, AllOf(is_refusal, Not(HasSubstr("computed again"))));
  EXPECT_FALSE(fs::exists(recipe_.output("a") / "features/train.npy"));
}

TEST_F(Shards, AreLockedOneByOne) {
  make_folder(recipe_.output("a") / "features/shard-0-of-2");
  const FolderLock held(recipe_.output("a") / "features/shard-0-of-2");
  EXPECT_EQ(extract("a", "1/2").exit_code, 0);
  const Outcome second = extract("a", "0/2");
  EXPECT_EQ(second.exit_code, 6);
  EXPECT_THAT(second.error, HasSubstr("shard-0-of-2 is in use by another run"));
}

TEST_F(Shards, WhoseListIsDamagedAreComputedWhereTheRowsAreCollected) {
  extract_all("a", 1);
  write_file_whole(recipe_.output("a") / "features/shard-0-of-1/train.files.json", "{");
  EXPECT_THAT(collect("a").error,
              AllOf(ContainsRegex("shard-0-of-1/train.files.json.*not JSON"),
                    HasSubstr("computed here:\n  8 photos of shard 0/1, which has no row of them"),
                    HasSubstr("features/validation: 0 computed, 4 reused")));
}

TEST_F(Shards, AreNotCollectedWhileOneRuns) {
  make_folder(recipe_.output("a") / "features/shard-0-of-2");
  const FolderLock of_one_that_reads(recipe_.output("a") / "features/shard-0-of-2");
  const Outcome outcome = recipe_.run("a");
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.error, HasSubstr("shard-0-of-2 is in use by another run"));
}

// Of a job that was killed on machines that are gone, every lock has to be watched before it is replaced.
TEST_F(Shards, LocksOfOtherMachinesAreWatchedTogether) {
  extract_all("a", 3);
  for (const int i : {0, 1, 2}) {
    const fs::path shard = recipe_.output("a") / fmt::format("features/shard-{}-of-3", i);
    write_file_whole(shard / "train.journal", "");
    write_file_whole(shard / ".lock.exclusive", "other/1 2 pid:[3] 4 5 6 0\n");
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(collect("a").error, HasSubstr("process 4 on other did not answer for 20 s"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(40));
}

TEST_F(Shards, WithoutANumberAreNoRunOfAllPhotos) {
  const Outcome outcome = extract("a", "");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_FALSE(fs::exists(recipe_.output("a")));
}

TEST_F(Shards, WhoseFolderIsNoneAreRefusedInASentence) {
  make_folder(recipe_.output("a") / "features");
  write_file_whole(recipe_.output("a") / "features/shard-0-of-2", "");
  const Outcome outcome = extract("a", "0/2");
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(lines_of(outcome.error).back(), HasSubstr("shard-0-of-2"));
}

}  // namespace
}  // namespace graft::test
