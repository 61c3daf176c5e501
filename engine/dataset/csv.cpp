#include "engine/dataset/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"

namespace graft {
namespace {

constexpr std::uint64_t largest_list = std::uint64_t{256} << 20U;  // bytes
constexpr std::size_t most_cells = 1000;                           // of a line

bool take(std::string_view& rest, std::string_view expected) {
  if (!rest.starts_with(expected)) return false;
  rest.remove_prefix(expected.size());
  return true;
}

struct Row {
  std::string file;
  std::string label;
  std::size_t line = 0;
  bool validates = false;
};

std::vector<Row> read_rows(CsvReader& reader, bool may_split, Observer& observer) {
  std::vector<std::string> header;
  reader.next(header);
  const std::size_t absent = header.size();
  const auto column = [&](std::string_view name) -> std::size_t {
    return std::ranges::find(header, name) - header.begin();
  };
  const std::size_t path = column("path");
  const std::size_t label = column("label");
  const std::size_t split = may_split ? column("split") : absent;
  if (path == absent || label == absent)
    reader.refuse(
        fmt::format("expected a header with the columns path, label and optionally "
                    "split, with commas between them, found \"{}\"",
                    printable(fmt::format("{}", fmt::join(header, ",")), 100)));
  for (std::size_t i = 0; i < header.size(); ++i)
    if (i != path && i != label && i != split)
      observer.note(fmt::format("the column \"{}\" of the list is ignored", printable(header[i])));
  std::vector<Row> rows;
  for (std::vector<std::string> cells; reader.next(cells);) {
    if (cells.size() != header.size())
      reader.refuse(fmt::format("{} where the header has {}",
                                counted(cells.size(), "cell", "cells"), header.size()));
    if (cells[path].empty() || cells[label].empty())
      reader.refuse(fmt::format("the {} is empty", cells[path].empty() ? "path" : "label"));
    const std::string set = split == absent ? "train" : cells[split];
    if (set != "train" && set != "validation")
      reader.refuse(fmt::format("split: expected \"train\" or \"validation\", found \"{}\"",
                                printable(set, 100)));
    rows.push_back(
        {std::move(cells[path]), std::move(cells[label]), reader.line(), set == "validation"});
  }
  return rows;
}

// The rows of one set, sorted by path, as classes.
ScannedFolder folder_of(std::vector<Row>& rows, bool validates, const std::filesystem::path& list) {
  std::map<std::string, ScannedClass> classes;
  for (Row& row : rows) {
    if (row.validates != validates) continue;
    ScannedClass& one = classes[row.label];
    one.files.push_back(std::move(row.file));
    one.lines.push_back(row.line);
  }
  if (classes.empty())
    throw Error(ErrorKind::data, "{}: no images are listed{}", shown(list),
                rows.empty() ? "" : " for training");
  ScannedFolder folder{list.parent_path(), {}, list};
  for (auto& [name, one] : classes) {
    one.name = name;
    folder.classes.push_back(std::move(one));
  }
  return folder;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string name)
    : rest_(text), name_(std::move(name)) {
  take(rest_, "\xEF\xBB\xBF");
}

void CsvReader::refuse(const std::string& reason) const {
  throw Error(ErrorKind::data, "{}:{}: {}", name_, line_, reason);
}

bool CsvReader::next(std::vector<std::string>& cells) {
  cells.clear();
  while (take(rest_, "\n") || take(rest_, "\r\n")) ++next_line_;
  line_ = next_line_;
  if (rest_.empty()) return false;
  const std::string_view start = rest_;
  do {
    if (cells.size() == most_cells) refuse(fmt::format("more than {} cells", most_cells));
    std::string& cell = cells.emplace_back();
    if (!take(rest_, "\"")) {
      cell = rest_.substr(0, rest_.find_first_of(",\"\n"));
      if (cell.ends_with('\r') && rest_.substr(cell.size()).starts_with('\n')) cell.pop_back();
      rest_.remove_prefix(cell.size());
      continue;
    }
    do {  // the quote that ends a part is the cell's when another follows
      const std::size_t end = rest_.find('"');
      if (end == std::string_view::npos) refuse("a quote is opened and never closed");
      cell += rest_.substr(0, end + 1);
      rest_.remove_prefix(end + 1);
    } while (take(rest_, "\""));
    cell.pop_back();
  } while (take(rest_, ","));
  const std::string_view line = start.substr(0, start.size() - rest_.size());
  if (!is_utf8(line) || line.find('\0') != std::string_view::npos)
    refuse("not UTF-8 text; save the list as CSV in UTF-8");
  if (!rest_.empty() && !rest_.starts_with('\n') && !rest_.starts_with("\r\n"))
    refuse("a quote in the wrong place; put quotes around the cell, and write one inside it twice");
  next_line_ += static_cast<std::size_t>(std::ranges::count(line, '\n'));
  return true;
}

ScannedSets scan_csv(const std::filesystem::path& file, bool may_split, Observer& observer) {
  std::error_code failure;
  if (!std::filesystem::exists(file, failure))
    throw Error(ErrorKind::data, "there is no list {}", shown(file));
  const std::string text = read_text_file(file, largest_list);
  CsvReader reader(text, shown(file));
  std::vector<Row> rows = read_rows(reader, may_split, observer);
  std::ranges::stable_sort(rows, {}, &Row::file);
  const auto twice = std::ranges::adjacent_find(rows, {}, &Row::file);
  if (twice != rows.end())
    throw Error(ErrorKind::data, "{}:{}: {} is in line {} already", shown(file), twice[1].line,
                printable(twice->file, 200), twice->line);
  ScannedSets sets{folder_of(rows, false, file), {}};
  if (std::ranges::any_of(rows, &Row::validates)) sets.validation = folder_of(rows, true, file);
  return sets;
}

}  // namespace graft
