#include "engine/job/crossvalidation.h"

#include <cmath>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/memory.h"
#include "engine/base/text.h"
#include "engine/config/config_file.h"
#include "engine/head/set_checks.h"
#include "engine/head/training.h"
#include "engine/report/report.h"

namespace graft {
namespace {

// The photos of both sets in the order of their folds, so that a fold is one piece of it.
struct Photos {
  std::vector<float> values;
  std::vector<std::uint32_t> labels;
  std::vector<std::string> files;
  std::vector<std::size_t> first;  // photo of each fold; then their number
};

Photos in_folds(const LabelledFeatures& train, const LabelledFeatures& validation,
                std::size_t folds) {
  std::vector<std::uint32_t> labels(train.labels.begin(), train.labels.end());
  labels.insert(labels.end(), validation.labels.begin(), validation.labels.end());
  std::vector<Digest> contents(train.contents.begin(), train.contents.end());
  contents.insert(contents.end(), validation.contents.begin(), validation.contents.end());
  const auto fold_of = stratified_folds(labels, contents, train.classes, folds);
  const std::size_t numbers = train.views * train.features.columns;  // of a photo
  check_memory("Cross-validation", 4.0 * static_cast<double>(labels.size() * numbers),
               "choose a features.pooling, fewer data.views or a smaller data.image_size");
  Photos photos;
  photos.values.reserve(labels.size() * numbers);
  for (std::size_t fold = 0; fold < folds; ++fold) {
    photos.first.push_back(photos.labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (fold_of[i] != fold) continue;
      const bool of_train = i < train.labels.size();
      const LabelledFeatures& set = of_train ? train : validation;
      const std::size_t photo = of_train ? i : i - train.labels.size();
      const float* values = set.features.row(photo * set.views);
      photos.values.insert(photos.values.end(), values, values + numbers);
      photos.labels.push_back(labels[i]);
      photos.files.push_back(set.files[photo]);
    }
  }
  photos.first.push_back(photos.labels.size());
  return photos;
}

// The mean and the standard deviation of a figure where it is defined; of one value no deviation.
std::pair<std::optional<double>, std::optional<double>> spread(const CrossValidation& result,
                                                               std::size_t figure) {
  std::vector<double> values;
  for (const auto& fold : result.folds) {
    if (fold.figures[figure]) values.push_back(*fold.figures[figure]);
  }
  if (values.empty()) return {};
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() == 1) return {mean, std::nullopt};
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1.0))};
}

}  // namespace

std::vector<std::size_t> stratified_folds(std::span<const std::uint32_t> labels,
                                          std::span<const Digest> contents,
                                          std::span<const std::string> classes, std::size_t folds) {
  std::map<Digest, std::uint32_t> label_of;
  for (std::size_t i = 0; i < labels.size(); ++i) label_of.emplace(contents[i], labels[i]);
  std::map<Digest, std::size_t> fold_of;
  for (std::uint32_t label = 0; label < classes.size(); ++label) {
    const std::size_t before = fold_of.size();
    for (const auto& [content, its_label] : label_of) {
      if (its_label == label) fold_of.emplace(content, fold_of.size() % folds);
    }
    if (fold_of.size() - before >= folds) continue;
    throw Error(ErrorKind::data,
                "The class \"{}\" has {} different images, fewer than the {} folds; choose a "
                "smaller --folds or add images.",
                printable(classes[label]), fold_of.size() - before, folds);
  }
  std::vector<std::size_t> result;
  for (const Digest& content : contents) result.push_back(fold_of.at(content));
  return result;
}

void check_folds(const Datasets& sets, std::size_t folds) {
  std::vector<std::uint32_t> labels;
  std::vector<Digest> contents;
  for (const Dataset* set : {&sets.train, &sets.validation}) {
    for (const Sample& photo : set->samples) {
      labels.push_back(photo.label);
      contents.push_back(photo.content);
    }
  }
  stratified_folds(labels, contents, sets.train.classes, folds);
}

CrossValidation crossvalidate(const RunContext& context, const LabelledFeatures& train,
                              const LabelledFeatures& validation, const Config& config,
                              std::size_t folds, std::size_t seeds) {
  check_sets(train, validation);
  const Photos photos = in_folds(train, validation, folds);
  LabelledFeatures all = train;
  all.features = {photos.values.data(), photos.labels.size() * train.views, train.shape.count()};
  all.labels = photos.labels;
  all.files = photos.files;
  CrossValidation result;
  const Stage stage(context.observer, "cross-validation", seeds * folds * config.train.epochs,
                    "epochs");
  for (std::size_t run = 0; run < seeds * folds; ++run) {
    const std::size_t fold = run % folds;
    const std::size_t first = photos.first[fold], count = photos.first[fold + 1] - first;
    std::vector<std::uint32_t> others(photos.labels.size() - count);
    std::iota(others.begin(), others.end(), 0U);
    for (std::size_t i = first; i < others.size(); ++i)
      others[i] += static_cast<std::uint32_t>(count);
    LabelledFeatures held_out = all;
    held_out.features = {all.features.row(first * all.views), count * all.views,
                         all.features.columns};
    held_out.labels = all.labels.subspan(first, count);
    held_out.files = all.files.subspan(first, count);
    Config seeded = config;
    seeded.seed += run / folds;
    Training training(context, all, others, held_out, seeded);
    training.begin();
    for (std::size_t epoch = 0; epoch < config.train.epochs; ++epoch) {
      const std::optional<Totals> totals = training.train_epoch(epoch, [](std::size_t) {});
      if (!totals) {
        throw Error(ErrorKind::interrupted,
                    "Cross-validation was interrupted; the features are "
                    "saved, its figures are not.");
      }
      if (!std::isfinite(totals->loss())) {
        check_finite(all, "extracted");
        throw Error(ErrorKind::usage,
                    "Training diverged in fold {}; try a train.optimizer.learning_rate below {}.",
                    fold + 1, config.train.optimizer.learning_rate);
      }
      context.observer.advance(run * config.train.epochs + epoch + 1);
    }
    std::vector<float> probabilities(count * all.classes.size());
    const Totals judged = training.evaluate(probabilities);
    const Evaluation found =
        summarise(judged, probabilities, held_out.labels, held_out.files, all.classes);
    result.folds.push_back({fold + 1,
                            seeded.seed,
                            count,
                            {found.accuracy, found.balanced_accuracy, found.auc, found.log_loss}});
  }
  return result;
}

std::string crossvalidation_table(const CrossValidation& result) {
  TextTable table(
      {{"fold", Align::left}, {"seed"}, {"images"}, {"accuracy"}, {"balanced"}, {"AUC"}, {"loss"}});
  const auto add = [&](std::vector<std::string> cells, const CrossValidation::Figures& figures) {
    for (const auto& figure : figures) cells.push_back(figure_text(figure));
    table.row(std::move(cells));
  };
  CrossValidation::Figures means, deviations;
  for (std::size_t i = 0; i < means.size(); ++i)
    std::tie(means[i], deviations[i]) = spread(result, i);
  for (const auto& fold : result.folds) {
    add({std::to_string(fold.number), std::to_string(fold.seed), std::to_string(fold.images)},
        fold.figures);
  }
  add({"mean", "", ""}, means);
  add({"deviation", "", ""}, deviations);
  return table.text();
}

std::string crossvalidation_json(const CrossValidation& result, const Config& config) {
  Json json;
  const auto put = [](Json& object, std::size_t i, std::optional<double> figure) {
    object[std::string(CrossValidation::names[i])] = figure_json(figure);
  };
  for (const auto& fold : result.folds) {
    Json object = {{"fold", fold.number}, {"seed", fold.seed}, {"images", fold.images}};
    for (std::size_t i = 0; i < fold.figures.size(); ++i) put(object, i, fold.figures[i]);
    json["folds"].push_back(std::move(object));
  }
  for (std::size_t i = 0; i < CrossValidation::names.size(); ++i) {
    const auto [mean, deviation] = spread(result, i);
    put(json["mean"], i, mean);
    put(json["deviation"], i, deviation);
  }
  json["config"] = read_json(effective_config(config), "config").value;
  return json.dump(1) + "\n";
}

}  // namespace graft
