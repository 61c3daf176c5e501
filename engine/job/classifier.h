#pragma once
// A trained head at work: on stored features, and on photos whose features are computed for it and
// not stored.

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/features/key.h"
#include "engine/head/trainer.h"
#include "engine/job/job.h"
#include "engine/job/session.h"

namespace graft {

std::unique_ptr<Head> ready_head(Session& session, const TrainedHead& trained);

// Throws Error(usage) that ends in `advice` unless the head was trained on features with this key.
void check_key(const FinishedRun& run, const FeatureKey& now, const std::string& advice);

struct Photos {
  std::size_t count = 0;
  std::function<std::filesystem::path(std::size_t photo)> path;
  std::function<Digest(std::size_t photo)> content;  // as PipelineRequest::content
  bool stop_at_bad = false;
  std::function<void()> begin;  // called before the first image is read
  // Both in the order of the photos. The rows are those of all views of these photos.
  std::function<void(std::span<const std::size_t> photos, FeatureView rows)> good;
  std::function<void(std::size_t photo, const std::string& reason)> bad;
};
// Computes the features of photos with a head that `check_key` accepts, else throws with `advice`.
void compute_features(Session& session, const FinishedRun& run, const Photos& photos,
                      const std::string& advice);

// A head's answers for a set with the head's classes.
struct Answers {
  Evaluation evaluation;
  std::vector<float> probabilities;  // photos × classes
};
Answers judge(Session& session, const TrainedHead& trained, const LabelledFeatures& set);

}  // namespace graft
