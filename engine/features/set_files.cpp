#include "engine/features/set_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <system_error>

#include "engine/base/error.h"

namespace graft {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason) {
  throw Error(ErrorKind::data, fmt::format("cannot use {}: {}", path.string(), reason));
}

void check_shape(const SetPaths& paths, const StoredSet& set) {
  const FeatureShape& shape = set.list.shape;
  const std::vector<std::size_t> expected = {set.list.rows.size(), shape.height, shape.width,
                                             shape.channels};
  if (set.npy.header().descr != "<f4" || set.npy.header().shape != expected) {
    refuse(paths.npy,
           fmt::format("its type or shape is not what {} says", paths.files.filename().string()));
  }
}

void check_labels(const SetPaths& paths, const FileList& list) {
  const NpyFile npy(paths.labels);
  const bool equal = npy.header().shape == std::vector<std::size_t>{list.rows.size()} &&
                     std::ranges::equal(npy.labels(), list.rows, {}, {}, &FileRow::label);
  if (!equal) {
    refuse(paths.labels,
           fmt::format("its labels are not those of {}", paths.files.filename().string()));
  }
}

void check_some_rows(const SetPaths& paths, const StoredSet& set) {
  constexpr std::size_t checked_rows = 64;
  const std::size_t rows = set.list.rows.size();
  const std::size_t values = set.list.shape.count();
  const std::size_t checks = std::min(rows, checked_rows);
  for (std::size_t i = 0; i < checks; ++i) {
    const std::size_t row = checks == 1 ? 0 : i * (rows - 1) / (checks - 1);
    const auto bytes = std::as_bytes(set.npy.floats().subspan(row * values, values));
    if (digest_of(bytes) != set.list.rows[row].check) {
      refuse(paths.npy, fmt::format("row {} is not the one that {} describes", row,
                                    paths.files.filename().string()));
    }
  }
}

void rename_if_present(const std::filesystem::path& beside, const std::filesystem::path& path) {
  if (std::filesystem::exists(beside)) rename_durably(beside, path);
}

}  // namespace

SetPaths::SetPaths(const std::filesystem::path& folder, const std::string& name)
    : npy(folder / (name + ".npy")),
      labels(folder / (name + ".labels.npy")),
      files(folder / (name + ".files.json")),
      next_labels(folder / (name + ".labels.next")),
      next_files(folder / (name + ".files.next")),
      folder_(folder),
      name_(name) {}

LogPaths SetPaths::log(const std::string& stem) const {
  return {folder_ / (stem + ".npy.partial"), folder_ / (stem + ".journal")};
}

std::vector<LogPaths> SetPaths::logs() const {
  std::set<std::string> stems;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, absent)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(name_ + ".")) continue;
    for (const std::string_view extension : {".npy.partial", ".journal"}) {
      if (file.ends_with(extension)) stems.insert(file.substr(0, file.size() - extension.size()));
    }
  }
  std::vector<LogPaths> logs;
  for (const std::string& stem : stems) logs.push_back(log(stem));
  return logs;
}

LogPaths SetPaths::unused_log() const {
  LogPaths unused = log(name_);
  for (int i = 1; std::filesystem::exists(unused.journal); ++i) {
    unused = log(fmt::format("{}.{}", name_, i));
  }
  return unused;
}

RowLayout StoredSet::layout() const {
  return {npy.header().data_offset, list.shape.count() * sizeof(float)};
}

std::vector<RowEntry> StoredSet::entries() const {
  std::vector<RowEntry> entries;
  for (const FileRow& row : list.rows) entries.push_back({row.content, row.check, {}});
  for (const SkippedFile& skipped : list.skipped) {
    if (skipped.content) entries.push_back({*skipped.content, {}, skipped.reason});
  }
  return entries;
}

bool stored_set_exists(const SetPaths& paths) {
  return std::filesystem::exists(paths.npy) || std::filesystem::exists(paths.labels) ||
         std::filesystem::exists(paths.files);
}

StoredSet open_stored_set(const SetPaths& paths) {
  for (const auto& path : {paths.npy, paths.labels, paths.files}) {
    if (!std::filesystem::exists(path)) {
      throw Error(ErrorKind::data, fmt::format("{} is missing", path.string()));
    }
  }
  StoredSet set{read_file_list(paths.files), NpyFile(paths.npy)};
  check_shape(paths, set);
  check_labels(paths, set.list);
  check_some_rows(paths, set);
  return set;
}

void stage_companions(const SetPaths& paths, const FileList& list) {
  std::vector<std::uint32_t> labels;
  for (const FileRow& row : list.rows) labels.push_back(row.label);
  write_npy(paths.next_labels, labels);
  write_file_whole(paths.next_files, std::string_view(file_list_json(list)));
}

void publish(const SetPaths& paths, const LogPaths& committed) {
  rename_if_present(paths.next_labels, paths.labels);
  rename_if_present(committed.rows, paths.npy);
  rename_if_present(paths.next_files, paths.files);
  // The commit line goes last, so that a killed publish is finished.
  for (const LogPaths& log : paths.logs()) {
    if (log.journal != committed.journal) remove_log(log);
  }
  remove_file(committed.journal);
}

void commit_companions(const SetPaths& paths, const FileList& list) {
  const LogPaths log = paths.unused_log();
  remove_file(log.rows);  // else publish() would rename them
  stage_companions(paths, list);
  write_committed_journal(log.journal, list.key);
  publish(paths, log);
}

void finish_interrupted_commit(const SetPaths& paths) {
  for (const LogPaths& log : paths.logs()) {
    const auto journal = read_journal(log.journal);
    if (journal && journal->committed) publish(paths, log);
  }
}

void remove_work_files(const SetPaths& paths) {
  for (const LogPaths& log : paths.logs()) remove_log(log);
  remove_file(paths.next_labels);
  remove_file(paths.next_files);
}

void remove_log(const LogPaths& log) {
  remove_file(log.journal);
  remove_file(log.rows);
}

}  // namespace graft
