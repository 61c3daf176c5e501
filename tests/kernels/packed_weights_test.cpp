// The file of packed weights: what it saves, and that nothing but what was written is ever read.

#include "engine/backend/cpu/packed_weights.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/file.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/support/files.h"
#include "tests/support/forked.h"
#include "tests/support/support.h"

namespace graft::cpu {
namespace {

using test::read_bytes;
using test::TemporaryFolder;
using test::write_bytes;

constexpr std::uint64_t header_bytes = 480;
constexpr std::uint64_t first_section = 4096;

// A network of a few thousand weights, and a count of how often a layer was packed.
class PackedWeightsOnDisk : public ::testing::Test {
 protected:
  PackedWeightsOnDisk() {
    request_.key.weights = {0xabcdef0123456789, 2};
    request_.key.version = 3;
    request_.key.panel_columns = 16;
    for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
      request_.key.floats[layer] = layer == 5 ? 0 : 700 * layer + 3;
    }
    request_.weights = folder_ / "vgg16.safetensors";  // of which only the name is used
  }

  static float value(const PackedWeightsKey& key, std::size_t layer, std::size_t index) {
    return static_cast<float>(key.version) + 0.5F * static_cast<float>(key.weights.low) +
           static_cast<float>(layer * 10000 + index);
  }
  static bool right(const PackedWeights& weights, const PackedWeightsKey& key) {
    for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
      if (weights.layer(layer).size() != key.floats[layer]) return false;
      for (std::size_t i = 0; i < key.floats[layer]; ++i) {
        if (weights.layer(layer)[i] != value(key, layer, i)) return false;
      }
    }
    return true;
  }

  // The request, whose layers are the values above; counts them in `packed`.
  static PackedWeightsRequest with_values(PackedWeightsRequest request, std::size_t& packed) {
    request.pack = [key = request.key, &packed](std::size_t layer, float* target) {
      ++packed;
      for (std::size_t i = 0; i < key.floats[layer]; ++i) target[i] = value(key, layer, i);
    };
    return request;
  }
  // A start by itself, as of another process: whether the weights are right, and its remarks.
  static std::pair<bool, std::size_t> start_apart(const PackedWeightsRequest& request) {
    ThreadPool threads(1);
    std::size_t packed = 0;
    std::vector<std::string> remarks;
    const PackedWeights weights(with_values(request, packed), threads, remarks);
    return {right(weights, request.key), remarks.size()};
  }

  PackedWeights start(const PackedWeightsRequest& request) {
    packed_ = 0;
    remarks_.clear();
    PackedWeights weights(with_values(request, packed_), threads_, remarks_);
    EXPECT_TRUE(right(weights, request.key));
    return weights;
  }
  bool maps(const PackedWeightsRequest& request) {
    start(request);
    return packed_ == 0;
  }
  std::filesystem::path file() const { return packed_weights_places(request_).front(); }
  static std::size_t files_in(const std::filesystem::path& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }

  TemporaryFolder folder_;
  ThreadPool threads_{2};
  PackedWeightsRequest request_;
  std::size_t packed_ = 0;
  std::vector<std::string> remarks_;
};

TEST_F(PackedWeightsOnDisk, AreWrittenOnceThenMapped) {
  EXPECT_FALSE(maps(request_));
  EXPECT_EQ(packed_, vgg16_convolutions);
  EXPECT_EQ(file().filename(), "vgg16.safetensors.packed16");
  struct stat first {
  }, later{};
  ASSERT_EQ(::stat(file().c_str(), &first), 0);
  for (int again = 0; again < 2; ++again) {
    EXPECT_TRUE(maps(request_));
    ASSERT_EQ(::stat(file().c_str(), &later), 0);
    EXPECT_EQ(first.st_ino, later.st_ino);
    EXPECT_EQ(first.st_mtim.tv_sec, later.st_mtim.tv_sec);
    EXPECT_EQ(first.st_mtim.tv_nsec, later.st_mtim.tv_nsec);
  }
  EXPECT_EQ(files_in(folder_.path()), 1U);
}

TEST_F(PackedWeightsOnDisk, LayersBeginOnPages) {
  start(request_);
  const PackedWeights weights = start(request_);
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(weights.layer(layer).data()) % 4096, 0U);
  }
}

TEST_F(PackedWeightsOnDisk, AreMadeAgainWhenTheFileIsNotTheWholeOneOfThisKey) {
  start(request_);
  const std::string whole = read_bytes(file());
  ASSERT_GT(whole.size(), first_section);
  std::vector<std::string> bad = {"",
                                  whole.substr(0, 1),
                                  whole.substr(0, 100),
                                  whole.substr(0, first_section),
                                  whole.substr(0, whole.size() - 1),
                                  whole + '\0'};
  for (std::size_t byte = 0; byte < header_bytes; byte += 8) {
    bad.push_back(whole);
    bad.back()[byte] = static_cast<char>(bad.back()[byte] ^ 0x10);
  }
  for (const std::string& bytes : bad) {
    write_bytes(file(), bytes);
    const PackedWeights weights = start(request_);
    // A flipped digest of a section is found with the section, all else with the header.
    EXPECT_EQ(packed_, vgg16_convolutions);
    EXPECT_TRUE(read_bytes(file()) == whole);
    EXPECT_TRUE(maps(request_));
  }
}

TEST_F(PackedWeightsOnDisk, DamagedValuesAreFoundAndSaid) {
  start(request_);
  const std::string whole = read_bytes(file());
  for (const std::size_t at : {first_section, std::uint64_t{4 * first_section}}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write_bytes(file(), damaged);
    EXPECT_FALSE(maps(request_));
    ASSERT_EQ(remarks_.size(), 1U);
    EXPECT_EQ(remarks_[0], file().string() + " is damaged and not used");
    EXPECT_TRUE(maps(request_));
    EXPECT_TRUE(remarks_.empty());
  }
}

TEST_F(PackedWeightsOnDisk, DamagedOnesThatCannotBeReplacedAreNotUsedAndTheNextPlaceIs) {
  const TemporaryFolder cache;
  start(request_);
  std::string damaged = read_bytes(file());
  damaged[first_section] = static_cast<char>(damaged[first_section] ^ 1);
  write_bytes(file(), damaged);
  std::filesystem::permissions(folder_.path(), std::filesystem::perms{0555});
  std::filesystem::permissions(cache.path(), std::filesystem::perms{0777});
  const test::WithoutPrivileges plain_user;
  if (!plain_user.bound()) GTEST_SKIP() << "permissions do not bind this user";
  request_.cache = cache.path();
  for (const bool again : {false, true}) {
    EXPECT_EQ(maps(request_), again);
    ASSERT_EQ(remarks_.size(), 1U);
    EXPECT_EQ(remarks_[0], file().string() + " is damaged and not used");
  }
  EXPECT_TRUE(read_bytes(file()) == damaged);
}

TEST_F(PackedWeightsOnDisk, OfAnotherVersionOrOtherWeightsAreReplaced) {
  start(request_);
  PackedWeightsRequest changed = request_;
  changed.key.version = 4;
  EXPECT_FALSE(maps(changed));
  EXPECT_TRUE(maps(changed));
  changed.key.weights.low = 99;
  EXPECT_FALSE(maps(changed));
  EXPECT_TRUE(maps(changed));
  changed.key.floats[3] += 1;
  EXPECT_FALSE(maps(changed));
  EXPECT_TRUE(maps(changed));
  EXPECT_EQ(files_in(folder_.path()), 1U);
}

TEST_F(PackedWeightsOnDisk, StayGoodForThoseWhoMappedThemWhenTheyAreReplaced) {
  start(request_);
  const PackedWeights mapped = start(request_);
  PackedWeightsRequest changed = request_;
  changed.key.version = 4;
  start(changed);
  EXPECT_TRUE(right(mapped, request_.key));
}

TEST_F(PackedWeightsOnDisk, GoToTheNextFolderWhenOneCannotBeWritten) {
  const TemporaryFolder cache;
  request_.cache = cache.path() / "made" / "when needed";
  std::filesystem::permissions(folder_.path(), std::filesystem::perms{0555});
  std::filesystem::permissions(cache.path(), std::filesystem::perms{0777});
  const test::WithoutPrivileges plain_user;
  if (!plain_user.bound()) GTEST_SKIP() << "permissions do not bind this user";
  EXPECT_FALSE(maps(request_));
  EXPECT_TRUE(remarks_.empty());
  EXPECT_TRUE(maps(request_));
  EXPECT_EQ(files_in(folder_.path()), 0U);
  EXPECT_EQ(files_in(request_.cache), 1U);

  request_.cache.clear();
  EXPECT_FALSE(maps(request_));
  ASSERT_EQ(remarks_.size(), 1U);
  EXPECT_TRUE(remarks_[0].starts_with(
      "The transformed weights are made again at each start: cannot open for writing " +
      folder_.path().string()))
      << remarks_[0];
}

TEST_F(PackedWeightsOnDisk, OfTwoFilesOfOneNameHaveEachTheirOwnInTheCacheFolder) {
  const TemporaryFolder cache;
  std::filesystem::permissions(folder_.path(), std::filesystem::perms{0555});
  std::filesystem::permissions(cache.path(), std::filesystem::perms{0777});
  const test::WithoutPrivileges plain_user;
  if (!plain_user.bound()) GTEST_SKIP() << "permissions do not bind this user";
  request_.cache = cache.path();
  PackedWeightsRequest other = request_;
  other.key.weights = {0x0123456789abcdef, 4};
  for (const bool again : {false, true}) {
    EXPECT_EQ(maps(request_), again);
    EXPECT_EQ(maps(other), again);
  }
  EXPECT_TRUE(std::filesystem::exists(cache / "vgg16.safetensors.abcdef012345.packed16"));
  EXPECT_TRUE(std::filesystem::exists(cache / "vgg16.safetensors.0123456789ab.packed16"));
  EXPECT_EQ(files_in(cache.path()), 2U);
}

TEST_F(PackedWeightsOnDisk, OfAFileWithoutAFolderStandInTheCurrentOne) {
  request_.weights = "vgg16.safetensors";
  EXPECT_EQ(file(), std::filesystem::current_path() / "vgg16.safetensors.packed16");
}

TEST_F(PackedWeightsOnDisk, LeaveNothingWhereTheyCannotTakeTheirName) {
  write_bytes(file() / "in the way", "a folder of the name that the file should have");
  EXPECT_FALSE(maps(request_));
  ASSERT_EQ(remarks_.size(), 1U);
  EXPECT_NE(remarks_[0].find("cannot rename"), std::string::npos) << remarks_[0];
  EXPECT_FALSE(std::filesystem::exists(partial_path(file())));
}

TEST_F(PackedWeightsOnDisk, WithoutAPlaceAreMadeAtEachStart) {
  request_.weights.clear();
  EXPECT_FALSE(maps(request_));
  EXPECT_FALSE(maps(request_));
  EXPECT_TRUE(remarks_.empty());
}

TEST_F(PackedWeightsOnDisk, AFullDiskIsARemarkAndLeavesNothing) {
  const test::Ending ending = test::in_child([&] {
    test::limit_file_size(2 * first_section);
    return start_apart(request_) == std::pair(true, std::size_t{1}) ? 0 : 1;
  });
  EXPECT_TRUE(ending.succeeded()) << "code " << ending.exit_code << ", signal " << ending.signal;
  EXPECT_EQ(files_in(folder_.path()), 0U);
}

TEST_F(PackedWeightsOnDisk, MayBeStartedSeveralTimesAtOnce) {
  for (int round = 0; round < 10; ++round) {
    std::vector<int> sound(4);
    {
      std::vector<std::jthread> starts;
      starts.reserve(sound.size());
      for (int& ok : sound) {
        starts.emplace_back(
            [&] { ok = start_apart(request_) == std::pair(true, std::size_t{0}) ? 1 : 0; });
      }
    }
    EXPECT_EQ(std::ranges::count(sound, 1), 4);
    EXPECT_TRUE(maps(request_));
    EXPECT_EQ(files_in(folder_.path()), 1U);
    std::filesystem::remove(file());
  }
}

TEST_F(PackedWeightsOnDisk, AreLeftToTheOneWhoWritesThem) {
  const File writer(partial_path(file()), File::Mode::create_or_read_write);
  ASSERT_EQ(::flock(writer.descriptor(), LOCK_EX | LOCK_NB), 0);
  EXPECT_FALSE(maps(request_));
  EXPECT_TRUE(remarks_.empty());
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(PackedWeightsOnDisk, AreWrittenOverWhatAKilledWriterLeft) {
  write_bytes(partial_path(file()), std::string(1'000'000, 'x'));
  EXPECT_FALSE(maps(request_));
  EXPECT_TRUE(maps(request_));
  EXPECT_EQ(files_in(folder_.path()), 1U);
}

}  // namespace
}  // namespace graft::cpu
