#include "engine/job/session.h"

#include <fmt/format.h>

namespace graft {

namespace {

FolderLock locked(const std::filesystem::path& folder) {
  make_folder(folder);
  return FolderLock(folder);
}

}  // namespace

OutputFolder::OutputFolder(const Config& config, const JobHooks& hooks)
    : lock_(locked(config.output)) {
  if (hooks.folder_locked) hooks.folder_locked();
}

Session::Session(const Config& config, Observer& observer)
    : config_(config), observer_(observer), backend_(make_backend(config.device, config.threads)) {
  observer.note(fmt::format("device: {}{}", backend_->description(),
                            config.device == "auto" ? " (chosen by \"auto\")" : ""));
}

const Vgg16Weights& Session::weights() {
  if (!weights_) {
    weights_ = load_vgg16_weights(config_.backbone.weights);
    observer_.note(
        fmt::format("weights: {} ({})", config_.backbone.weights.string(), weights_->source));
  }
  return *weights_;
}

Backbone& Session::backbone() {
  if (!backbone_) {
    BackboneOptions options;
    options.image_size = config_.data.image_size;
    options.preprocess = config_.data.preprocess;
    options.batch_size = config_.backbone.batch_size;
    backbone_ = backend_->make_backbone(weights(), options);
  }
  return *backbone_;
}

}  // namespace graft
