// How a new set of results takes the place of the old one. tests/features/system_calls.cpp counts the
// calls that change files, and can lack the exchange of two folders.

#include "engine/base/result_folder.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "tests/features/system_calls.h"
#include "tests/support/files.h"
#include "tests/support/forked.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::ElementsAre;

void write_set(const fs::path& folder, const std::string& content) {
  for (const char* name : {checkpoint_file, "config.json", head_file})
    write_bytes(folder / name, content);
}

// What a reader without the lock finds: one word, when all files are of one set.
std::string content_seen(const fs::path& output) {
  std::set<std::string> contents;
  read_set(output, [&](const fs::path& set) {
    contents.clear();
    for (const char* name : {checkpoint_file, "config.json", head_file})
      contents.insert(read_text_file(set / name, 100));
  });
  return contents.size() == 1 ? *contents.begin() : "a mixture";
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

// On a file system that can exchange two folders (true), and on one that cannot.
class PublishSet : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { allow_exchange(GetParam()); }
  void TearDown() override { allow_exchange(true); }
};

TEST_P(PublishSet, TheFirstSetBecomesTheResult) {
  const TemporaryFolder output;
  write_set(next_set(output.path()), "new");
  publish_set(output.path());
  EXPECT_EQ(content_seen(output.path()), "new");
  EXPECT_THAT(names_in(output.path()), ElementsAre("result"));
}

TEST_P(PublishSet, TheNewSetReplacesTheOldOneWhichGoes) {
  const TemporaryFolder output;
  write_set(output / "result", "old");
  write_bytes(output / "result" / "curves.svg", "old");
  write_set(next_set(output.path()), "new");
  publish_set(output.path());
  EXPECT_EQ(content_seen(output.path()), "new");
  EXPECT_THAT(names_in(output.path()), ElementsAre("result"));
  EXPECT_THAT(names_in(output / "result"),
              ElementsAre("checkpoint.safetensors", "config.json", "head.safetensors"));
}

TEST_P(PublishSet, AKillBeforeAnyCallLeavesTheOldSetOrTheNewOne) {
  std::size_t kills = 0;
  for (bool is_killed = true; is_killed; ++kills) {
    SCOPED_TRACE("killed before call " + std::to_string(kills));
    const TemporaryFolder output;
    write_set(output / "result", "old");
    write_set(next_set(output.path()), "new");
    is_killed = in_child([&] {
                  arm_fault(Fault::kill, kills);
                  publish_set(output.path());
                  return 0;
                }).killed();
    const std::string seen = content_seen(output.path());
    EXPECT_THAT(seen, AnyOf("old", "new"));
    recover_sets(output.path());
    EXPECT_EQ(content_seen(output.path()), seen);
    EXPECT_FALSE(fs::exists(output / "previous"));
    // The next run makes the set again.
    remove_set(next_set(output.path()));
    write_set(next_set(output.path()), "new");
    publish_set(output.path());
    EXPECT_EQ(content_seen(output.path()), "new");
    EXPECT_THAT(names_in(output.path()), ElementsAre("result"));
  }
  EXPECT_GT(kills, 6U);
}

INSTANTIATE_TEST_SUITE_P(, PublishSet, ::testing::Bool(), [](const auto& param) {
  return param.param ? "WithExchange" : "WithTwoRenames";
});

TEST(ReadSet, ReadsAgainWhenTheSetWasReplacedMeanwhile) {
  const TemporaryFolder output;
  write_set(output / "result", "old");
  std::vector<std::string> seen;
  read_set(output.path(), [&](const fs::path& set) {
    seen.push_back(read_text_file(set / head_file, 100));
    if (seen.size() > 1) return;
    write_set(next_set(output.path()), "new");
    publish_set(output.path());
    read_text_file(set / "gone", 100);  // its error is not that of the set which is read next
  });
  EXPECT_THAT(seen, ElementsAre("old", "new"));
}

TEST(ReadSet, PassesOnTheErrorOfASetThatStays) {
  const TemporaryFolder output;
  write_set(output / "result", "old");
  EXPECT_THROW(
      read_set(output.path(), [](const fs::path& set) { read_text_file(set / "gone", 9); }), Error);
}

TEST(RecoverSets, RemovesTheUnfinishedFilesOfItsOwnFolderAndNothingElse) {
  const TemporaryFolder output;
  write_set(output / "result", "old");
  write_set(next_set(output.path()), "new");
  write_bytes(next_set(output.path()) / "config.json.partial", "half");
  write_bytes(output / "film.mp4.partial", "somebody's download");
  recover_sets(output.path());
  EXPECT_THAT(names_in(output.path()), ElementsAre("film.mp4.partial", "next", "result"));
  EXPECT_EQ(names_in(output / "result").size(), 3U);
  EXPECT_EQ(names_in(next_set(output.path())).size(), 3U);
}

TEST(RecoverSets, RefusesLinksAndLeavesWhatIsBehindThem) {
  for (const char* name : {"result", "previous", "next"}) {
    const TemporaryFolder output, elsewhere;
    write_set(elsewhere / "set", "old");
    write_bytes(elsewhere / "set/a.partial", "half");
    fs::create_directory_symlink(elsewhere / "set", output / name);
    EXPECT_THROW(recover_sets(output.path()), Error) << name;
    EXPECT_EQ(names_in(elsewhere / "set").size(), 4U) << name;
  }
}

}  // namespace
}  // namespace graft::test
