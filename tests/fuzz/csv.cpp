// Lists of images: CsvReader and scan_csv.

#include "engine/dataset/csv.h"

#include <algorithm>

#include "engine/base/text.h"
#include "tests/fuzz/fuzz.h"

namespace graft::fuzz {
namespace {

using Lines = std::vector<std::vector<std::string>>;

Lines read(std::string_view text) {
  CsvReader reader(text, "list.csv");
  Lines lines;
  std::size_t before = 0;
  for (std::vector<std::string> cells; reader.next(cells);) {
    require(!cells.empty(), "a line has a cell");
    require(reader.line() > before, "line numbers ascend");
    before = reader.line();
    lines.push_back(cells);
  }
  return lines;
}

std::string written(const Lines& lines) {
  std::string text;
  for (const auto& cells : lines) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      text += (i == 0 ? "\"" : ",\"") + replace_all(cells[i], "\"", "\"\"") + "\"";
    text += "\r\n";
  }
  return text;
}

}  // namespace
}  // namespace graft::fuzz

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const auto lines =
      accepted(ErrorKind::data, [&] { return read(text_of(before_unreadable_memory(input))); });
  if (lines) require(read(written(*lines)) == *lines, "cells read back");
  SilentObserver observer;
  const bool may_split = input.size() % 2 == 0;
  const auto sets = accepted(
      ErrorKind::data, [&] { return scan_csv(file_with(input, "list.csv"), may_split, observer); });
  if (!sets) return 0;
  require(lines.has_value(), "a list is CSV");
  require(!sets->train.classes.empty(), "a list has a class");
  for (const ScannedClass& one : sets->train.classes) {
    require(!one.name.empty() && !one.files.empty(), "a class has a name and files");
    require(std::ranges::is_sorted(one.files, std::ranges::less_equal{}), "files differ, sorted");
    require(one.files.size() == one.lines.size(), "each file has its line");
  }
  return 0;
}
