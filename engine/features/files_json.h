#pragma once
// NAME.files.json: file and class of each row, the skipped files, and the key.
//   {"version": 1, "key": {…}, "shape": [4, 4, 512], "classes": ["cats", "dogs"],
//    "rows": [{"file": …, "class": …, "digest": …, "check": …}, …],
//    "skipped": [{"file": …, "reason": …, "digest": …}, …]}
// One row a line. "digest" is of the image file. "check" is of the row's bytes in NAME.npy, so that
// rows of another extraction are never taken for these. A skipped file has a digest when its header
// is good and its pixels are not.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/digest.h"
#include "engine/features/key.h"
#include "engine/vgg16/vgg16.h"

namespace graft {

struct FileRow {
  std::string file;
  std::uint32_t label = 0;
  Digest content;
  Digest check;
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
  FeatureShape shape;
  std::vector<std::string> classes;
  std::vector<FileRow> rows;
  std::vector<SkippedFile> skipped;
  bool operator==(const FileList&) const = default;
};

std::string file_list_json(const FileList& list);
// `name` is that of the file, for messages. Throws Error(data).
FileList parse_file_list(const std::string& text, const std::string& name);
// Throws Error(data) that names the file, or Error(io).
FileList read_file_list(const std::filesystem::path& path);

}  // namespace graft
