#pragma once
// The results of a run: the curves, the figures on the validation images, and a page of both.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/base/json.h"
#include "engine/config/config.h"
#include "engine/head/history.h"
#include "engine/report/metrics.h"

namespace graft {

// The curves of a training run as values of the template: "panels", and "curves_summary": "best
// validation accuracy 0.9825 in epoch 12, 0.9725 in the last (20)". `baseline` is the accuracy of
// always answering the largest class. Throws Error(usage) for a history without epochs.
Json curve_values(const History& history, double baseline);
// Both panels as one SVG without scripts or outside fonts, readable in black and white (line styles
// differ) and on a dark page (its own background). Throws as curve_values does.
std::string curves_svg(const History& history, const std::string& title, double baseline);

// A figure is absent where it is not defined: without images of the class (recall, AUC), images
// predicted as it (precision), either (F1), or images of other classes (AUC).
struct ClassReport {
  std::string name;
  std::uint64_t count = 0;      // images of the class
  std::uint64_t predicted = 0;  // images predicted as it
  std::uint64_t correct = 0;
  std::optional<double> precision, recall, f1;
  std::optional<double> auc;  // one against the rest; of two classes the same for both
};
// For the terminal ("0.8792") and for JSON: "-" and null where the figure is not defined.
std::string figure_text(const std::optional<double>& figure);
Json figure_json(const std::optional<double>& figure);

// The most probable class, of equals the first: of two classes at exactly .5 too.
std::size_t predicted_class(std::span<const float> probabilities);

struct EvaluatedImage {
  std::string file;
  std::uint32_t label = 0;
  std::uint32_t predicted = 0;
  float probability = 0.0F;  // of the predicted class
};
struct Evaluation {
  std::uint64_t count = 0;  // images, at least one
  std::uint64_t correct = 0;
  double accuracy = 0.0;
  Interval accuracy_95;            // Wilson's interval
  double baseline_accuracy = 0.0;  // of always answering the largest class
  std::string largest_class;
  double log_loss = 0.0;           // mean cross-entropy of the logits
  double balanced_accuracy = 0.0;  // mean recall, of the classes that have one
  double macro_f1 = 0.0;           // mean F1, of the classes that have one
  std::optional<double> auc;       // mean AUC, of the classes that have one
  // Of two classes: the probability of the second above which to predict it, chosen on these images.
  std::optional<Threshold> best_threshold;
  std::vector<ClassReport> classes;
  std::vector<std::vector<std::uint64_t>> confusion;  // [true class][predicted class]
  std::vector<EvaluatedImage> ranked;                 // all, most confident first
  std::vector<EvaluatedImage> mistakes;               // those that are wrong
};

// probabilities: rows × classes. The most probable class is predicted, of equals the first. log_loss
// is the loss of `totals`. Throws Error(usage) without images and when the sizes do not fit each
// other, Error(data) for a label without a class and a probability that is not finite.
Evaluation summarise(const Totals& totals, std::span<const float> probabilities,
                     std::span<const std::uint32_t> labels, std::span<const std::string> files,
                     std::span<const std::string> classes);
// Text for the terminal: the figures, those of each class, the confusion matrix (above 12 classes
// the pairs that are most often confused), the most confident mistakes.
std::string evaluation_table(const Evaluation& evaluation, std::size_t mistakes_shown);
// {"images", "accuracy", "accuracy_95": [low, high], "baseline_accuracy", "largest_class",
//  "balanced_accuracy", "macro_f1", "auc", "log_loss",
//  "best_threshold": {"threshold", "balanced_accuracy", "chosen_on": "validation"},
//  "classes": [{"name", "images", "predicted", "correct", "precision", "recall", "f1", "auc"}],
//  "confusion": [true][predicted], "mistakes": [{"file", "class", "predicted", "probability"}],
//  "least_certain": up to 20 of the same, least certain first,
//  "most_confused": up to 30 pairs [{"class", "predicted", "images"}], most frequent first}
// A figure that is not defined is null, and so is best_threshold of more than two classes.
Json evaluation_values(const Evaluation& evaluation);
std::string evaluation_json(const Evaluation& evaluation);

// The page report.html: what was trained on what, how well it classifies the validation photos, and
// which of them it gets wrong. One file without outside references. It holds no date, duration, host
// or complete path (but those that a list of photos gives), so that the same run gives the same bytes.
// All is borrowed.
struct PageInput {
  const Config& config;
  const History& history;                          // of at least one epoch
  std::span<const std::uint32_t> training_labels;  // of photos
  // Of the validation photos, as summarise took them.
  const Evaluation& evaluation;
  std::span<const float> probabilities;
  std::span<const std::uint32_t> labels;
  std::filesystem::path photos;  // of validation; one that cannot be read is shown in words
};
std::string report_page(const PageInput& input);

}  // namespace graft
