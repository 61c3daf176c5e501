// Predictions against labels: figures, confusion matrix and mistakes, as text for the terminal and as
// JSON.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/report/report.h"

namespace graft {
namespace {

constexpr std::size_t widest_matrix = 12;      // classes; a larger matrix would not fit a terminal
constexpr std::size_t confusions_listed = 10;  // instead of a larger matrix
constexpr std::size_t confusions_in_json = 30;
constexpr std::ptrdiff_t least_certain_in_json = 20;

std::string figures(const Evaluation& evaluation) {
  std::string text = fmt::format(
      "accuracy {:.4f} ({} of {}; 95 % interval {:.4f} to {:.4f}; always \"{}\": {:.4f})\n"
      "balanced accuracy {:.4f}, macro F1 {:.4f}, AUC {}, log loss {:.4f}\n",
      evaluation.accuracy, evaluation.correct, evaluation.count, evaluation.accuracy_95.low,
      evaluation.accuracy_95.high, printable(evaluation.largest_class),
      evaluation.baseline_accuracy, evaluation.balanced_accuracy, evaluation.macro_f1,
      figure_text(evaluation.auc), evaluation.log_loss);
  if (evaluation.best_threshold) {
    text +=
        fmt::format("best threshold {:.9g}, chosen on these images: balanced accuracy {:.4f}\n",
                    evaluation.best_threshold->value, evaluation.best_threshold->balanced_accuracy);
  }
  return text;
}

std::string class_table(const Evaluation& evaluation) {
  TextTable table({{"class", Align::left}, {"images"}, {"precision"}, {"recall"}, {"F1"}, {"AUC"}});
  for (const ClassReport& report : evaluation.classes) {
    // Of two classes the AUC is above. An empty column is not shown.
    table.row({report.name, std::to_string(report.count), figure_text(report.precision),
               figure_text(report.recall), figure_text(report.f1),
               evaluation.classes.size() > 2 ? figure_text(report.auc) : ""});
  }
  return table.text();
}

std::string confusion_matrix(const Evaluation& evaluation) {
  std::vector<TextTable::Column> columns = {{"true \\ predicted", Align::left}};
  for (const ClassReport& report : evaluation.classes) columns.push_back({report.name});
  TextTable table(std::move(columns));
  for (std::size_t label = 0; label < evaluation.classes.size(); ++label) {
    std::vector<std::string> cells = {evaluation.classes[label].name};
    for (const std::uint64_t count : evaluation.confusion[label])
      cells.push_back(std::to_string(count));
    table.row(std::move(cells));
  }
  return table.text();
}

// Pairs of different classes, the most frequent first, as in the JSON.
Json largest_confusions(const Evaluation& evaluation, std::size_t most) {
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
  std::ranges::stable_sort(confusions, std::greater<>(), &Confusion::count);
  confusions.resize(std::min(confusions.size(), most));
  Json list = Json::array();
  for (const auto& [label, predicted, count] : confusions) {
    list.push_back({{"class", evaluation.classes[label].name},
                    {"predicted", evaluation.classes[predicted].name},
                    {"images", count}});
  }
  return list;
}

std::string confusion_list(const Evaluation& evaluation) {
  TextTable table({{"images"}, {"class", Align::left}, {"predicted", Align::left}});
  for (const Json& pair : largest_confusions(evaluation, confusions_listed))
    table.row({pair["images"].dump(), pair["class"], pair["predicted"]});
  return "most frequent confusions:\n" + table.text("  ");
}

std::string mistake_table(const Evaluation& evaluation, std::size_t shown) {
  TextTable table(
      {{"probability"}, {"predicted", Align::left}, {"class", Align::left}, {"file", Align::left}});
  for (std::size_t index = 0; index < shown; ++index) {
    const EvaluatedImage& mistake = evaluation.mistakes[index];
    table.row({fmt::format("{:.4f}", mistake.probability),
               evaluation.classes[mistake.predicted].name, evaluation.classes[mistake.label].name,
               mistake.file});
  }
  return fmt::format("\nmost confident mistakes ({} of {}):\n{}", shown, evaluation.mistakes.size(),
                     table.text("  "));
}

// numerator / denominator, where there is one.
std::optional<double> ratio(std::uint64_t numerator, std::uint64_t denominator) {
  if (denominator == 0) return std::nullopt;
  return static_cast<double>(numerator) / static_cast<double>(denominator);
}

// Of the classes that have the figure.
std::optional<double> mean_of(const std::vector<ClassReport>& classes,
                              std::optional<double> ClassReport::*figure) {
  double sum = 0.0;
  std::size_t count = 0;
  for (const ClassReport& report : classes) {
    if (!(report.*figure)) continue;
    sum += *(report.*figure);
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

// Those that follow from the confusion matrix.
std::vector<ClassReport> class_reports(const Evaluation& evaluation,
                                       std::span<const std::string> names) {
  std::vector<ClassReport> reports(names.size());
  for (std::size_t label = 0; label < names.size(); ++label) {
    ClassReport& report = reports[label];
    report.name = names[label];
    report.correct = evaluation.confusion[label][label];
    for (std::size_t other = 0; other < names.size(); ++other) {
      report.count += evaluation.confusion[label][other];
      report.predicted += evaluation.confusion[other][label];
    }
    report.precision = ratio(report.correct, report.predicted);
    report.recall = ratio(report.correct, report.count);
    report.f1 = ratio(2 * report.correct, report.count + report.predicted);
  }
  return reports;
}

void rank_classes(Evaluation& result, std::span<const float> probabilities,
                  std::span<const std::uint32_t> labels) {
  const auto count = static_cast<std::uint32_t>(result.classes.size());
  for (std::uint32_t index = count == 2 ? 1 : 0; index < count; ++index) {
    const std::vector<Cut> cuts = cuts_of(probabilities, labels, count, index);
    result.classes[index].auc = roc_auc(cuts);
    if (count == 2) result.best_threshold = best_threshold(cuts);
  }
  if (count == 2) result.classes[0].auc = result.classes[1].auc;  // 1 - p rounds: not ranked by it
}

Json list_of(const std::vector<EvaluatedImage>& images, const std::vector<ClassReport>& classes) {
  Json list = Json::array();
  for (const EvaluatedImage& image : images) {
    // The double with the shortest digits of the float: .9 is 0.9, not 0.8999999761581421.
    const auto probability = Json::parse(fmt::format("{}", image.probability)).get<double>();
    list.push_back({{"file", image.file},
                    {"class", classes[image.label].name},
                    {"predicted", classes[image.predicted].name},
                    {"probability", probability}});
  }
  return list;
}

}  // namespace

std::string figure_text(const std::optional<double>& figure) {
  return figure ? fmt::format("{:.4f}", *figure) : "-";
}

Json figure_json(const std::optional<double>& figure) {
  return figure ? Json(*figure) : Json(nullptr);
}

std::size_t predicted_class(std::span<const float> probabilities) {
  return static_cast<std::size_t>(std::ranges::max_element(probabilities) - probabilities.begin());
}

Evaluation summarise(const Totals& totals, std::span<const float> probabilities,
                     std::span<const std::uint32_t> labels, std::span<const std::string> files,
                     std::span<const std::string> classes) {
  const std::size_t rows = labels.size();
  if (rows == 0 || classes.size() < 2 || files.size() != rows ||
      probabilities.size() != rows * classes.size() || totals.count != rows) {
    throw Error(
        ErrorKind::usage,
        "An evaluation needs images, two classes or more, and for each image a label, a file "
        "name and a probability of each class; these lists have other lengths.");
  }
  Evaluation result;
  result.count = rows;
  result.log_loss = totals.loss();
  result.confusion.assign(classes.size(), std::vector<std::uint64_t>(classes.size()));
  for (std::size_t row = 0; row < rows; ++row) {
    const auto of_row = probabilities.subspan(row * classes.size(), classes.size());
    if (labels[row] >= classes.size() ||
        !std::ranges::all_of(of_row, [](float p) { return std::isfinite(p); })) {
      throw Error(ErrorKind::data,
                  "{} has a label or a probability that cannot be; the features or the trained "
                  "head are damaged: extract and train again.",
                  files[row]);
    }
    const auto predicted = static_cast<std::uint32_t>(predicted_class(of_row));
    ++result.confusion[labels[row]][predicted];
    result.ranked.push_back({files[row], labels[row], predicted, of_row[predicted]});
  }
  std::ranges::stable_sort(result.ranked, std::greater<>(), &EvaluatedImage::probability);
  std::ranges::copy_if(result.ranked, std::back_inserter(result.mistakes),
                       [](const EvaluatedImage& one) { return one.predicted != one.label; });
  result.correct = rows - result.mistakes.size();
  result.accuracy = ratio(result.correct, rows).value();
  result.accuracy_95 = wilson_interval(result.correct, rows);
  result.classes = class_reports(result, classes);
  const ClassReport& largest = *std::ranges::max_element(result.classes, {}, &ClassReport::count);
  result.largest_class = largest.name;
  result.baseline_accuracy = ratio(largest.count, rows).value();
  rank_classes(result, probabilities, labels);
  result.balanced_accuracy = mean_of(result.classes, &ClassReport::recall).value();
  result.macro_f1 = mean_of(result.classes, &ClassReport::f1).value();
  result.auc = mean_of(result.classes, &ClassReport::auc);
  return result;
}

std::string evaluation_table(const Evaluation& evaluation, std::size_t mistakes_shown) {
  std::string text = figures(evaluation) + "\n" + class_table(evaluation) + "\n";
  if (evaluation.classes.size() <= widest_matrix) {
    text += confusion_matrix(evaluation);
  } else if (!evaluation.mistakes.empty()) {
    text += confusion_list(evaluation);
  }
  const std::size_t shown = std::min(mistakes_shown, evaluation.mistakes.size());
  return shown == 0 ? text : text + mistake_table(evaluation, shown);
}

Json evaluation_values(const Evaluation& evaluation) {
  Json classes = Json::array();
  for (const ClassReport& report : evaluation.classes) {
    classes.push_back({{"name", report.name},
                       {"images", report.count},
                       {"predicted", report.predicted},
                       {"correct", report.correct},
                       {"precision", figure_json(report.precision)},
                       {"recall", figure_json(report.recall)},
                       {"f1", figure_json(report.f1)},
                       {"auc", figure_json(report.auc)}});
  }
  Json threshold;  // null
  if (const auto& best = evaluation.best_threshold) {
    threshold = {{"threshold", best->value},
                 {"balanced_accuracy", best->balanced_accuracy},
                 {"chosen_on", "validation"}};
  }
  const auto& ranked = evaluation.ranked;
  const std::vector<EvaluatedImage> least_certain(
      ranked.rbegin(), ranked.rbegin() + std::min(std::ssize(ranked), least_certain_in_json));
  return {{"images", evaluation.count},
          {"accuracy", evaluation.accuracy},
          {"accuracy_95", {evaluation.accuracy_95.low, evaluation.accuracy_95.high}},
          {"baseline_accuracy", evaluation.baseline_accuracy},
          {"largest_class", evaluation.largest_class},
          {"balanced_accuracy", evaluation.balanced_accuracy},
          {"macro_f1", evaluation.macro_f1},
          {"auc", figure_json(evaluation.auc)},
          {"log_loss", evaluation.log_loss},
          {"best_threshold", threshold},
          {"classes", classes},
          {"confusion", evaluation.confusion},
          {"mistakes", list_of(evaluation.mistakes, evaluation.classes)},
          {"least_certain", list_of(least_certain, evaluation.classes)},
          {"most_confused", largest_confusions(evaluation, confusions_in_json)}};
}

std::string evaluation_json(const Evaluation& evaluation) {
  return evaluation_values(evaluation).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace graft
