#include "engine/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace graft {
namespace {

// Bytes of the well-formed character at the start of `text`; 0 for none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80U) return 1;
  if (first < 0xC2U || first > 0xF4U) return 0;
  const std::size_t length = first < 0xE0U ? 2 : first < 0xF0U ? 3 : 4;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  const bool is_overlong = (first == 0xE0U && second < 0xA0U) || (first == 0xF0U && second < 0x90U);
  const bool is_surrogate = first == 0xEDU && second >= 0xA0U;
  const bool is_above_10ffff = first == 0xF4U && second >= 0x90U;
  return is_overlong || is_surrogate || is_above_10ffff ? 0 : length;
}

// A well-formed character of the groups C0 and C1, or DEL.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first == 0xC2) return static_cast<unsigned char>(character[1]) < 0xA0;
  return first < 0x20 || first == 0x7F;
}

// The text with the bytes of each malformed or `unwanted` character as \xNN.
template <typename Predicate>
std::string escaped(std::string_view text, Predicate unwanted) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length > 0 && !unwanted(character)) {
      result += character;
    } else {
      for (const char byte : character)
        result += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
    text.remove_prefix(character.size());
  }
  return result;
}

}  // namespace

bool is_utf8(std::string_view text) {
  return escape_invalid_utf8(text) == text;
}

std::string escape_invalid_utf8(std::string_view text) {
  return escaped(text, [](std::string_view) { return false; });
}

std::string printable(std::string_view text, std::size_t limit) {
  const std::string result = escaped(text.substr(0, limit), is_control);
  return text.size() > limit ? result + "..." : result;
}

std::string shown(const std::filesystem::path& path) {
  constexpr std::size_t longest = 1000;
  return printable(path.native(), longest);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return lower;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  while (!text.empty()) {
    const std::size_t found = text.find(from);
    result += text.substr(0, found);
    if (found == std::string_view::npos) break;
    result += to;
    text.remove_prefix(found + from.size());
  }
  return result;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, 1, ',');
  return digits;
}

std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", grouped(number), number == 1 ? one : many);
}

std::string four_digits(double value) {
  if (value == 0.0) return "0";
  if (std::abs(value) >= 1e7 || std::abs(value) < 1e-5) return fmt::format("{:.3e}", value);
  const double magnitude = std::floor(std::log10(std::abs(value)));
  return fmt::format("{:.{}f}", value, std::clamp(3 - static_cast<int>(magnitude), 0, 8));
}

std::string percent(double share, int decimals) {
  return fmt::format("{:.{}f} %", 100.0 * share, decimals);
}

std::string duration_text(double seconds) {
  const auto rounded = static_cast<std::uint64_t>(std::max(0.0, std::round(seconds)));
  if (rounded >= 3600) return fmt::format("{} h {:02} min", rounded / 3600, rounded % 3600 / 60);
  if (rounded >= 60) return fmt::format("{} min {:02} s", rounded / 60, rounded % 60);
  if (seconds < 9.95) return fmt::format("{:.1f} s", std::max(0.0, seconds));
  return fmt::format("{} s", rounded);
}

std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
  }));
}

std::string padded(std::string_view text, std::size_t width, Align align) {
  const std::string space(width - std::min(width, text_width(text)), ' ');
  return align == Align::left ? std::string(text) + space : space + std::string(text);
}

void TextTable::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = printable(cell);
  lines_.push_back({std::move(cells), ""});
}

std::string TextTable::text(std::string_view indent) const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const Line& line : lines_) {
    for (std::size_t column = 0; column < line.cells.size(); ++column)
      widths[column] = std::max(widths[column], text_width(line.cells[column]));
  }
  std::vector<std::string> heads;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    heads.push_back(printable(columns_[column].head));
    if (widths[column] > 0) widths[column] = std::max(widths[column], text_width(heads.back()));
  }
  const std::string head = line_of(heads, widths);
  std::string text = head.empty() ? "" : fmt::format("{}{}\n", indent, head);
  for (const Line& line : lines_)
    text += fmt::format("{}{}\n", indent,
                        line.note.empty() ? line_of(line.cells, widths) : "    ! " + line.note);
  return text;
}

std::string TextTable::line_of(const std::vector<std::string>& cells,
                               const std::vector<std::size_t>& widths) const {
  std::string line;
  const char* gap = "";
  for (std::size_t column = 0; column < cells.size(); ++column) {
    if (widths[column] == 0) continue;
    line += gap + padded(cells[column], widths[column], columns_[column].align);
    gap = "  ";
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t longest_word = 100;  // a longer one is not a typing error
  if (word.size() > longest_word) return std::nullopt;
  const std::size_t allowed = std::max<std::size_t>(1, word.size() / 3);
  std::size_t best = allowed + 1;
  std::optional<std::string> answer;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      answer = candidate;
    }
  }
  return answer;
}

}  // namespace graft
