// Predictions against labels: the confusion matrix and the mistakes, most confident first.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/base/error.h"
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

}  // namespace graft
