#pragma once
// NAME.journal: what an extraction has done, a line a step, each with a digest of itself, so that
// the torn end of a killed run is seen and left out.
//   DIGEST {"plan": …, "key": {…}}                  the first line
//   DIGEST {"done": [[CONTENT, CHECK], [CONTENT, null, REASON], …]}   rows and bad images, in order
//   DIGEST {"commit": true}                          all that is left to do is renaming
// A "done" line is written after the rows that it names are on disk.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/features/key.h"

namespace graft {

struct JournalEntry {
  Digest content;                         // of the image file
  Digest check;                           // of the row's bytes; zero for a bad image
  std::optional<std::string> bad_reason;  // set: the image has no row
};

struct JournalContents {
  Digest plan;
  FeatureKey key;
  std::vector<JournalEntry> entries;
  // The end in bytes of the line that holds an entry: where the file is cut to forget what follows.
  std::vector<std::uint64_t> entry_ends;
  std::uint64_t start_end = 0;  // end of the first line
  bool committed = false;
};

// Nothing when there is no journal, or not one whole first line.
std::optional<JournalContents> read_journal(const std::filesystem::path& path);

class JournalWriter {
 public:
  // A new journal, whole on disk before the function returns; an old one of that name is replaced.
  static JournalWriter create(const std::filesystem::path& path, const Digest& plan,
                              const FeatureKey& key);
  // Goes on with one, after its first `bytes` bytes.
  static JournalWriter reopen(const std::filesystem::path& path, std::uint64_t bytes);

  void append(const std::vector<JournalEntry>& entries);  // on disk when it returns
  void commit();

 private:
  explicit JournalWriter(File file) : file_(std::move(file)) {}
  void append_line(const std::string& json);
  File file_;
};

}  // namespace graft
