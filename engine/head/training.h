#pragma once
// Training of one head in memory: epochs over the rows of some photos. `graft train` and
// `graft crossvalidate` use it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/run_context.h"
#include "engine/config/config.h"
#include "engine/head/checkpoint.h"
#include "engine/head/trainer.h"

namespace graft {

class Training {
 public:
  // Trains on these photos of `set`, which passes check_sets with `validation`. Throws Error(usage)
  // for a class weight of no class, Error(data) for features that are not the config's. All but
  // `photos` is borrowed.
  Training(const RunContext& context, const LabelledFeatures& set,
           const std::vector<std::uint32_t>& photos, const LabelledFeatures& validation,
           const Config& config);

  const HeadOptions& options() const { return options_; }
  std::size_t batches() const { return config_.train.epochs * batches_per_epoch_; }

  // One of both before the first epoch: the state before any, or a checkpoint's.
  void begin();
  void resume(TrainingState state) { state_ = std::move(state); }
  // Trains the epoch (0, 1, …) and returns its totals; nothing when it was asked to stop. `advance`
  // receives the number of batches that are done, from the first epoch on, after each of them.
  std::optional<Totals> train_epoch(std::size_t epoch,
                                    const std::function<void(std::size_t)>& advance);
  // The state when training was last evaluated, or before it. Another thread may read it, and
  // parameters(), while an epoch trains, but not during evaluate.
  const TrainingState& state() const { return state_; }

  // Takes the state after the last epoch, and evaluates the head that parameters() are over the
  // validation photos. Also writes the probabilities where they are wanted: photos × classes.
  Totals evaluate(std::span<float> probabilities = {});
  // For features that are not normalised.
  std::vector<DenseParameters> parameters() const;

 private:
  void load();

  const RunContext& context_;
  const LabelledFeatures& set_;
  const LabelledFeatures& validation_;
  const Config& config_;
  std::vector<FeatureGroup> groups_;
  std::vector<std::uint32_t> rows_;  // of the photos
  std::size_t batches_per_epoch_;
  HeadOptions options_;
  std::unique_ptr<Head> head_;
  TrainingState state_;
  bool loaded_ = false;
};

}  // namespace graft
