#include "engine/features/shard_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/folder.h"
#include "engine/base/text.h"
#include "engine/features/row_log.h"
#include "engine/features/set_files.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

std::string name_of_folder(const Shard& shard) {
  return fmt::format("shard-{}-of-{}", shard.index, shard.count);
}

// Nothing for another folder's name.
std::optional<Shard> shard_of_name(const std::string& name) {
  const std::size_t middle = name.find("-of-");
  if (!name.starts_with("shard-") || middle == std::string::npos) return std::nullopt;
  try {
    const Shard shard = parse_shard(name.substr(6, middle - 6) + '/' + name.substr(middle + 4), {});
    return name_of_folder(shard) == name ? std::optional(shard) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Of a set, "" where the config has none.
std::string photos_of(const std::string& set, const JsonStrings& settings) {
  const auto found = std::ranges::find(settings, "data." + set, &JsonStrings::value_type::first);
  return found == settings.end() ? "" : found->second;
}

// Returns what differs where the rows have another key.
std::string add_shard(const ShardFolder& shard, const std::string& set, const FeatureKey& key,
                      std::size_t row_bytes, RowStore& store) {
  const SetPaths paths(shard.path, set);
  for (const LogPaths& log : paths.logs()) {
    const auto journal = read_journal(log.journal);
    if (!journal) continue;
    if (journal->key != key) return describe_change(journal->key, key);
    const std::uint64_t data_offset = shard.has_rows ? find_data_offset(log.rows) : 0;
    if (data_offset > 0)
      store.add(MappedFile(log.rows), {data_offset, row_bytes}, journal->entries);
  }
  if (!fs::exists(paths.files)) return {};
  FileList list = read_file_list(paths.files);
  if (!shard.has_rows || list.key != key) return describe_change(list.key, key);
  const StoredSet stored = open_rows(paths, std::move(list));
  store.add(MappedFile(paths.npy), stored.layout(), stored.entries());
  return {};
}

}  // namespace

fs::path shard_folder(const fs::path& features, const Shard& shard) {
  return features / name_of_folder(shard);
}

std::vector<ShardFolder> shard_folders(const fs::path& features) {
  std::vector<ShardFolder> shards;
  for (const FolderEntry& entry : entries_of(features)) {
    const auto shard = shard_of_name(entry.name);
    if (shard && entry.is_folder) shards.push_back({*shard, features / entry.name});
  }
  return shards;
}

bool is_interrupted(const ShardFolder& shard, std::span<const std::string> sets) {
  return std::ranges::any_of(
      sets, [&](const std::string& set) { return !SetPaths(shard.path, set).logs().empty(); });
}

KnownFiles known_files(std::span<const ShardFolder> shards, std::span<const std::string> sets,
                       const JsonStrings& settings, Observer& observer) {
  KnownFiles known;
  for (const ShardFolder& shard : shards) {
    for (const std::string& set : sets) {
      const SetPaths paths(shard.path, set);
      if (!fs::exists(paths.files)) continue;
      const FileList list = read_file_list(paths.files);
      if (photos_of(set, list.settings) != photos_of(set, settings)) {
        observer.note(fmt::format("the photos of {} were in {}; all are read again",
                                  shown(paths.files), photos_of(set, list.settings)));
        continue;
      }
      for (const FileRow& row : list.rows)
        if (row.stamp) known.add(set, row.file, *row.stamp, row.content);
    }
  }
  return known;
}

void add_shards(const ExtractionRequest& request, const FeatureKey& key, std::size_t row_bytes,
                RowStore& store, Observer& observer) {
  for (const ShardFolder& shard : request.shards) {
    for (const NamedDataset& set : request.sets) {
      std::string change;
      try {
        change = add_shard(shard, set.name, key, row_bytes, store);
      } catch (const Error& error) {  // another machine may be about to rename its files
        if (error.kind() == ErrorKind::device) throw;
        observer.note(error.what());
      }
      if (change.empty()) continue;
      throw Error(ErrorKind::data,
                  fmt::format("the rows in {} cannot be used: {}; give the config and the device "
                              "that made them, or remove that folder",
                              shown(shard.path), change));
    }
  }
}

void note_missing(std::span<const ShardFolder> shards, std::span<const Sample* const> photos,
                  Observer& observer) {
  std::map<std::size_t, std::set<std::size_t>> present;  // by the count of shards
  for (const ShardFolder& one : shards) present[one.shard.count].insert(one.shard.index);
  std::vector<std::string> lines;
  std::size_t total = 0;
  for (const auto& [count, indices] : present) {
    std::map<std::size_t, std::size_t> computed;  // by shard
    for (const Sample* photo : photos) ++computed[Shard::of(photo->file, count)];
    for (const auto& [index, number] : computed) {
      constexpr std::size_t named_at_most = 20;
      if (total++ >= named_at_most) continue;
      lines.push_back(fmt::format(
          "{}/{}, which {}: {}", index, count,
          indices.contains(index) ? "is incomplete, or older than these photos" : "is missing",
          counted(number, "photo", "photos")));
    }
  }
  if (total > 0)
    observer.note(fmt::format("photos without a row of their shard are computed here:{}",
                              listed_lines(lines, total)));
}

}  // namespace graft
