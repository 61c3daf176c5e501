#pragma once
// The rows that an extraction has written so far, and the journal that says what they are.
//   STEM.npy.partial  a .npy header, then the rows at their final places
//   STEM.journal      one line a step, each with a digest of itself, which detects a torn end:
//     DIGEST {"key": {…}}                                               the first line
//     DIGEST {"done": [[DIGEST, CHECK], [DIGEST, null, REASON, DECODER], …]}    rows and bad images
//     DIGEST {"commit": true}                                           only renaming is left to do
// A "done" line is written after the rows that it names are on disk.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/features/key.h"

namespace graft {

struct LogPaths {
  std::filesystem::path rows, journal;
};

// One image of a row file.
struct RowEntry {
  Digest digest;  // of a row (row_digest); of the file of a bad image
  Digest check;   // of the row's bytes; zero for a bad image
  std::shared_ptr<const std::string> bad_reason = nullptr;  // set: the image has no row
};

struct Journal {
  FeatureKey key;
  std::vector<RowEntry> entries;
  // The end in bytes of the line that holds an entry: where to cut the file to forget what follows.
  std::vector<std::uint64_t> entry_ends;
  std::uint64_t start_end = 0;  // end of the first line
  bool committed = false;
};

// Nothing when the file is absent or has no intact first line. Lines from the first defective one
// on are ignored.
std::optional<Journal> read_journal(const std::filesystem::path& path);

// Where the rows of a row file begin; 0 when it is absent or has no header.
std::uint64_t find_data_offset(const std::filesystem::path& rows);

// Where rows are in their file.
struct RowLayout {
  std::uint64_t data_offset = 0;
  std::size_t row_bytes = 0;
  std::uint64_t end_of(std::size_t rows) const {
    return data_offset + std::uint64_t{rows} * row_bytes;
  }
};

class RowLog {
 public:
  // A new log: `header`, and disk space for `reserved_rows` rows. On failure neither file exists.
  static RowLog create(const LogPaths& paths, const std::string& header, std::size_t row_bytes,
                       std::size_t reserved_rows, const FeatureKey& key);
  // Continues after the first `entries` entries of `journal`, which usable_entries() allowed.
  static RowLog resume(const LogPaths& paths, const RowLayout& layout, std::size_t reserved_rows,
                       const Journal& journal, std::size_t entries);

  void add_row(const Digest& digest, std::span<const std::byte> row, const Digest& check);
  void add_bad(const Digest& content, const std::string& reason);
  // Syncs the rows, then names them in the journal. Rows whose flush failed are never named.
  void flush();
  // The same, unless the last time is less than `interval` ago.
  void flush_after(std::chrono::steady_clock::duration interval) {
    if (std::chrono::steady_clock::now() - last_flush_ >= interval) flush();
  }
  std::size_t rows() const { return rows_; }

  // Gives the file its final header and length.
  void finish(const std::string& header);
  // After this line only renaming is left to do.
  void commit();

 private:
  RowLog(File rows_file, File journal, const RowLayout& layout)
      : rows_file_(std::move(rows_file)), journal_(std::move(journal)), layout_(layout) {}

  File rows_file_;
  File journal_;
  RowLayout layout_;
  std::size_t rows_ = 0;
  std::vector<RowEntry> unflushed_;
  std::chrono::steady_clock::time_point last_flush_ = std::chrono::steady_clock::now();
};

// A journal without rows that is committed already.
void write_committed_journal(const std::filesystem::path& path, const FeatureKey& key);

// How many of the journal's entries, from the first on, can be continued: complete lines of it
// whose rows are in the file with the bytes that were written.
std::size_t usable_entries(const std::filesystem::path& rows, const RowLayout& layout,
                           const Journal& journal);

}  // namespace graft
