// The file of packed weights: what it saves, and that nothing but what was written is ever read.

#include "engine/backend/cpu/packed_weights.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

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
    request_.key.weights = {1, 2};
    request_.key.version = 3;
    request_.key.panel_columns = 16;
    for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
      request_.key.floats[layer] = layer == 5 ? 0 : 700 * layer + 3;
    }
    request_.weights_name = "vgg16.safetensors";
    request_.folders = {folder_.path()};
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

  PackedWeights start(PackedWeightsRequest request) {
    packed_ = 0;
    remarks_.clear();
    request.pack = [&](std::size_t layer, float* target) {
      ++packed_;
      for (std::size_t i = 0; i < request.key.floats[layer]; ++i) {
        target[i] = value(request.key, layer, i);
      }
    };
    PackedWeights weights(request, threads_, remarks_);
    EXPECT_TRUE(right(weights, request.key));
    return weights;
  }
  bool maps(const PackedWeightsRequest& request) {
    start(request);
    return packed_ == 0;
  }
  std::filesystem::path file() const { return folder_.path() / packed_weights_name(request_); }
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
    EXPECT_EQ(remarks_[0], file().string() + " is damaged; it is made again");
    EXPECT_TRUE(maps(request_));
    EXPECT_TRUE(remarks_.empty());
  }
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
  request_.folders = {folder_.path(), cache.path() / "made" / "when needed"};
  std::filesystem::permissions(folder_.path(), std::filesystem::perms{0555});
  std::filesystem::permissions(cache.path(), std::filesystem::perms{0777});
  const test::WithoutPrivileges plain_user;
  if (!plain_user.bound()) GTEST_SKIP() << "permissions do not bind this user";
  EXPECT_FALSE(maps(request_));
  EXPECT_TRUE(remarks_.empty());
  EXPECT_TRUE(maps(request_));
  EXPECT_EQ(files_in(folder_.path()), 0U);
  EXPECT_EQ(files_in(request_.folders[1]), 1U);

  request_.folders.pop_back();
  EXPECT_FALSE(maps(request_));
  ASSERT_EQ(remarks_.size(), 1U);
  EXPECT_TRUE(remarks_[0].starts_with(
      "The transformed weights are made again at each start: cannot open for writing " +
      folder_.path().string()))
      << remarks_[0];
}

TEST_F(PackedWeightsOnDisk, WithoutAFolderAreMadeAtEachStart) {
  request_.folders.clear();
  EXPECT_FALSE(maps(request_));
  EXPECT_FALSE(maps(request_));
  EXPECT_TRUE(remarks_.empty());
}

TEST_F(PackedWeightsOnDisk, AFullDiskIsARemarkAndLeavesNothing) {
  const test::Ending ending = test::in_child([&] {
    test::limit_file_size(2 * first_section);
    ThreadPool threads(1);  // the parent's has no threads in this process
    PackedWeightsRequest request = request_;
    request.pack = [&](std::size_t layer, float* target) {
      for (std::size_t i = 0; i < request.key.floats[layer]; ++i) {
        target[i] = value(request.key, layer, i);
      }
    };
    std::vector<std::string> remarks;
    const PackedWeights weights(request, threads, remarks);
    return right(weights, request.key) && remarks.size() == 1 ? 0 : 1;
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
        starts.emplace_back([&] {
          ThreadPool threads(1);
          PackedWeightsRequest request = request_;
          request.pack = [&](std::size_t layer, float* target) {
            for (std::size_t i = 0; i < request.key.floats[layer]; ++i) {
              target[i] = value(request.key, layer, i);
            }
          };
          std::vector<std::string> remarks;
          const PackedWeights weights(request, threads, remarks);
          ok = right(weights, request.key) && remarks.empty() ? 1 : 0;
        });
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
