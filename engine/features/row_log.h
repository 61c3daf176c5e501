#pragma once
// Rows of features in a file, one after another, and the journal that says what they are. A row
// that the journal names is on disk. Bad images are named too, and have no row.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/features/journal.h"
#include "engine/features/key.h"

namespace graft {

// Where rows stand in their file.
struct RowLayout {
  std::uint64_t data_offset = 0;
  std::size_t row_bytes = 0;
  std::uint64_t end_of(std::size_t rows) const {
    return data_offset + std::uint64_t{rows} * row_bytes;
  }
};

class RowLog {
 public:
  // Starts anew: `header` (layout.data_offset bytes), and disk space for `reserved_rows` rows.
  // When it throws, neither file is there.
  static RowLog create(const std::filesystem::path& rows, const std::filesystem::path& journal,
                       const RowLayout& layout, const std::string& header,
                       std::size_t reserved_rows, const Digest& plan, const FeatureKey& key);
  // Goes on after the first `entries` entries of `contents`, which usable_entries() allowed.
  static RowLog resume(const std::filesystem::path& rows, const std::filesystem::path& journal,
                       const RowLayout& layout, const JournalContents& contents,
                       std::size_t entries);

  void add_row(const Digest& content, std::span<const std::byte> row, const Digest& check);
  void add_bad(const Digest& content, const std::string& reason);
  // Syncs the rows, then names them in the journal.
  void flush();
  std::size_t unflushed() const { return unflushed_.size(); }
  std::size_t rows() const { return rows_; }

  // Gives the file its final header and length.
  void finish(const std::string& header);
  // After this line only renaming is left to do.
  void commit() { journal_.commit(); }

 private:
  RowLog(File rows_file, JournalWriter journal, const RowLayout& layout)
      : rows_file_(std::move(rows_file)), journal_(std::move(journal)), layout_(layout) {}

  File rows_file_;
  JournalWriter journal_;
  RowLayout layout_;
  std::size_t rows_ = 0;
  std::vector<JournalEntry> unflushed_;
};

// How many of the journal's entries, from the first on, can be gone on from: whole lines of it
// whose rows are in the file with the bytes that were written.
std::size_t usable_entries(const std::filesystem::path& rows, const RowLayout& layout,
                           const JournalContents& contents);

}  // namespace graft
