#pragma once
// What the steps of a job share: the device, and the frozen network, which is made at its first use.

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>

#include "engine/backend/backend.h"
#include "engine/backend/run_context.h"
#include "engine/config/config.h"
#include "engine/features/pipeline.h"
#include "engine/job/job.h"
#include "engine/weights/vgg16_weights.h"

namespace graft {

class Session {
 public:
  enum class Uses { backbone, head_only };
  // Makes the backend, notes the device and the weights that it uses, and calls the hook. `config`
  // and `observer` are borrowed.
  Session(const Config& config, const JobHooks& hooks, Observer& observer, std::stop_token stop,
          Uses uses = Uses::backbone);

  const Config& config() const { return config_; }
  const RunContext& context() const { return context_; }
  Backend& backend() { return *backend_; }

  // Read once.
  const Vgg16Weights& weights();
  // The backbone's options for a set of at most `images`. The first call decides "auto" and notes
  // the decision.
  const BackboneOptions& backbone_options(std::size_t images);
  // Made once, with the options of the call before.
  Backbone& backbone();
  // Frees its memory on the device.
  void free_backbone() { backbone_.reset(); }
  PipelineOptions pipeline_options() const;

 private:
  // Throws std::logic_error before backbone_options().
  const BackboneOptions& known_options() const;

  const Config& config_;
  const std::unique_ptr<Backend> backend_;
  const RunContext context_;
  std::optional<Vgg16Weights> weights_;
  std::optional<BackboneOptions> options_;
  std::unique_ptr<Backbone> backbone_;
};

}  // namespace graft
