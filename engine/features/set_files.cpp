#include "engine/features/set_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/folder.h"
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/features/features.h"
#include "engine/image/image.h"

namespace graft {
namespace {

constexpr unsigned files_json_version = 2;
constexpr JsonLimits limits = {.bytes = 1U << 30U, .depth = 4, .members = 1U << 30U};

Digest digest_at(const Json& object, const char* key) {
  return Digest::from_hex(json_at<std::string>(object, key));
}

std::vector<View> parse_views(const Json& json) {
  std::vector<View> views;
  for (const auto& name : json_at<std::vector<std::string>>(json, "views")) {
    const auto view = enum_named<View>(name);
    if (!view)
      throw Error(ErrorKind::data,
                  fmt::format("\"views\" has an unknown one, {}", printable(name, 100)));
    views.push_back(*view);
  }
  if (views.empty()) throw Error(ErrorKind::data, "\"views\" is empty");
  return views;
}

// Each photo has its views, one after the other.
void check_views(const FileList& list) {
  for (std::size_t row = 0; row < list.rows.size(); ++row) {
    const FileRow& first = list.rows[row - row % list.views.size()];
    if (list.rows[row].file != first.file || list.rows[row].content != first.content ||
        list.rows[row].label != first.label)
      throw Error(ErrorKind::data,
                  fmt::format("row {} is not a view of {}", row, shown(first.file)));
  }
  if (list.rows.size() % list.views.size() != 0)
    throw Error(ErrorKind::data, "the last photo lacks a view");
}

// The end of a files.json whose other text is `body`.
std::string digest_member(std::string_view body) {
  return fmt::format(",\n\"digest\": \"{}\"\n}}\n", digest_of(body).hex());
}

void check_digest(std::string_view text) {
  static const std::size_t length = digest_member("").size();
  const std::string_view body = text.substr(0, text.size() - std::min(length, text.size()));
  if (text.substr(body.size()) == digest_member(body)) return;
  throw Error(ErrorKind::data, "its digest does not fit its content");
}

FileList parse_document(const Json& json, std::string_view text) {
  const auto version = json_at<unsigned>(json, "version");
  if (version == 0 || version > files_json_version) {
    throw Error(ErrorKind::data, fmt::format("\"version\" is not {}", files_json_version));
  }
  FileList list;
  if (version > 1 || json.contains("settings")) {
    check_digest(text);
    list.settings = json_at<JsonStrings>(json, "settings");
  }
  list.key.settings = json_at<JsonStrings>(json, "key");
  const auto shape = json_at<std::vector<std::size_t>>(json, "shape");
  if (shape.size() == 1) {
    list.shape = {1, 1, shape[0], true};
  } else if (shape.size() == 3) {
    list.shape = {shape[0], shape[1], shape[2]};
  } else {
    throw Error(ErrorKind::data, "\"shape\" is not one size or three");
  }
  if (json.contains("views")) list.views = parse_views(json);
  list.classes = json_at<std::vector<std::string>>(json, "classes");
  std::unordered_map<std::string, std::uint32_t> labels;
  for (const std::string& name : list.classes) {
    if (!labels.emplace(name, static_cast<std::uint32_t>(labels.size())).second)
      throw Error(ErrorKind::data, "\"classes\" has a name twice");
  }
  for (const Json& row : json_member(json, "rows")) {
    const auto label = labels.find(json_at<std::string>(row, "class"));
    if (label == labels.end()) throw Error(ErrorKind::data, "a row has a class that is not listed");
    list.rows.push_back({json_at<std::string>(row, "file"), label->second, digest_at(row, "digest"),
                         digest_at(row, "check")});
  }
  check_views(list);
  for (const Json& file : json_member(json, "skipped")) {
    list.skipped.push_back(
        {json_at<std::string>(file, "file"), json_at<std::string>(file, "reason"), {}});
    if (file.contains("decoder") && file["decoder"] == decoder_version)
      list.skipped.back().content = digest_at(file, "digest");
  }
  return list;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason) {
  throw Error(ErrorKind::data, fmt::format("cannot use {}: {}", shown(path), reason));
}

void check_shape(const SetPaths& paths, const StoredSet& set) {
  const std::vector<std::size_t> expected = npy_shape(set.list.rows.size(), set.list.shape);
  if (set.npy.header().descr != "<f4" || set.npy.header().shape != expected) {
    refuse(paths.npy,
           fmt::format("its type or shape is not what {} says", shown(paths.files.filename())));
  }
}

void check_labels(const SetPaths& paths, const FileList& list) {
  const NpyFile npy(paths.labels);
  const bool equal = npy.header().shape == std::vector<std::size_t>{list.rows.size()} &&
                     std::ranges::equal(npy.labels(), list.rows, {}, {}, &FileRow::label);
  if (!equal) {
    refuse(paths.labels,
           fmt::format("its labels are not those of {}", shown(paths.files.filename())));
  }
}

void check_rows(const SetPaths& paths, const StoredSet& set) {
  const std::size_t values = set.list.shape.count();
  for (std::size_t row = 0; row < set.list.rows.size(); ++row) {
    const auto bytes = std::as_bytes(set.npy.floats().subspan(row * values, values));
    if (digest_of(bytes) != set.list.rows[row].check) {
      refuse(paths.npy, fmt::format("row {} is not the one that {} describes", row,
                                    shown(paths.files.filename())));
    }
  }
}

void rename_if_present(const std::filesystem::path& beside, const std::filesystem::path& path) {
  if (std::filesystem::exists(beside)) rename_durably(beside, path);
}

}  // namespace

std::string file_list_json(const FileList& list) {
  std::vector<std::string> views, rows, skipped;
  for (const View view : list.views) views.emplace_back(name_of(view));
  for (const FileRow& row : list.rows) {
    rows.push_back(fmt::format(R"({{"file": {}, "class": {}, "digest": "{}", "check": "{}"}})",
                               json_text(row.file), json_text(list.classes[row.label]),
                               row.content.hex(), row.check.hex()));
  }
  for (const SkippedFile& file : list.skipped) {
    std::string judged;
    if (file.content)
      judged =
          fmt::format(R"(, "digest": "{}", "decoder": {})", file.content->hex(), decoder_version);
    skipped.push_back(fmt::format(R"({{"file": {}, "reason": {}{}}})", json_text(file.file),
                                  json_text(file.reason), judged));
  }
  const bool has_original = list.views == std::vector{View::original};
  const std::string json = fmt::format(
      "{{\n\"version\": {},\n\"key\": {},\n\"settings\": {},\n\"shape\": [{}],\n{}"
      "\"classes\": {},\n\"rows\": [\n{}\n],\n\"skipped\": [\n{}\n]",
      files_json_version, json_text(json_object(list.key.settings)),
      json_text(json_object(list.settings)), fmt::join(list.shape.dimensions(), ", "),
      has_original ? "" : fmt::format("\"views\": {},\n", json_text(views)),
      json_text(list.classes), fmt::join(rows, ",\n"), fmt::join(skipped, ",\n"));
  return json + digest_member(json);
}

FileList parse_file_list(const std::string& text, const std::string& name) {
  const Json json = read_json(text, name, limits).value;
  try {
    return parse_document(json, text);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", name, error.what()));
  }
}

FileList read_file_list(const std::filesystem::path& path) {
  return parse_file_list(read_text_file(path, limits.bytes), shown(path));
}

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
  for (const FolderEntry& entry : entries_of(folder_)) {
    const std::string& file = entry.name;
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

std::vector<std::size_t> npy_shape(std::size_t rows, const FeatureShape& shape) {
  std::vector<std::size_t> sizes = shape.dimensions();
  sizes.insert(sizes.begin(), rows);
  return sizes;
}

RowLayout StoredSet::layout() const {
  return {npy.header().data_offset, list.shape.count() * sizeof(float)};
}

std::vector<RowEntry> StoredSet::entries() const {
  std::vector<RowEntry> entries;
  for (std::size_t row = 0; row < list.rows.size(); ++row) {
    entries.push_back({list.digest_of_row(row), list.rows[row].check, {}});
  }
  for (const SkippedFile& skipped : list.skipped) {
    if (skipped.content) entries.push_back({*skipped.content, {}, skipped.reason});
  }
  return entries;
}

bool stored_set_exists(const SetPaths& paths) {
  return std::filesystem::exists(paths.npy) || std::filesystem::exists(paths.labels) ||
         std::filesystem::exists(paths.files);
}

StoredSet open_rows(const SetPaths& paths, FileList list) {
  StoredSet set{std::move(list), NpyFile(paths.npy)};
  check_shape(paths, set);
  return set;
}

StoredSet open_stored_set(const SetPaths& paths) {
  for (const auto& path : {paths.npy, paths.labels, paths.files}) {
    if (!std::filesystem::exists(path)) {
      throw Error(ErrorKind::data, fmt::format("{} is missing", shown(path)));
    }
  }
  StoredSet set = open_rows(paths, read_file_list(paths.files));
  check_labels(paths, set.list);
  check_rows(paths, set);
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

void recover_features(const std::filesystem::path& folder, std::span<const std::string> sets) {
  for (const std::string& name : sets) finish_interrupted_commit({folder, name});
  for (const FolderEntry& entry : entries_of(folder)) {
    const std::filesystem::path path = folder / entry.name;
    if (path.extension() != ".partial" && path.extension() != ".next") continue;
    const bool is_of_a_set = std::ranges::any_of(
        sets, [&](const std::string& name) { return entry.name.starts_with(name + "."); });
    if (entry.is_folder || !is_of_a_set) continue;
    // Rows with a journal are not stray: NAME.npy.partial, NAME.journal.
    const std::filesystem::path journal = path.stem().replace_extension(".journal");
    if (path.stem().extension() == ".npy" && std::filesystem::exists(folder / journal)) continue;
    remove_file(path);
  }
}

void remove_log(const LogPaths& log) {
  remove_file(log.journal);
  remove_file(log.rows);
}

}  // namespace graft
