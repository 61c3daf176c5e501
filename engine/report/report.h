#pragma once
// The results of a run for people: the curves, and the mistakes of the classifier.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/head/history.h"

namespace graft {

// Loss and accuracy, training and validation, over the epochs: one SVG without scripts or outside
// fonts, readable in black and white (line styles differ) and on a dark page (its own background).
// Throws Error(usage) for a history that is empty or has a number that is not finite.
std::string curves_svg(const History& history, const std::string& title);

struct ClassReport {
  std::string name;
  std::uint64_t count = 0;
  std::uint64_t correct = 0;
};
struct Evaluation {
  double loss = 0.0;
  double accuracy = 0.0;
  std::vector<std::string> classes;
  std::vector<std::vector<std::uint64_t>> confusion;  // [true class][predicted class]
  struct Mistake {
    std::string file;
    std::uint32_t label = 0;
    std::uint32_t predicted = 0;
    float probability = 0.0F;  // of the predicted class
  };
  std::vector<Mistake> mistakes;  // most confident first
};

// probabilities: rows × classes. Binary: predicted 1 when p > .5 (exactly .5 is class 0); else
// argmax. The accuracy is that of these predictions, the loss that of `totals`. Throws Error(usage)
// when the sizes do not fit each other, Error(data) for a probability that is not finite.
Evaluation summarise(const Totals& totals, std::span<const float> probabilities,
                     std::span<const std::uint32_t> labels, std::span<const std::string> files,
                     std::span<const std::string> classes);
// Images and correct predictions of each class: the row sums and the diagonal of the confusion
// matrix.
std::vector<ClassReport> class_reports(const Evaluation& evaluation);
// A table for the terminal: accuracy, recall per class, confusion matrix (above 12 classes the
// pairs that are most often confused), the most confident mistakes.
std::string evaluation_table(const Evaluation& evaluation, std::size_t mistakes_shown);
// {"loss", "accuracy", "classes": [{"name", "images", "correct", "recall"}],
//  "confusion": [true][predicted], "mistakes": [{"file", "class", "predicted", "probability"}]}
std::string evaluation_json(const Evaluation& evaluation);

}  // namespace graft
