// An evaluation as a table for the terminal and as JSON.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "engine/report/report.h"

namespace graft {
namespace {

constexpr std::size_t widest_matrix = 12;  // classes; above, the matrix would not fit a terminal
constexpr std::size_t confusions_listed = 10;  // what stands in its place

// A name as a terminal may see it: control characters (a file name can hold a newline) become '?'.
std::string printable(std::string_view name) {
  std::string text(name);
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return text;
}

// Characters, not bytes, of UTF-8.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80;
  }));
}

std::string padding(std::string_view text, std::size_t width) {
  return std::string(width - std::min(width, width_of(text)), ' ');
}
std::string left(const std::string& text, std::size_t width) {
  return text + padding(text, width);
}
std::string right(const std::string& text, std::size_t width) {
  return padding(text, width) + text;
}

std::string recall_text(const ClassReport& report) {
  if (report.count == 0) return "-";
  return fmt::format("{:.4f}",
                     static_cast<double>(report.correct) / static_cast<double>(report.count));
}

void append_recalls(std::string& text, const std::vector<ClassReport>& reports,
                    std::size_t name_width) {
  text += left("class", name_width) + "   images  correct  recall\n";
  for (const ClassReport& report : reports) {
    text +=
        left(printable(report.name), name_width) +
        fmt::format("  {:>7}  {:>7}  {:>6}\n", report.count, report.correct, recall_text(report));
  }
}

void append_matrix(std::string& text, const Evaluation& evaluation, std::size_t name_width) {
  const std::string corner = "true \\ predicted";
  const std::size_t first = std::max(name_width, corner.size());
  std::vector<std::size_t> widths;
  text += left(corner, first);
  for (const std::string& name : evaluation.classes) {
    widths.push_back(std::max<std::size_t>(width_of(name), 6));
    text += "  " + right(printable(name), widths.back());
  }
  text += '\n';
  for (std::size_t label = 0; label < evaluation.classes.size(); ++label) {
    text += left(printable(evaluation.classes[label]), first);
    for (std::size_t predicted = 0; predicted < evaluation.classes.size(); ++predicted) {
      text +=
          "  " + right(std::to_string(evaluation.confusion[label][predicted]), widths[predicted]);
    }
    text += '\n';
  }
}

void append_largest_confusions(std::string& text, const Evaluation& evaluation) {
  struct Confusion {
    std::size_t label, predicted;
    std::uint64_t count;
  };
  std::vector<Confusion> confusions;
  for (std::size_t label = 0; label < evaluation.classes.size(); ++label) {
    for (std::size_t predicted = 0; predicted < evaluation.classes.size(); ++predicted) {
      const std::uint64_t count = evaluation.confusion[label][predicted];
      if (label != predicted && count > 0) confusions.push_back({label, predicted, count});
    }
  }
  std::stable_sort(confusions.begin(), confusions.end(),
                   [](const Confusion& a, const Confusion& b) { return a.count > b.count; });
  confusions.resize(std::min(confusions.size(), confusions_listed));
  text += "most often taken for another:\n";
  for (const Confusion& confusion : confusions) {
    text += fmt::format("  {:>6}  {} as {}\n", confusion.count,
                        printable(evaluation.classes[confusion.label]),
                        printable(evaluation.classes[confusion.predicted]));
  }
}

void append_mistakes(std::string& text, const Evaluation& evaluation, std::size_t shown) {
  shown = std::min(shown, evaluation.mistakes.size());
  if (shown == 0) return;
  text += fmt::format("\nthe surest mistakes ({} of {}):\n", shown, evaluation.mistakes.size());
  for (std::size_t index = 0; index < shown; ++index) {
    const Evaluation::Mistake& mistake = evaluation.mistakes[index];
    text += fmt::format("  {:.4f} {}, is {}: {}\n", mistake.probability,
                        printable(evaluation.classes[mistake.predicted]),
                        printable(evaluation.classes[mistake.label]), printable(mistake.file));
  }
}

// The double whose shortest digits are those of the float: .9 is written 0.9, not
// 0.8999999761581421.
double with_digits_of_float(float value) {
  std::array<char, 32> digits = {};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  double result = 0.0;
  std::from_chars(digits.data(), written.ptr, result);
  return result;
}

}  // namespace

std::string evaluation_table(const Evaluation& evaluation, std::size_t mistakes_shown) {
  const auto reports = class_reports(evaluation);
  std::size_t name_width = 5;
  std::uint64_t count = 0;
  for (const ClassReport& report : reports) {
    name_width = std::max(name_width, width_of(report.name));
    count += report.count;
  }
  std::string text = fmt::format("accuracy {:.4f} ({} of {}), loss {:.4f}\n\n", evaluation.accuracy,
                                 count - evaluation.mistakes.size(), count, evaluation.loss);
  append_recalls(text, reports, name_width);
  text += '\n';
  if (evaluation.classes.size() <= widest_matrix) {
    append_matrix(text, evaluation, name_width);
  } else if (!evaluation.mistakes.empty()) {
    append_largest_confusions(text, evaluation);
  }
  append_mistakes(text, evaluation, mistakes_shown);
  return text;
}

std::string evaluation_json(const Evaluation& evaluation) {
  using Json = nlohmann::ordered_json;
  Json classes = Json::array();
  for (const ClassReport& report : class_reports(evaluation)) {
    const Json recall =
        report.count == 0
            ? Json(nullptr)
            : Json(static_cast<double>(report.correct) / static_cast<double>(report.count));
    classes.push_back({{"name", report.name},
                       {"images", report.count},
                       {"correct", report.correct},
                       {"recall", recall}});
  }
  Json mistakes = Json::array();
  for (const Evaluation::Mistake& mistake : evaluation.mistakes) {
    mistakes.push_back({{"file", mistake.file},
                        {"class", evaluation.classes[mistake.label]},
                        {"predicted", evaluation.classes[mistake.predicted]},
                        {"probability", with_digits_of_float(mistake.probability)}});
  }
  const Json json = {{"loss", evaluation.loss},
                     {"accuracy", evaluation.accuracy},
                     {"classes", classes},
                     {"confusion", evaluation.confusion},
                     {"mistakes", mistakes}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace graft
