// Writes the rows that shards would have of many photos, without computing them:
//   write_shards LIST PHOTOS FEATURES COUNT
// The two class folders in PHOTOS hold a photo each, and receive COUNT copies of them, most as links. FEATURES receives shard-0-of-2 and
// shard-1-of-2 with a row for each copy, whose key, settings and shape are those of LIST (files.json). The
// contents are made up: a collecting run, which does not read the photos, takes them for right.

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <vector>

#include "engine/base/file.h"
#include "engine/dataset/shard.h"
#include "engine/features/set_files.h"

namespace {

using namespace graft;
namespace fs = std::filesystem;

struct ShardFiles {
  FileList list;
  std::vector<float> rows;
};

void add_photo(ShardFiles& shard, const std::string& file, std::uint32_t label,
               const FileStamp& stamp) {
  const std::size_t first = shard.rows.size();
  for (std::size_t i = 0; i < shard.list.shape.count(); ++i)
    shard.rows.push_back(static_cast<float>((first + i) % 1000) / 1000.0F +
                         static_cast<float>(label));
  const auto row = std::as_bytes(std::span(shard.rows).subspan(first));
  shard.list.rows.push_back({file, label, digest_of(file), digest_of(row), stamp});
}

void write(const fs::path& folder, const ShardFiles& shard) {
  fs::create_directories(folder);
  const SetPaths paths(folder, "train");
  write_npy(paths.npy, shard.rows, npy_shape(shard.list.rows.size(), shard.list.shape));
  stage_companions(paths, shard.list);
  fs::rename(paths.next_labels, paths.labels);
  fs::rename(paths.next_files, paths.files);
}

void write_shards(const fs::path& list, const fs::path& photos, const fs::path& features,
                  std::size_t count) {
  std::array<ShardFiles, 2> shards;
  for (ShardFiles& shard : shards) shard.list = read_file_list(list, [](const FileRow&) {});
  constexpr std::size_t links_of_a_file = 30'000;
  for (std::uint32_t label = 0; label < 2; ++label) {
    const std::string name = shards[0].list.classes.at(label);
    const std::string bytes =
        read_text_file(fs::directory_iterator(photos / name)->path(), 1 << 20);
    fs::path original;
    for (std::size_t i = 0; i < count / 2; ++i) {
      const std::string file = fmt::format("{}/photo number {:07}.png", name, i);
      if (i % links_of_a_file == 0) {
        original = photos / file;
        write_file_whole(original, bytes);
        fs::last_write_time(original, fs::file_time_type::clock::now() - std::chrono::hours(1));
      } else {
        fs::create_hard_link(original, photos / file);
      }
      add_photo(shards[Shard::of(file, 2)], file, label, *stamp_of(photos / file));
    }
  }
  for (std::size_t i = 0; i < 2; ++i) write(features / fmt::format("shard-{}-of-2", i), shards[i]);
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return 2;
  try {
    write_shards(words[1], words[2], words[3], std::strtoull(words[4], nullptr, 10));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
