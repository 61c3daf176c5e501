#pragma once
// The training loop behind train_head, on plain views: what it needs of a FeatureSet.

#include <filesystem>
#include <span>
#include <stop_token>
#include <string>

#include "engine/backend/backend.h"
#include "engine/base/digest.h"
#include "engine/base/observer.h"
#include "engine/base/trace.h"
#include "engine/config/config.h"
#include "engine/features/key.h"
#include "engine/head/history.h"

namespace graft {

// One set of rows, borrowed.
struct LabelledFeatures {
  FeatureView features;
  std::span<const std::uint32_t> labels;
  std::span<const std::string> classes;
  std::span<const std::string> files;
  FeatureShape shape;
  Digest fingerprint;
  FeatureKey key;
};

// As train_head (trainer.h).
History train_on(Backend& backend, const LabelledFeatures& train,
                 const LabelledFeatures& validation, const Config& config,
                 const std::filesystem::path& output, Observer& observer, std::stop_token stop,
                 Tracer* tracer = nullptr);

}  // namespace graft
