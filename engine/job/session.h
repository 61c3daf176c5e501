#pragma once
// What the steps of a job share: the device, the frozen network, which is made at its first use, and
// the evaluation.

#include <algorithm>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "engine/backend/run_context.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/features/features.h"
#include "engine/features/key.h"
#include "engine/features/pipeline.h"
#include "engine/job/job.h"
#include "engine/job/start.h"
#include "engine/weights/vgg16_weights.h"

namespace graft {

inline Vgg16Weights read_weights(const Config& config, const std::stop_token& stop) {
  const std::filesystem::path& file = config.backbone.weights;
  std::error_code failure;
  if (!std::filesystem::exists(file, failure) && !failure) {
    throw Error(
        ErrorKind::io,
        "there is no weights file {}; tools/fetch_weights.sh downloads VGG16's ImageNet weights",
        shown(file));
  }
  if (file.parent_path() == config.cache &&
      (others_can_write(file) || others_can_write(config.cache))) {
    throw Error(ErrorKind::io,
                "{} is not used, because other users can write it or its folder; run `chmod go-w` "
                "on both, or fetch it again",
                shown(file));
  }
  return load_vgg16_weights(file, stop);
}

class Session {
 public:
  // See start_backend(). `config` and `observer` are borrowed.
  Session(const Config& config, const JobHooks& hooks, Observer& observer, std::stop_token stop,
          const Reading& read = {})
      : config_(config),
        backend_(start_backend(config, hooks, observer, stop, read)),
        context_{*backend_, observer, hooks.tracer, std::move(stop)},
        options_(backbone_options_on(*backend_, config)) {}

  const Config& config() const { return config_; }
  const RunContext& context() const { return context_; }
  Backend& backend() { return *backend_; }

  // Read once.
  const Vgg16Weights& weights() {
    return weights_ ? *weights_ : weights_.emplace(read_weights(config_, context_.stop));
  }

  // Backend::numerics of the backbone. Chooses its plans.
  std::string numerics() {
    std::string numerics = backend_->numerics(options_);
    note_warnings();
    return numerics;
  }

  // Made once.
  Backbone& backbone() {
    if (!backbone_) {
      backbone_ = backend_->make_backbone(weights(), options_);
      note_warnings();
    }
    return *backbone_;
  }

  // Frees its memory on the device.
  void free_backbone() { backbone_.reset(); }

  PipelineOptions pipeline_options() const {
    return {config_.data, options_.batch_size, backend_->host_threads(), config_.pipeline.depth,
            config_.features.source};
  }

 private:
  void note_warnings() {
    for (const std::string& warning : backend_->take_warnings()) context_.observer.note(warning);
  }

  const Config& config_;
  const std::unique_ptr<Backend> backend_;
  const RunContext context_;
  const BackboneOptions options_;
  std::optional<Vgg16Weights> weights_;
  std::unique_ptr<Backbone> backbone_;
};

// Throws Error(usage) unless the head was trained on features with this key. Their
// arithmetic may differ.
void check_key(const FinishedRun& run, const FeatureKey& now);

// A head's answers for a set with the head's classes.
struct Answers {
  Evaluation evaluation;
  std::vector<float> probabilities;  // photos × classes
};
Answers judge(Session& session, const TrainedHead& trained, const LabelledFeatures& set);

// The features of a set, and what differs between that which made them and that which is asked for
// now; of weights the content counts. Empty: nothing.
inline std::pair<FeatureSet, std::string> open_stored(Session& session, const std::string& name) {
  const Config& config = session.config();
  FeatureSet set =
      FeatureSet::open(config.output / "features", name, config.features.memory_budget_mib << 20U);
  std::string change = describe_settings_change(set.settings(), feature_settings(config));
  if (change.empty()) {
    const std::pair<std::string, std::string> weights("weights", session.weights().digest.hex());
    const bool are_the_same = std::ranges::count(set.key().settings, weights) > 0;
    if (!are_the_same) change = "the content of backbone.weights changed";
  }
  return {std::move(set), std::move(change)};
}

}  // namespace graft
