#include "engine/head/training.h"

#include <algorithm>
#include <utility>

#include "engine/base/error.h"
#include "engine/head/normalize.h"
#include "engine/head/set_checks.h"

namespace graft {
namespace {

// One for each class; empty: all are 1.
std::vector<float> class_weights(const ClassWeights& weights, const LabelledFeatures& set,
                                 const std::vector<std::uint32_t>& photos) {
  if (weights.kind == ClassWeights::Kind::none) return {};
  check_class_weights(weights, set.classes);
  std::vector<float> result(set.classes.size(), 1.0F);
  if (weights.kind == ClassWeights::Kind::balanced) {
    std::vector<std::size_t> counts(result.size());
    for (const std::uint32_t photo : photos) ++counts[set.labels[photo]];
    const auto share = static_cast<double>(photos.size()) / static_cast<double>(result.size());
    for (std::size_t c = 0; c < result.size(); ++c) {
      if (counts[c] > 0) result[c] = static_cast<float>(share / static_cast<double>(counts[c]));
    }
  }
  for (const auto& [name, weight] : weights.given) {
    const auto found = std::ranges::find(set.classes, name);
    result[static_cast<std::size_t>(found - set.classes.begin())] = static_cast<float>(weight);
  }
  return result;
}

// A feature map is one group, whatever its size.
std::vector<FeatureGroup> groups_of(const LabelledFeatures& set, const Config& config) {
  const FeatureSource& source = config.features.source;
  std::vector<FeatureGroup> groups = {{source.layers.back(), Pooling::none, 0, set.shape.count()}};
  if (source.pooling != Pooling::none || set.shape.pooled) {
    groups = vgg16_feature_groups(config.data.image_size, source);
  }
  const std::size_t columns = groups.back().first + groups.back().columns;
  if (columns == set.shape.count() && set.views == config.data.views.size()) return groups;
  throw Error(ErrorKind::data,
              "The features have {} x {} values an image, and data.views, features.layers and "
              "features.pooling stand for {} x {}; run `graft extract`.",
              set.views, set.shape.count(), config.data.views.size(), columns);
}

std::vector<std::uint32_t> rows_of(const std::vector<std::uint32_t>& photos, std::size_t views) {
  std::vector<std::uint32_t> rows(photos.size() * views);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = static_cast<std::uint32_t>(photos[i / views] * views + i % views);
  }
  return rows;
}

}  // namespace

Training::Training(const RunContext& context, const LabelledFeatures& set,
                   const std::vector<std::uint32_t>& photos, const LabelledFeatures& validation,
                   const Config& config)
    : context_(context),
      set_(set),
      validation_(validation),
      config_(config),
      groups_(groups_of(set, config)),
      rows_(rows_of(photos, set.views)),
      batches_per_epoch_((rows_.size() + config.train.batch_size - 1) / config.train.batch_size),
      options_(head_options(config, set.shape.count(), set.classes.size())) {
  options_.class_weights = class_weights(config.train.class_weights, set, photos);
  if (config.train.optimizer.schedule == Schedule::linear) options_.steps = batches();
  head_ = context.backend.make_head(options_);
}

void Training::begin() {
  const TraceSpan span(context_.tracer, "normalize");
  state_.normalization =
      normalization_of(config_.features.normalize, set_.features, rows_, groups_);
  state_.head = initial_head_state(options_);
}

// Once, before the first epoch: a finished run needs none of them.
void Training::load() {
  if (std::exchange(loaded_, true)) return;
  head_->set_state(state_.head);
  head_->set_training_data(set_.features, set_.labels, state_.normalization);
  head_->set_validation_data(validation_.features, validation_.labels);
}

std::optional<Totals> Training::train_epoch(std::size_t epoch,
                                            const std::function<void(std::size_t)>& advance) {
  load();
  std::vector<std::uint32_t> order = epoch_order(rows_.size(), options_.seed, epoch);
  for (std::uint32_t& row : order) row = rows_[row];
  const std::size_t first = epoch * batches_per_epoch_;
  head_->begin_epoch(order, first);
  for (std::size_t step = first; step < first + batches_per_epoch_; ++step) {
    if (context_.stop.stop_requested()) return std::nullopt;
    const TraceSpan span(context_.tracer, "step", step);
    head_->train_step();
    advance(step + 1);
  }
  const TraceSpan span(context_.tracer, "wait for the losses", epoch + 1);
  return head_->take_totals();
}

std::vector<DenseParameters> Training::parameters() const {
  return folded(state_.head.parameters, state_.normalization);
}

// The head computes with the parameters that are saved, so that what is measured here is what a reader
// of the file measures.
Totals Training::evaluate(std::span<float> probabilities) {
  state_.head = {};  // so that two states are never held at once
  state_.head = head_->state();
  const bool is_folded = !state_.normalization.scale.empty();
  if (is_folded) head_->set_state({parameters(), {}});
  const Totals totals = head_->evaluate();
  if (!probabilities.empty()) head_->predict(validation_.features, probabilities);
  if (is_folded) head_->set_state(state_.head);
  return totals;
}

}  // namespace graft
