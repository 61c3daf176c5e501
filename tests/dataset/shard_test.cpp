// The parts of all photos: disjoint, complete, near equal and always the same.

#include "engine/dataset/shard.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "tests/backend/expect_error.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

Environment environment_of(const std::map<std::string, std::string>& variables) {
  Environment environment;
  environment.variable = [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  return environment;
}

Shard parsed(const std::string& text) {
  return parse_shard(text, environment_of({}));
}

std::vector<std::string> names(const std::string& start, std::size_t count) {
  std::vector<std::string> files;
  for (std::size_t i = 0; i < count; ++i) files.push_back(start + std::to_string(i) + ".jpg");
  return files;
}

std::vector<std::string> part_of(const std::vector<std::string>& files, const Shard& shard) {
  std::vector<std::string> part;
  std::ranges::copy_if(files, std::back_inserter(part),
                       [&](const std::string& file) { return shard.takes(file); });
  return part;
}

// ---- Parts ----

TEST(Shard, PartsAreDisjointAndComplete) {
  auto files = names("cats/cat.", 500);
  for (const char* odd : {"", "a", "tiefe/Ordner/b.png", "\xff\xfe.jpg", "cats/cat.1.JPG"})
    files.push_back(odd);
  for (const std::size_t count : {1U, 2U, 3U, 4U, 7U, 16U, 64U, 1000U}) {
    std::vector<std::string> all;
    for (std::size_t index = 0; index < count; ++index)
      std::ranges::copy(part_of(files, {index, count}), std::back_inserter(all));
    EXPECT_THAT(all, ::testing::UnorderedElementsAreArray(files)) << count;
  }
}

TEST(Shard, AnAddedPhotoMovesNoOther) {
  const auto files = names("dogs/dog.", 300);
  auto more = names("dogs/a new dog.", 50);
  more.insert(more.end(), files.begin(), files.end());
  for (std::size_t index = 0; index < 5; ++index) {
    auto part = part_of(more, {index, 5});
    std::erase_if(part, [](const std::string& file) { return file.find("new") < file.size(); });
    EXPECT_EQ(part, part_of(files, {index, 5}));
  }
}

TEST(Shard, PartsAreNearEqual) {
  for (const std::string start : {"cat.", "cats/IMG_2019", "train/n01440764/n01440764_"}) {
    const auto files = names(start, 10'000);
    for (const std::size_t count : {2U, 3U, 16U}) {
      const double mean = 10'000.0 / static_cast<double>(count);
      for (std::size_t index = 0; index < count; ++index)
        EXPECT_NEAR(static_cast<double>(part_of(files, {index, count}).size()), mean, 0.2 * mean)
            << start << " " << index << "/" << count;
    }
  }
}

// These never change: XXH3's low 64 bits of the name, modulo n. (By Python's xxhash 3.)
TEST(Shard, APhotoIsInTheSamePartInEveryVersion) {
  const std::vector<std::pair<std::string, std::vector<std::size_t>>> golden = {
      {"cats/cat.0.jpg", {2, 10, 586}},
      {"cats/cat.1.jpg", {0, 0, 960}},
      {"dogs/dog.0.jpg", {3, 11, 891}},
      {"train/n01440764/n01440764_10026.JPEG", {1, 1, 569}},
      {"K\xc3\xa4"
       "fer/gr\xc3\xbcn 1.png",
       {2, 6, 630}}};
  for (const auto& [file, parts] : golden) {
    std::vector<std::size_t> actual;
    for (const std::size_t count : {4U, 16U, 1000U})
      for (std::size_t index = 0; index < count; ++index)
        if (Shard{index, count}.takes(file)) actual.push_back(index);
    EXPECT_EQ(actual, parts) << file;
  }
}

// ---- Text ----

TEST(Shard, IsReadAndWritten) {
  for (const std::string text : {"0/1", "3/16", "15/16", "999999/1000000"})
    EXPECT_EQ(parsed(text).text(), text);
  EXPECT_EQ(parsed("03/16").text(), "3/16");
}

TEST(Shard, AutoAsksTheLauncher) {
  const auto environment =
      environment_of({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}});
  EXPECT_EQ(parse_shard("auto", environment).text(), "2/4");
  EXPECT_EQ(parse_shard("1/3", environment).text(), "1/3");
  expect_usage([] { parsed("auto"); }, "--shard auto: no launcher has numbered this process; ");
  expect_usage(
      [] {
        parse_shard("auto", environment_of({{"PMI_RANK", "4"}, {"PMI_SIZE", "4"}}));
      },
      "--shard auto: PMI_RANK is 4, but PMI_SIZE is 4");
}

TEST(Shard, WrongTextIsASentence) {
  const std::string expected = "expected \"auto\" or i/n, as 0/16, with n up to 1,000,000";
  for (const std::string text : {"",
                                 "/",
                                 "1/",
                                 "/4",
                                 "-1/4",
                                 "+1/4",
                                 "1/-4",
                                 "3",
                                 "3/16x",
                                 "x3/16",
                                 " 3/16",
                                 "3/16 ",
                                 "3 /16",
                                 "3/ 16",
                                 "3/16/2",
                                 "1.5/4",
                                 "0x1/4",
                                 "Auto",
                                 "3:16",
                                 "0/1000001",
                                 "18446744073709551616/4",
                                 "1/99999999999999999999"})
    expect_usage([&] { parsed(text); }, "--shard " + text + ": " + expected);
  for (const auto& [text, sentence] : std::map<std::string, std::string>{
           {"0/0", "there is no part 0 of 0; i counts from 0 to n - 1"},
           {"1/0", "there is no part 1 of 0"},
           {"5/4", "there is no part 5 of 4; i counts from 0 to n - 1"},
           {"4/4", "there is no part 4 of 4"},
           {"18446744073709551615/4", "there is no part 18446744073709551615 of 4"}})
    expect_usage([&] { parsed(text); }, "--shard " + text + ": " + sentence);
  expect_usage([] { parsed("1/4\n"); }, "--shard 1/4\\x0a: ");
}

}  // namespace
}  // namespace graft::test
