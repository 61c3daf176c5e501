#include "engine/features/set_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

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
// Of what is no row. Rows are parsed piece by piece from the mapped file and take about as much
// memory as text, so that their number needs no limit.
constexpr JsonLimits limits = {.bytes = 1U << 30U, .depth = 4, .members = 1U << 30U};
constexpr std::size_t piece_bytes = std::size_t{1} << 18U;  // of rows, parsed or written at once

Digest digest_at(const Json& object, const char* key) {
  return Digest::from_hex(json_at<std::string>(object, key));
}

std::vector<View> parse_views(const Json& json) {
  std::vector<View> views;
  for (const auto& name : json_at<std::vector<std::string>>(json, "views")) {
    const auto view = enum_named<View>(name);
    if (!view)
      throw Error(ErrorKind::data, "\"views\" has an unknown one, {}", printable(name, 100));
    views.push_back(*view);
  }
  if (views.empty()) throw Error(ErrorKind::data, "\"views\" is empty");
  return views;
}

// The end of a files.json whose other text has this digest.
std::string digest_member(const Digest& digest) {
  return fmt::format(",\n\"digest\": \"{}\"\n}}\n", digest.hex());
}

void check_digest(std::string_view text) {
  static const std::size_t length = digest_member({}).size();
  const std::string_view body = text.substr(0, text.size() - std::min(length, text.size()));
  if (text.substr(body.size()) == digest_member(digest_of(body))) return;
  throw Error(ErrorKind::data, "its digest does not fit its content");
}

// The lines between those that begin and end the rows; empty where there are no such two. A string
// has no raw newline, so that what looks like a line is one.
std::string_view lines_of_rows(std::string_view text) {
  constexpr std::string_view first = "\n\"rows\": [\n";
  text.remove_prefix(std::min(text.find(first), text.size()));
  const std::size_t end = std::min(text.find("\n]", first.size() - 1), text.size());
  const std::size_t begin = std::min(first.size(), end);
  return text.substr(begin, end - begin);
}

// Each photo has its views, one after the other.
void parse_rows(std::string_view lines, FileList& list, const std::function<void(FileRow)>& use) {
  std::unordered_map<std::string, std::uint32_t> labels;
  for (const std::string& name : list.classes) {
    if (!labels.emplace(name, static_cast<std::uint32_t>(labels.size())).second)
      throw Error(ErrorKind::data, "\"classes\" has a name twice");
  }
  const std::function<void(FileRow)> take =
      use ? use : [&](FileRow row) { list.rows.push_back(std::move(row)); };
  FileRow first;  // of the photo
  std::size_t count = 0;
  while (!lines.empty()) {
    const std::string_view some = lines.substr(0, lines.find(",\n{", piece_bytes));
    lines.remove_prefix(std::min(some.size() + 2, lines.size()));
    const auto document =
        read_json(fmt::format("[{}]", some), fmt::format("from row {} on", count), limits);
    for (const Json& json : document.value) {
      const auto label = labels.find(json_at<std::string>(json, "class"));
      if (label == labels.end())
        throw Error(ErrorKind::data, "a row has a class that is not listed");
      FileRow row{json_at<std::string>(json, "file"), label->second, digest_at(json, "digest"),
                  digest_at(json, "check")};
      if (json.contains("size"))
        row.stamp = {json_at<std::uint64_t>(json, "size"), json_at<std::int64_t>(json, "time")};
      if (count % list.views.size() == 0) first = row;
      if (row.file != first.file || row.content != first.content || row.label != first.label)
        throw Error(ErrorKind::data, "row {} is not a view of {}", count, shown(first.file));
      take(std::move(row));
      ++count;
    }
  }
  if (count % list.views.size() != 0) throw Error(ErrorKind::data, "the last photo lacks a view");
}

// Of a document without the lines of its rows.
FileList parse_document(const Json& json, std::string_view text) {
  const auto version = json_at<unsigned>(json, "version");
  if (version == 0 || version > files_json_version)
    throw Error(ErrorKind::data, "\"version\" is not {}", files_json_version);
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
  if (json_member(json, "rows") != Json::array())
    throw Error(ErrorKind::data, "\"rows\" does not have one row a line, as graft writes it");
  for (const Json& file : json_member(json, "skipped")) {
    list.skipped.push_back(
        {json_at<std::string>(file, "file"), json_at<std::string>(file, "reason"), {}});
    if (file.contains("decoder") && file["decoder"] == decoder_version)
      list.skipped.back().content = digest_at(file, "digest");
  }
  return list;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason,
                         const SetPaths& paths) {
  throw Error(ErrorKind::data, "cannot use {}: {} {}", shown(path), reason,
              shown(paths.files.filename()));
}

void check_shape(const SetPaths& paths, const StoredSet& set) {
  const std::vector<std::size_t> expected = npy_shape(set.list.rows.size(), set.list.shape);
  if (set.npy.header().descr != "<f4" || set.npy.header().shape != expected)
    refuse(paths.npy, "its type or shape is not as in", paths);
}

void check_labels(const SetPaths& paths, const FileList& list) {
  const NpyFile npy(paths.labels);
  const bool equal = npy.header().shape == std::vector<std::size_t>{list.rows.size()} &&
                     std::ranges::equal(npy.labels(), list.rows, {}, {}, &FileRow::label);
  if (!equal) refuse(paths.labels, "its labels are not those of", paths);
}

void check_rows(const SetPaths& paths, const StoredSet& set) {
  const std::size_t values = set.list.shape.count();
  for (std::size_t row = 0; row < set.list.rows.size(); ++row) {
    const auto bytes = std::as_bytes(set.npy.floats().subspan(row * values, values));
    if (digest_of(bytes) != set.list.rows[row].check)
      refuse(paths.npy, fmt::format("row {} is not the one in", row), paths);
  }
}

void rename_if_present(const std::filesystem::path& beside, const std::filesystem::path& path) {
  if (std::filesystem::exists(beside)) rename_durably(beside, path);
}

}  // namespace

void write_file_list(const FileList& list, const std::function<void(std::string_view)>& write) {
  std::vector<std::string> views, skipped;
  for (const View view : list.views) views.emplace_back(name_of(view));
  for (const SkippedFile& file : list.skipped) {
    std::string judged;
    if (file.content)
      judged =
          fmt::format(R"(, "digest": "{}", "decoder": {})", file.content->hex(), decoder_version);
    skipped.push_back(fmt::format(R"({{"file": {}, "reason": {}{}}})", json_text(file.file),
                                  json_text(file.reason), judged));
  }
  const bool has_original = list.views == std::vector{View::original};
  std::string text = fmt::format(
      "{{\n\"version\": {},\n\"key\": {},\n\"settings\": {},\n\"shape\": [{}],\n{}"
      "\"classes\": {},\n\"rows\": [\n",
      files_json_version, json_text(json_object(list.key.settings)),
      json_text(json_object(list.settings)), fmt::join(list.shape.dimensions(), ", "),
      has_original ? "" : fmt::format("\"views\": {},\n", json_text(views)),
      json_text(list.classes));
  Digester digester;
  const auto write_text = [&] {
    digester.add(text);
    write(std::exchange(text, {}));
  };
  const char* separator = "";
  for (const FileRow& row : list.rows) {
    text += fmt::format(R"({}{{"file": {}, "class": {}, "digest": "{}", "check": "{}")",
                        std::exchange(separator, ",\n"), json_text(row.file),
                        json_text(list.classes[row.label]), row.content.hex(), row.check.hex());
    if (row.stamp)
      text += fmt::format(R"(, "size": {}, "time": {})", row.stamp->size, row.stamp->time);
    text += '}';
    if (text.size() >= piece_bytes) write_text();
  }
  text += fmt::format("\n],\n\"skipped\": [\n{}\n]", fmt::join(skipped, ",\n"));
  write_text();
  write(digest_member(digester.digest()));
}

FileList parse_file_list(std::string_view text, const std::string& name,
                         const std::function<void(FileRow)>& use_row) {
  const std::string_view rows = lines_of_rows(text);
  if (text.size() - rows.size() > limits.bytes)
    throw Error(ErrorKind::data, "{}: more than {} bytes beside its rows", name, limits.bytes);
  const std::string_view before(text.begin(), rows.begin());
  const std::string_view after(rows.end(), text.end());
  const Json json = read_json(fmt::format("{}{}", before, after), name, limits).value;
  try {
    FileList list = parse_document(json, text);
    if (!use_row) list.rows.reserve(std::ranges::count(rows, '\n') + 1U);
    parse_rows(rows, list, use_row);
    return list;
  } catch (const Error& error) {
    throw Error(error.kind(), "{}: {}", name, error.what());
  }
}

FileList read_file_list(const std::filesystem::path& path,
                        const std::function<void(FileRow)>& use_row) {
  const MappedFile file(path);
  const auto* const text = reinterpret_cast<const char*>(file.bytes().data());
  return parse_file_list({text, file.bytes().size()}, shown(path), use_row);
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
  for (int i = 1; std::filesystem::exists(unused.journal); ++i)
    unused = log(fmt::format("{}.{}", name_, i));
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
  entries.reserve(list.rows.size() + list.skipped.size());
  for (std::size_t row = 0; row < list.rows.size(); ++row)
    entries.push_back({list.digest_of_row(row), list.rows[row].check, {}});
  for (const SkippedFile& skipped : list.skipped) {
    if (skipped.content)
      entries.push_back(
          {*skipped.content, {}, std::make_shared<const std::string>(skipped.reason)});
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
    if (!std::filesystem::exists(path)) throw Error(ErrorKind::data, "{} is missing", shown(path));
  }
  StoredSet set = open_rows(paths, read_file_list(paths.files));
  check_labels(paths, set.list);
  check_rows(paths, set);
  return set;
}

void stage_companions(const SetPaths& paths, const FileList& list) {
  std::vector<std::uint32_t> labels(list.rows.size());
  std::ranges::transform(list.rows, labels.begin(), &FileRow::label);
  write_npy(paths.next_labels, labels);
  write_durably(paths.next_files, [&](File& file) {
    write_file_list(list, [&](std::string_view text) { file.append(as_bytes(text)); });
  });
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
