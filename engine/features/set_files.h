#pragma once
// The files of a feature set, and how a finished extraction takes the place of the earlier set.
// First the new files are complete and synced beside the old ones. Then the commit line in the
// journal decides: before it the old set is valid, after it the new one. What follows is renaming,
// which any later run can finish.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/features/key.h"
#include "engine/features/npy.h"
#include "engine/features/row_log.h"
#include "engine/vgg16/vgg16.h"

namespace graft {

// NAME.files.json: file and class of each row, the skipped files, the key, and the settings.
//   {"version": 2, "key": {…}, "settings": {…}, "shape": [4, 4, 512], "views": ["original"],
//    "classes": ["cats", "dogs"], "rows": [{"file": …, "class": …, "digest": …, "check": …}, …],
//    "skipped": [{"file": …, "reason": …, "digest": …, "decoder": …}, …],
//    "digest": of all bytes before}
// One row a line; row r is view r % views of its photo. Without "views" there is the original alone.
// In a shard's list a row ends with "size" and "time" (in ns) of the photo as it was read.
// Version 1, which is still read, has neither settings nor a digest of its own.
// "digest" is of the image file. "check" is of the row's bytes in NAME.npy, so that rows of another
// extraction are never taken for these. A skipped file has a digest, and the decoder_version that
// judged it, when its header is good and its pixels are not. Other versions' verdicts do not count.
struct FileRow {
  std::string file;
  std::uint32_t label = 0;
  Digest content;
  Digest check;
  std::optional<FileStamp> stamp = {};  // in a shard's list: of the file as it was read
  bool operator==(const FileRow&) const = default;
};

struct SkippedFile {
  std::string file;
  std::string reason;
  std::optional<Digest> content;
  bool operator==(const SkippedFile&) const = default;
};

struct FileList {
  FeatureKey key;
  JsonStrings settings;  // feature_settings() of the config that asked for these rows
  FeatureShape shape;
  std::vector<View> views = {View::original};
  std::vector<std::string> classes;
  std::vector<FileRow> rows;
  std::vector<SkippedFile> skipped;
  Digest digest_of_row(std::size_t row) const {
    return row_digest(rows[row].content, views[row % views.size()]);
  }
  bool operator==(const FileList&) const = default;
};

// Hands the text of a NAME.files.json to `write`, piece by piece.
void write_file_list(const FileList& list, const std::function<void(std::string_view)>& write);
// Where `use_row` is given, it gets the rows in their order, and the list has none. They are void
// when this throws. `name` is that of the file, for messages. Throws Error(data).
FileList parse_file_list(std::string_view text, const std::string& name,
                         const std::function<void(FileRow)>& use_row = {});
// Throws Error(data) that names the file, or Error(io).
FileList read_file_list(const std::filesystem::path& path,
                        const std::function<void(FileRow)>& use_row = {});

class SetPaths {
 public:
  SetPaths(const std::filesystem::path& folder, const std::string& name);

  std::filesystem::path npy, labels, files;       // the finished set
  std::filesystem::path next_labels, next_files;  // complete, waiting for the commit

  // The extractions that are in progress or were interrupted: NAME.journal, NAME.1.journal, …
  std::vector<LogPaths> logs() const;
  // The first of these names that has no journal.
  LogPaths unused_log() const;

 private:
  LogPaths log(const std::string& stem) const;
  std::filesystem::path folder_;
  std::string name_;
};

// Of NAME.npy.
std::vector<std::size_t> npy_shape(std::size_t rows, const FeatureShape& shape);

// The list and the rows of a finished set.
struct StoredSet {
  FileList list;
  NpyFile npy;

  RowLayout layout() const;
  std::vector<RowEntry> entries() const;
};

// Whether any of the set's files exists.
bool stored_set_exists(const SetPaths& paths);

// The rows of a list. Throws Error(data) or Error(io) where NAME.npy is missing or of another shape.
StoredSet open_rows(const SetPaths& paths, FileList list);

// Throws Error(data) or Error(io) that says what is missing or wrong: sizes, labels, and the bytes
// of all rows against their digests in files.json.
StoredSet open_stored_set(const SetPaths& paths);

// Writes NAME.labels.npy and NAME.files.json beside their places.
void stage_companions(const SetPaths& paths, const FileList& list);

// After the commit line in committed.journal: renames what is staged, then removes the work files.
void publish(const SetPaths& paths, const LogPaths& committed);

// Replaces the companions of a NAME.npy that stays as it is. Removes the work files.
void commit_companions(const SetPaths& paths, const FileList& list);

// Ends the commit of a run that was killed in it.
void finish_interrupted_commit(const SetPaths& paths);

// The journal first: rows without a journal are ignored.
void remove_log(const LogPaths& log);

// Removes all logs and what is staged.
void remove_work_files(const SetPaths& paths);

}  // namespace graft
