#include "engine/features/row_log.h"

#include <system_error>
#include <utility>

#include "engine/base/error.h"

namespace graft {
namespace {

void discard(const std::filesystem::path& rows, const std::filesystem::path& journal) {
  std::error_code ignored;  // what the caller reports is why the log could not be started
  std::filesystem::remove(partial_path(journal), ignored);
  std::filesystem::remove(journal, ignored);
  std::filesystem::remove(rows, ignored);
}

}  // namespace

RowLog RowLog::create(const std::filesystem::path& rows, const std::filesystem::path& journal,
                      const RowLayout& layout, const std::string& header, std::size_t reserved_rows,
                      const Digest& plan, const FeatureKey& key) {
  try {
    remove_file(journal);  // it must never speak of the new file's rows
    File file(rows, File::Mode::create_or_truncate);
    file.reserve(layout.end_of(reserved_rows));
    file.write_at(0, as_bytes(header));
    file.sync_data();
    return {std::move(file), JournalWriter::create(journal, plan, key), layout};
  } catch (...) {
    discard(rows, journal);
    throw;
  }
}

RowLog RowLog::resume(const std::filesystem::path& rows, const std::filesystem::path& journal,
                      const RowLayout& layout, const JournalContents& contents,
                      std::size_t entries) {
  const std::uint64_t kept = entries == 0 ? contents.start_end : contents.entry_ends[entries - 1];
  RowLog log(File(rows, File::Mode::read_write), JournalWriter::reopen(journal, kept), layout);
  for (std::size_t i = 0; i < entries; ++i) log.rows_ += contents.entries[i].bad_reason ? 0 : 1;
  return log;
}

void RowLog::add_row(const Digest& content, std::span<const std::byte> row, const Digest& check) {
  if (row.size() != layout_.row_bytes) {
    throw Error(ErrorKind::usage, "a row of features has another size than its file's rows");
  }
  rows_file_.write_at(layout_.end_of(rows_), row);
  ++rows_;
  unflushed_.push_back({content, check, std::nullopt});
}

void RowLog::add_bad(const Digest& content, const std::string& reason) {
  unflushed_.push_back({content, {}, reason});
}

void RowLog::flush() {
  if (unflushed_.empty()) return;
  rows_file_.sync_data();
  journal_.append(unflushed_);
  unflushed_.clear();
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

std::size_t usable_entries(const std::filesystem::path& rows, const RowLayout& layout,
                           const JournalContents& contents) {
  if (!std::filesystem::exists(rows)) return 0;
  const MappedFile file(rows);
  std::size_t good = 0;
  std::size_t row = 0;
  for (const JournalEntry& entry : contents.entries) {
    if (!entry.bad_reason) {
      if (layout.end_of(row + 1) > file.bytes().size()) break;
      const auto bytes = file.bytes().subspan(layout.end_of(row), layout.row_bytes);
      if (digest_of(bytes) != entry.check) break;
      ++row;
    }
    ++good;
  }
  // The journal can be cut between lines only.
  const auto inside_a_line = [&] {
    return good > 0 && good < contents.entries.size() &&
           contents.entry_ends[good - 1] == contents.entry_ends[good];
  };
  while (inside_a_line()) --good;
  return good;
}

}  // namespace graft
