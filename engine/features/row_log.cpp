#include "engine/features/row_log.h"

#include <fmt/format.h>

#include <string_view>
#include <system_error>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/features/npy.h"
#include "engine/image/image.h"

namespace graft {
namespace {

// The journal of four views of 10 million photos has 3 GB.
constexpr JsonLimits limits = {.bytes = std::uint64_t{4} << 30U, .depth = 4, .members = 1U << 30U};
constexpr std::size_t entries_a_line = 4096;  // that few take little memory when they are parsed
constexpr std::size_t digest_digits = 32;
constexpr const char* commit_json = R"({"commit": true})";

std::string line_of(const std::string& json) {
  return fmt::format("{} {}\n", digest_of(json).hex(), json);
}

std::string start_line(const FeatureKey& key) {
  return line_of(json_text(Json{{"key", json_object(key.settings)}}));
}

// The JSON of a line without its newline; nothing when the digest is wrong.
std::optional<std::string_view> checked_json(std::string_view line) {
  if (line.size() <= digest_digits || line[digest_digits] != ' ') return std::nullopt;
  const std::string_view json = line.substr(digest_digits + 1);
  if (digest_of(json).hex() != line.substr(0, digest_digits)) return std::nullopt;
  return json;
}

RowEntry parse_entry(const Json& json) {
  RowEntry entry;
  entry.digest = Digest::from_hex(json_as<std::string>(json.at(0), "content"));
  if (json.at(1).is_null()) {
    entry.bad_reason =
        std::make_shared<const std::string>(json_as<std::string>(json.at(2), "reason"));
    // Other decoders' verdict is about no image, which has this digest.
    if (json.size() < 4 || json.at(3) != decoder_version) entry.digest = {};
  } else {
    entry.check = Digest::from_hex(json_as<std::string>(json.at(1), "check"));
  }
  return entry;
}

// `end`: of the line, in bytes.
void parse_line(const Json& json, std::uint64_t end, Journal& journal) {
  if (journal.start_end == 0) {
    journal.key.settings = json_at<JsonStrings>(json, "key");
    journal.start_end = end;
  } else if (json.contains("commit")) {
    journal.committed = true;
  } else {
    for (const Json& entry : json_member(json, "done")) {
      journal.entries.push_back(parse_entry(entry));
      journal.entry_ends.push_back(end);
    }
  }
}

}  // namespace

std::optional<Journal> read_journal(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const std::vector<std::byte> bytes = read_file(path, limits.bytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Journal journal;
  std::size_t begin = 0;
  try {
    for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string_view::npos;) {
      const auto json = checked_json(text.substr(begin, end - begin));
      if (!json) break;
      begin = end + 1;
      parse_line(read_json(*json, shown(path), limits).value, begin, journal);
    }
  } catch (
      const Json::exception&) {  // an intact line of another program: the lines before it count
  } catch (const Error&) {
  }
  if (journal.start_end == 0) return std::nullopt;
  return journal;
}

std::uint64_t find_data_offset(const std::filesystem::path& rows) {
  if (!std::filesystem::exists(rows)) return 0;
  try {
    return parse_npy_header(MappedFile(rows).bytes()).data_offset;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;
    return 0;
  }
}

RowLog RowLog::create(const LogPaths& paths, const std::string& header, std::size_t row_bytes,
                      std::size_t reserved_rows, const FeatureKey& key) {
  const RowLayout layout{header.size(), row_bytes};
  try {
    remove_file(paths.journal);  // it must never name the new file's rows
    File file(paths.rows, File::Mode::create_or_truncate);
    file.reserve(layout.end_of(reserved_rows));
    file.write_at(0, as_bytes(header));
    file.sync_data();
    write_file_whole(paths.journal, std::string_view(start_line(key)));
    return {std::move(file), File(paths.journal, File::Mode::read_write), layout};
  } catch (...) {
    std::error_code ignored;  // the caller reports why the log could not be started
    std::filesystem::remove(paths.journal, ignored);
    std::filesystem::remove(paths.rows, ignored);
    throw;
  }
}

RowLog RowLog::resume(const LogPaths& paths, const RowLayout& layout, std::size_t reserved_rows,
                      const Journal& journal, std::size_t entries) {
  RowLog log(File(paths.rows, File::Mode::read_write), File(paths.journal, File::Mode::read_write),
             layout);
  log.rows_file_.reserve(layout.end_of(reserved_rows));
  log.journal_.truncate(entries == 0 ? journal.start_end : journal.entry_ends[entries - 1]);
  for (std::size_t i = 0; i < entries; ++i) log.rows_ += journal.entries[i].bad_reason ? 0 : 1;
  return log;
}

void RowLog::add_row(const Digest& digest, std::span<const std::byte> row, const Digest& check) {
  if (row.size() != layout_.row_bytes)
    throw Error(ErrorKind::usage, "a row of features has another size than its file's rows");
  rows_file_.write_at(layout_.end_of(rows_), row);
  ++rows_;
  unflushed_.push_back({digest, check});
}

void RowLog::add_bad(const Digest& content, const std::string& reason) {
  unflushed_.push_back({content, {}, std::make_shared<const std::string>(reason)});
}

void RowLog::flush() {
  if (unflushed_.empty()) return;
  const std::vector<RowEntry> entries = std::exchange(unflushed_, {});
  rows_file_.sync_data();
  for (std::size_t i = 0; i < entries.size();) {
    Json done = Json::array();
    for (; i < entries.size() && done.size() < entries_a_line; ++i) {
      const RowEntry& entry = entries[i];
      done.push_back(entry.bad_reason ? Json::array({entry.digest.hex(), nullptr, *entry.bad_reason,
                                                     decoder_version})
                                      : Json::array({entry.digest.hex(), entry.check.hex()}));
    }
    journal_.append(as_bytes(line_of(json_text(Json{{"done", std::move(done)}}))));
  }
  journal_.sync_data();
  last_flush_ = std::chrono::steady_clock::now();
}

void RowLog::finish(const std::string& header) {
  if (header.size() != layout_.data_offset) {
    throw Error(ErrorKind::usage,
                "the final header has another length than the one reserved for it");
  }
  rows_file_.write_at(0, as_bytes(header));
  rows_file_.truncate(layout_.end_of(rows_));
  rows_file_.sync_data();
}

void RowLog::commit() {
  journal_.append(as_bytes(line_of(commit_json)));
  journal_.sync_data();
}

void write_committed_journal(const std::filesystem::path& path, const FeatureKey& key) {
  write_file_whole(path, std::string_view(start_line(key) + line_of(commit_json)));
}

std::size_t usable_entries(const std::filesystem::path& rows, const RowLayout& layout,
                           const Journal& journal) {
  if (!std::filesystem::exists(rows)) return 0;
  const MappedFile file(rows);
  std::size_t good = 0;
  std::size_t row = 0;
  for (const RowEntry& entry : journal.entries) {
    if (!entry.bad_reason) {
      if (layout.end_of(row + 1) > file.bytes().size()) break;
      const auto bytes = file.bytes().subspan(layout.end_of(row), layout.row_bytes);
      if (digest_of(bytes) != entry.check) break;
      ++row;
    }
    ++good;
  }
  // The journal can be cut between lines only.
  while (good > 0 && good < journal.entries.size() &&
         journal.entry_ends[good - 1] == journal.entry_ends[good]) {
    --good;
  }
  return good;
}

}  // namespace graft
