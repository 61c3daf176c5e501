// Predictions against labels: the confusion matrix and the mistakes, as a table for the terminal
// and as JSON.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/report/report.h"

namespace graft {
namespace {

// Two classes: 1 above .5, 0 at exactly .5. More: the most probable, of equals the first.
std::uint32_t predicted_class(std::span<const float> probabilities) {
  if (probabilities.size() == 2) return probabilities[1] > 0.5F ? 1 : 0;
  const auto largest = std::max_element(probabilities.begin(), probabilities.end());
  return static_cast<std::uint32_t>(largest - probabilities.begin());
}

void check_row(std::span<const float> probabilities, std::uint32_t label, const std::string& file) {
  if (label >= probabilities.size()) {
    throw Error(ErrorKind::data, fmt::format("{} has the label {}, and there are {} classes.", file,
                                             label, probabilities.size()));
  }
  if (!std::all_of(probabilities.begin(), probabilities.end(),
                   [](float p) { return std::isfinite(p); })) {
    throw Error(
        ErrorKind::data,
        fmt::format("The probabilities of {} are not finite; the features or the trained head are "
                    "damaged: extract and train again.",
                    file));
  }
}

constexpr std::size_t widest_matrix = 12;      // classes; a larger matrix would not fit a terminal
constexpr std::size_t confusions_listed = 10;  // instead of a larger matrix

double recall(const ClassReport& report) {
  return static_cast<double>(report.correct) / static_cast<double>(report.count);
}

std::string recall_table(const std::vector<ClassReport>& reports) {
  TextTable table({{"class", Align::left}, {"images"}, {"correct"}, {"recall"}});
  for (const ClassReport& report : reports) {
    table.row({report.name, std::to_string(report.count), std::to_string(report.correct),
               report.count == 0 ? "-" : fmt::format("{:.4f}", recall(report))});
  }
  return table.text();
}

std::string confusion_matrix(const Evaluation& evaluation) {
  std::vector<TextTable::Column> columns = {{"true \\ predicted", Align::left}};
  for (const std::string& name : evaluation.classes) columns.push_back({name});
  TextTable table(std::move(columns));
  for (std::size_t label = 0; label < evaluation.classes.size(); ++label) {
    std::vector<std::string> cells = {evaluation.classes[label]};
    for (const std::uint64_t count : evaluation.confusion[label])
      cells.push_back(std::to_string(count));
    table.row(std::move(cells));
  }
  return table.text();
}

std::string largest_confusions(const Evaluation& evaluation) {
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
  TextTable table({{"images"}, {"class", Align::left}, {"predicted", Align::left}});
  for (const Confusion& confusion : confusions) {
    table.row({std::to_string(confusion.count), evaluation.classes[confusion.label],
               evaluation.classes[confusion.predicted]});
  }
  return "most frequent confusions:\n" + table.text("  ");
}

std::string mistake_table(const Evaluation& evaluation, std::size_t shown) {
  TextTable table(
      {{"probability"}, {"predicted", Align::left}, {"class", Align::left}, {"file", Align::left}});
  for (std::size_t index = 0; index < shown; ++index) {
    const Evaluation::Mistake& mistake = evaluation.mistakes[index];
    table.row({fmt::format("{:.4f}", mistake.probability), evaluation.classes[mistake.predicted],
               evaluation.classes[mistake.label], mistake.file});
  }
  return fmt::format("\nmost confident mistakes ({} of {}):\n{}", shown, evaluation.mistakes.size(),
                     table.text("  "));
}

// The double with the same shortest digits as the float: .9 is written 0.9, not 0.8999999761581421.
double with_digits_of_float(float value) {
  std::array<char, 32> digits = {};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  double result = 0.0;
  std::from_chars(digits.data(), written.ptr, result);
  return result;
}

}  // namespace

Evaluation summarise(const Totals& totals, std::span<const float> probabilities,
                     std::span<const std::uint32_t> labels, std::span<const std::string> files,
                     std::span<const std::string> classes) {
  const std::size_t rows = labels.size();
  if (classes.size() < 2 || files.size() != rows || probabilities.size() != rows * classes.size() ||
      totals.count != rows) {
    throw Error(
        ErrorKind::usage,
        fmt::format("An evaluation needs one label, file name and row of probabilities for each "
                    "image; there are {} labels, {} names, {} probabilities of {} classes, and {} "
                    "images were evaluated.",
                    rows, files.size(), probabilities.size(), classes.size(), totals.count));
  }
  Evaluation result;
  result.loss = totals.loss();
  result.classes.assign(classes.begin(), classes.end());
  result.confusion.assign(classes.size(), std::vector<std::uint64_t>(classes.size()));
  for (std::size_t row = 0; row < rows; ++row) {
    const auto of_row = probabilities.subspan(row * classes.size(), classes.size());
    check_row(of_row, labels[row], files[row]);
    const std::uint32_t predicted = predicted_class(of_row);
    ++result.confusion[labels[row]][predicted];
    if (predicted != labels[row]) {
      result.mistakes.push_back({files[row], labels[row], predicted, of_row[predicted]});
    }
  }
  if (rows > 0) {
    result.accuracy =
        static_cast<double>(rows - result.mistakes.size()) / static_cast<double>(rows);
  }
  std::stable_sort(result.mistakes.begin(), result.mistakes.end(),
                   [](const Evaluation::Mistake& a, const Evaluation::Mistake& b) {
                     return a.probability > b.probability;
                   });
  return result;
}

std::vector<ClassReport> class_reports(const Evaluation& evaluation) {
  std::vector<ClassReport> reports;
  for (std::size_t index = 0; index < evaluation.classes.size(); ++index) {
    ClassReport report{evaluation.classes[index], 0, evaluation.confusion[index][index]};
    for (const std::uint64_t count : evaluation.confusion[index]) report.count += count;
    reports.push_back(std::move(report));
  }
  return reports;
}

std::string evaluation_table(const Evaluation& evaluation, std::size_t mistakes_shown) {
  const auto reports = class_reports(evaluation);
  std::uint64_t count = 0;
  for (const ClassReport& report : reports) count += report.count;
  std::string text = fmt::format("accuracy {:.4f} ({} of {}), loss {:.4f}\n\n{}\n",
                                 evaluation.accuracy, count - evaluation.mistakes.size(), count,
                                 evaluation.loss, recall_table(reports));
  if (evaluation.classes.size() <= widest_matrix) {
    text += confusion_matrix(evaluation);
  } else if (!evaluation.mistakes.empty()) {
    text += largest_confusions(evaluation);
  }
  const std::size_t shown = std::min(mistakes_shown, evaluation.mistakes.size());
  return shown == 0 ? text : text + mistake_table(evaluation, shown);
}

std::string evaluation_json(const Evaluation& evaluation) {
  Json classes = Json::array();
  for (const ClassReport& report : class_reports(evaluation)) {
    classes.push_back({{"name", report.name},
                       {"images", report.count},
                       {"correct", report.correct},
                       {"recall", report.count == 0 ? Json(nullptr) : Json(recall(report))}});
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
