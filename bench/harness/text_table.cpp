#include "bench/harness/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace graft::bench {
namespace {

// Of UTF-8, in characters.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

void TextTable::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  lines_.push_back({std::move(cells), ""});
}

void TextTable::note(std::string_view sentence) {
  lines_.push_back({{}, std::string(sentence)});
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const Line& line : lines_) {
    for (std::size_t column = 0; column < line.cells.size(); ++column)
      widths[column] = std::max(widths[column], width_of(line.cells[column]));
  }
  std::vector<std::string> heads;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    heads.push_back(columns_[column].head);
    if (widths[column] > 0) widths[column] = std::max(widths[column], width_of(heads.back()));
  }
  std::string text = line_of(heads, widths);
  for (const Line& line : lines_)
    text += line.note.empty() ? line_of(line.cells, widths) : fmt::format("    ! {}\n", line.note);
  return text;
}

std::string TextTable::line_of(const std::vector<std::string>& cells,
                               const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t column = 0; column < cells.size(); ++column) {
    if (widths[column] == 0) continue;
    const std::string space(widths[column] - width_of(cells[column]), ' ');
    if (!line.empty()) line += "  ";
    line += columns_[column].align == Align::left ? cells[column] + space : space + cells[column];
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string four_digits(double value) {
  if (value == 0.0) return "0";
  if (std::abs(value) >= 1e7 || std::abs(value) < 1e-5) return fmt::format("{:.3e}", value);
  const double magnitude = std::floor(std::log10(std::abs(value)));
  return fmt::format("{:.{}f}", value, std::clamp(3 - static_cast<int>(magnitude), 0, 8));
}

TimeUnit unit_of(double seconds) {
  if (seconds < 1e-3) return {"us", 1e-6};
  if (seconds < 1.0) return {"ms", 1e-3};
  return {"s", 1.0};
}

std::string time_text(double seconds) {
  const TimeUnit unit = unit_of(seconds);
  return fmt::format("{} {}", four_digits(seconds / unit.seconds), unit.name);
}

std::string percent(double share, int decimals) {
  return fmt::format("{:.{}f} %", 100.0 * share, decimals);
}

}  // namespace graft::bench
