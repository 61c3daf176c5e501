#include "engine/config/paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/config_support.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;

TEST(ExpandPath, RelativePathsBeginInTheWorkingFolder) {
  const auto environment = plain_environment();
  EXPECT_EQ(expand_path("runs/a", environment), "/work folder/runs/a");
  EXPECT_EQ(expand_path("./runs/./a/", environment), "/work folder/runs/a");
  EXPECT_EQ(expand_path("/data/x", environment), "/data/x");
  EXPECT_EQ(expand_path("/", environment), "/");
  EXPECT_EQ(expand_path(".", environment), "/work folder");
}

TEST(ExpandPath, APathThatClimbsIsLeftToTheFileSystem) {
  EXPECT_EQ(expand_path("link/../a", plain_environment()), "/work folder/link/../a");
}

TEST(ExpandPath, ATildeIsTheHomeFolderOnlyAtTheStartAndOnItsOwn) {
  const auto environment = plain_environment();
  EXPECT_EQ(expand_path("~", environment), "/home/ada");
  EXPECT_EQ(expand_path("~/photos", environment), "/home/ada/photos");
  EXPECT_EQ(expand_path("~bob/photos", environment), "/work folder/~bob/photos");
  EXPECT_EQ(expand_path("a/~/b", environment), "/work folder/a/~/b");
  EXPECT_THAT(refusal([] { expand_path("~/x", environment_of({})); }),
              HasSubstr("HOME is not set"));
}

TEST(ExpandPath, VariablesOfTheEnvironmentAreExpandedAnywhere) {
  const auto environment = environment_of({{"DATA", "/mnt/data"}, {"N", "7"}});
  EXPECT_EQ(expand_path("${DATA}/set${N}/x", environment), "/mnt/data/set7/x");
  EXPECT_EQ(expand_path("$DATA/x", environment), "/work folder/$DATA/x");
}

TEST(ExpandPath, AValueIsNotExpandedAgain) {
  EXPECT_EQ(expand_path("/${A}", environment_of({{"A", "${B}"}})), "/${B}");
}

TEST(ExpandPath, AVariableThatIsUnsetOrEmptyIsAnError) {
  const auto environment = environment_of({{"EMPTY", ""}});
  EXPECT_THAT(refusal([&] { expand_path("${DATA}/train", environment); }),
              HasSubstr("the environment variable DATA is not set"));
  EXPECT_THAT(refusal([&] { expand_path("${EMPTY}/train", environment); }), HasSubstr("EMPTY"));
  EXPECT_THAT(refusal([&] { expand_path("/a/${DATA", environment); }), HasSubstr("has no \"}\""));
}

TEST(ExpandPath, TheCacheHasDefaults) {
  EXPECT_EQ(
      expand_path("${GRAFT_CACHE}/w", environment_of({{"GRAFT_CACHE", "/c"}, {"HOME", "/h"}})),
      "/c/w");
  EXPECT_EQ(
      expand_path("${GRAFT_CACHE}/w", environment_of({{"XDG_CACHE_HOME", "/x"}, {"HOME", "/h"}})),
      "/x/graft/w");
  EXPECT_EQ(expand_path("${GRAFT_CACHE}/w", environment_of({{"HOME", "/h"}})), "/h/.cache/graft/w");
  EXPECT_THAT(refusal([] { expand_path("${GRAFT_CACHE}/w", environment_of({})); }),
              HasSubstr("HOME"));
}

TEST(PathText, ReadsBackAsTheSamePath) {
  for (const std::string path :
       {"/a/b", "/with ${DOLLAR}/x", "/$${twice}", "/${", "/caf\xC3\xA9 1"})
    EXPECT_EQ(expand_path(path_text(path), plain_environment()), path);
}

}  // namespace
}  // namespace graft::test
