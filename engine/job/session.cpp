#include "engine/job/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {

Session::Session(const Config& config, const JobHooks& hooks, Observer& observer,
                 std::stop_token stop, Uses uses)
    : config_(config),
      backend_(make_backend(config.device, config.threads,
                            [&](const std::string& sentence) { observer.note(sentence); })),
      context_{*backend_, observer, hooks.tracer, std::move(stop)} {
  observer.note(
      fmt::format("device: {}{}{}", backend_->description(),
                  config.device == "auto" ? " (chosen by \"auto\")" : "",
                  uses == Uses::backbone ? "; weights: " + shown(config.backbone.weights) : ""));
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
                            shown(file)));
  }
  return weights_.emplace(load_vgg16_weights(file));
}

const BackboneOptions& Session::backbone_options(std::size_t images) {
  if (options_) return *options_;
  BackboneOptions options = graft::backbone_options(config_);
  if (config_.backbone.batch_size == 0) {
    // A power of two, as the backend's answer is: a few images more or less do not change it, and
    // with it the key of the features.
    options.batch_size = std::bit_floor(std::max<std::size_t>(images, 1));
    options.batch_size = std::min(options.batch_size, backend_->largest_batch(options));
    context_.observer.note(fmt::format("batch size: {} (chosen by \"auto\")", options.batch_size));
  }
  return options_.emplace(std::move(options));
}

Backbone& Session::backbone() {
  if (!backbone_) {
    backbone_ = backend_->make_backbone(weights(), known_options());
    for (const std::string& warning : backend_->take_warnings()) context_.observer.note(warning);
  }
  return *backbone_;
}

PipelineOptions Session::pipeline_options() const {
  return {config_.data, known_options().batch_size, backend_->host_threads(),
          config_.pipeline.depth, config_.features.source};
}

const BackboneOptions& Session::known_options() const {
  if (!options_) throw std::logic_error("the backbone's options are not decided yet");
  return *options_;
}

}  // namespace graft
