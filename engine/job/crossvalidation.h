#pragma once
// k-fold cross-validation of a config, in memory: how far the figures of one run can be trusted.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/backend/run_context.h"
#include "engine/config/config.h"
#include "engine/dataset/dataset.h"
#include "engine/head/trainer.h"

namespace graft {

// The fold of each photo, below `folds`. The different digests of each class, in their order, are
// dealt round: of a class, two folds differ by at most one. Photos of one digest are in one fold, also
// where their labels differ; the first label counts. Throws Error(data) when a class has fewer
// different photos than there are folds.
std::vector<std::size_t> stratified_folds(std::span<const std::uint32_t> labels,
                                          std::span<const Digest> contents,
                                          std::span<const std::string> classes, std::size_t folds);

// Throws what stratified_folds throws for these photos.
void check_folds(const Datasets& sets, std::size_t folds);

struct CrossValidation {
  static constexpr std::array<std::string_view, 4> names = {"accuracy", "balanced_accuracy", "auc",
                                                            "loss"};
  using Figures = std::array<std::optional<double>, names.size()>;
  struct Fold {
    std::size_t number;  // from 1
    std::uint64_t seed;
    std::size_t images;  // that the others were not trained on
    Figures figures;     // after the last epoch; AUC: Evaluation::auc
  };
  std::vector<Fold> folds;
};

// Trains once for each seed (config.seed, config.seed + 1, …) and fold on the photos of all other
// folds, of both sets, and evaluates the fold's. Throws Error(device) when memory does not hold the
// features of all photos.
CrossValidation crossvalidate(const RunContext& context, const LabelledFeatures& train,
                              const LabelledFeatures& validation, const Config& config,
                              std::size_t folds, std::size_t seeds);

// Both with the mean and the standard deviation (n - 1) of each figure, over all folds and seeds.
std::string crossvalidation_table(const CrossValidation& result);
// {"folds": [{"fold", "seed", "images", "accuracy", "balanced_accuracy", "auc", "loss"}],
//  "mean": {"accuracy", …}, "deviation": {…}, "config": {…}}. A figure that is not defined is null.
std::string crossvalidation_json(const CrossValidation& result, const Config& config);

}  // namespace graft
