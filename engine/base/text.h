#pragma once
// Text for messages and terminals: safe names, numbers, durations, tables, suggestions.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace graft {

// Whether JSON can hold the text: UTF-8 without overlong forms, surrogates and values above 10FFFF.
bool is_utf8(std::string_view text);

// The text with every byte that is not part of valid UTF-8 written as \xNN.
std::string escape_invalid_utf8(std::string_view text);

// For a message: the text with each control character (C0, DEL, C1) and each byte that is not part of
// valid UTF-8 written as \xNN. Text longer than `limit` bytes is cut and ends in "...".
std::string printable(std::string_view text,
                      std::size_t limit = std::numeric_limits<std::size_t>::max());

// A path as messages show it: printable, of at most 1,000 bytes.
std::string shown(const std::filesystem::path& path);

// With a to z for A to Z; other characters stay.
std::string lower_case(std::string_view text);

// Decimal digits and nothing else. Nothing for other text, and from 2^64.
std::optional<std::uint64_t> whole_number(std::string_view text);

// `from` must not be empty.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// 100000 as "100,000".
std::string grouped(std::uint64_t number);

// "1 image", "2,000 images".
std::string counted(std::uint64_t number, std::string_view one, std::string_view many);

// Four significant digits, or all before the point: "0.02345", "1.234", "123456". Exponent below
// 1e-5 and from 1e7: "1.234e+09".
std::string four_digits(double value);

std::string percent(double share, int decimals);  // .1234 as "12.3 %"

std::string duration_text(double seconds);  // "3.2 s", "12 s", "2 min 5 s", "1 h 2 min"

// Characters of UTF-8 text, not bytes.
std::size_t text_width(std::string_view text);

enum class Align { left, right };
std::string padded(std::string_view text, std::size_t width, Align align = Align::left);

// Table with aligned columns, two spaces apart. Cells are printable().
class TextTable {
 public:
  struct Column {
    std::string head;
    Align align = Align::right;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell for each column. Missing cells are empty.
  void row(std::vector<std::string> cells);
  // A line under the last row: "    ! sentence".
  void note(std::string_view sentence) { lines_.push_back({{}, std::string(sentence)}); }
  // Skips columns whose cells are all empty, and the line of heads when all heads are empty. Each
  // line begins with `indent` and ends with a newline.
  std::string text(std::string_view indent = "") const;

 private:
  struct Line {
    std::vector<std::string> cells;
    std::string note;  // instead of cells
  };
  std::string line_of(const std::vector<std::string>& cells,
                      const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<Line> lines_;
};

// Fewest insertions, deletions, replacements and swaps of adjacent characters from a to b.
// Source: optimal string alignment distance (Damerau 1964, with the restriction of Boytsov 2011).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word`, with at most one edit for each three characters of `word`, and
// at least one edit allowed. Nothing when none is that near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace graft
