#pragma once
// Lists of images in CSV files.
// RFC 4180: commas between cells, LF or CRLF after a line, quotes around a cell that holds any of
// these, and a quote inside them written twice. UTF-8. A byte order mark and blank lines are skipped.

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/observer.h"
#include "engine/dataset/scan.h"

namespace graft {

class CsvReader {
 public:
  // `text` is borrowed, `name` that of the file in messages.
  CsvReader(std::string_view text, std::string name);

  // The cells of the next line, at most 1,000. False at the end. Throws Error(data).
  bool next(std::vector<std::string>& cells);
  std::size_t line() const { return line_; }  // where these cells begin, from 1
  // Throws Error(data) "NAME:LINE: reason".
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  std::string_view rest_;
  std::string name_;
  std::size_t line_ = 1;
  std::size_t next_line_ = 1;  // of rest_
};

// Reads a list of at most 256 MiB with the columns path, label and, with `may_split`, perhaps split
// ("train" or "validation"), in any order. Others are noted and ignored. Paths are relative to the
// file's folder, or absolute. Classes are sorted as folders are, the files of a class by path. No
// image is opened. Throws Error(data) that names the file and the line, and Error(io) for a list that
// cannot be read.
ScannedSets scan_csv(const std::filesystem::path& file, bool may_split, Observer& observer);

}  // namespace graft
