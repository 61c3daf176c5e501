#include "engine/features/shard_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/folder.h"
#include "engine/base/folder_lock.h"
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
  const auto drop = [](const FileRow&) {};
  FileList list = shard.has_rows ? read_file_list(paths.files) : read_file_list(paths.files, drop);
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

bool may_be_unfinished(const ShardFolder& shard, std::span<const std::string> sets) {
  return fs::exists(shard.path / FolderLock::file_name) ||
         std::ranges::any_of(sets, [&](const std::string& set) {
           return !SetPaths(shard.path, set).logs().empty();
         });
}

KnownFiles known_files(std::span<const ShardFolder> shards, std::span<const std::string> sets,
                       const JsonStrings& settings, Observer& observer) {
  KnownFiles known;
  for (const ShardFolder& shard : shards) {
    for (const std::string& set : sets) {
      const SetPaths paths(shard.path, set);
      if (!fs::exists(paths.files)) continue;
      KnownFiles listed;
      FileList list;
      try {
        list = read_file_list(paths.files, [&](const FileRow& row) {
          if (row.stamp) listed.emplace(stamped_name(set, row.file, *row.stamp), row.content);
        });
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::device) throw;
        continue;  // add_shards() notes it
      }
      if (photos_of(set, list.settings) != photos_of(set, settings)) {
        observer.note(fmt::format("the photos of {} were in {}; all are read again",
                                  shown(paths.files), photos_of(set, list.settings)));
        continue;
      }
      known.merge(listed);
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
                  "the rows in {} cannot be used: {}; give the config and the device that made "
                  "them, or remove that folder",
                  shown(shard.path), change);
    }
  }
}

void note_computed(const ExtractionRequest& request, std::span<const Sample* const> photos,
                   Observer& observer) {
  std::set<std::size_t> counts;
  for (const ShardFolder& one : request.shards) counts.insert(one.shard.count);
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> computed;  // by count and index
  for (const std::size_t count : counts)
    for (const Sample* photo : photos) ++computed[{count, Shard::of(photo->file, count)}];
  if (computed.empty()) return;
  std::vector<std::string> lines;
  for (const auto& [shard, number] : computed) {
    if (lines.size() == 20) break;  // no more are listed, and each is looked for
    const Shard one{shard.second, shard.first};
    lines.push_back(fmt::format(
        "{} of shard {}, which {}", counted(number, "photo", "photos"), one.text(),
        fs::exists(shard_folder(request.folder, one)) ? "has no row of them" : "is missing"));
  }
  observer.note("computed here:" + listed_lines(lines, computed.size()));
}

}  // namespace graft
