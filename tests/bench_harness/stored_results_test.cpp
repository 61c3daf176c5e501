// Every result that is kept in the tree is one: whole, of the schema, and with figures that follow
// from its samples.

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "bench/harness/result_file.h"

namespace graft::bench::test {
namespace {

std::vector<std::filesystem::path> json_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(StoredResults, AreWholeResultsWithTimes) {
  const std::filesystem::path folder = GRAFT_STORED_RESULTS;
  ASSERT_TRUE(std::filesystem::exists(folder / "README.md"));
  const auto files = json_files(folder);
  if (files.empty()) GTEST_SKIP() << "no result has been sent yet (bench/results/*.json)";
  for (const std::filesystem::path& file : files) {
    SCOPED_TRACE(file);
    const Result result = read_result(file);
    EXPECT_TRUE(result.complete);
    EXPECT_TRUE(result.gives_times);
    EXPECT_FALSE(result.device.name.empty());
    EXPECT_FALSE(result.build.commit.empty());
    EXPECT_FALSE(result.build.dirty) << "nobody can build what was measured";
    EXPECT_EQ(result.build.build_type, "Release");
  }
}

TEST(StoredPairs, AreResults) {
  const auto files = json_files(GRAFT_STORED_PAIRS);
  EXPECT_EQ(files.size(), 4U);
  for (const std::filesystem::path& file : files) EXPECT_NO_THROW(read_result(file)) << file;
}

}  // namespace
}  // namespace graft::bench::test
