#pragma once
// A table for a terminal, and the numbers in it.

#include <string>
#include <string_view>
#include <vector>

namespace graft::bench {

class TextTable {
 public:
  enum class Align { left, right };
  struct Column {
    std::string head;
    Align align = Align::right;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // A cell for each column; later ones may be missing.
  void row(std::vector<std::string> cells);
  // A line of its own under the row before, set in.
  void note(std::string_view sentence);
  // Columns in which no row has anything are left out. Each line ends with a newline.
  std::string text() const;

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

// Four digits that count, or all before the point: "0.02345", "1.234", "123456"; far away "1.234e+09".
std::string four_digits(double value);

// A unit in which a time has digits before the point.
struct TimeUnit {
  std::string_view name;  // "us", "ms", "s"
  double seconds = 1.0;
};
TimeUnit unit_of(double seconds);
std::string time_text(double seconds);  // "12.34 us"

std::string percent(double share, int decimals);  // .1234 as "12.3 %"

}  // namespace graft::bench
