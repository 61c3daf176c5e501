#include "engine/job/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <utility>

#include "engine/base/error.h"

namespace graft {

namespace {

FolderLock locked(const std::filesystem::path& folder) {
  make_folder(folder);
  return FolderLock(folder);
}

}  // namespace

BackboneOptions backbone_options(const Config& config) {
  BackboneOptions options;
  options.image_size = config.data.image_size;
  options.preprocess = config.data.preprocess;
  options.batch_size = config.backbone.batch_size;
  options.precision = config.backbone.precision;
  options.autotune = config.backbone.autotune;
  options.algorithm = config.backbone.algorithm;
  options.cache = config.cache;
  return options;
}

OutputFolder::OutputFolder(const Config& config, const JobHooks& hooks)
    : lock_(locked(config.output)) {
  if (hooks.folder_locked) hooks.folder_locked();
}

Session::Session(const Config& config, const JobHooks& hooks, Observer& observer, Uses uses)
    : config_(config),
      observer_(observer),
      backend_(make_backend(config.device, config.threads,
                            [&](const std::string& sentence) { observer.note(sentence); })) {
  observer.note(
      fmt::format("device: {}{}{}", backend_->description(),
                  config.device == "auto" ? " (chosen by \"auto\")" : "",
                  uses == Uses::backbone ? "; weights: " + config.backbone.weights.string() : ""));
  backend_->set_tracer(hooks.tracer);
  if (hooks.backend_made) hooks.backend_made(*backend_);
}

const Vgg16Weights& Session::weights() {
  if (weights_) return *weights_;
  const std::filesystem::path& file = config_.backbone.weights;
  std::error_code failure;
  if (!std::filesystem::exists(file, failure)) {
    throw Error(ErrorKind::io,
                fmt::format("there is no weights file {}; tools/fetch_weights.sh downloads VGG16's "
                            "ImageNet weights",
                            file.string()));
  }
  return weights_.emplace(load_vgg16_weights(file));
}

const BackboneOptions& Session::backbone_options(std::size_t images) {
  if (options_) return *options_;
  BackboneOptions options = graft::backbone_options(config_);
  if (config_.backbone.batch_size == 0) {
    // A power of two, as the backend's answer is: a few images more or less next time do not change
    // it, and with it what the features are known by.
    options.batch_size = std::bit_floor(std::max<std::size_t>(images, 1));
    options.batch_size = std::min(options.batch_size, backend_->largest_batch(options));
    observer_.note(fmt::format("batch size: {} (chosen by \"auto\")", options.batch_size));
  }
  return options_.emplace(std::move(options));
}

Backbone& Session::backbone() {
  if (!options_) throw std::logic_error("the backbone's options were not asked for");
  if (!backbone_) {
    backbone_ = backend_->make_backbone(weights(), *options_);
    for (const std::string& remark : backend_->take_remarks()) observer_.note(remark);
  }
  return *backbone_;
}

}  // namespace graft
