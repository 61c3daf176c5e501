#pragma once
// What the steps of a job have in common: the output folder that is this run's alone, and the
// device with the frozen network on it, made when first asked for.

#include <cstddef>
#include <memory>
#include <optional>

#include "engine/backend/backend.h"
#include "engine/base/file.h"
#include "engine/base/observer.h"
#include "engine/config/config.h"
#include "engine/job/job.h"
#include "engine/weights/vgg16_weights.h"

namespace graft {

// What the config says of the backbone; batch_size 0 is still to be decided.
BackboneOptions backbone_options(const Config& config);

// Creates config.output and holds its lock; then calls the hook.
class OutputFolder {
 public:
  OutputFolder(const Config& config, const JobHooks& hooks);

 private:
  FolderLock lock_;
};

class Session {
 public:
  enum class Uses { backbone, head_only };
  // Makes the backend, notes the device and the weights that it uses, and calls the hook. `config`
  // and `observer` are borrowed.
  Session(const Config& config, const JobHooks& hooks, Observer& observer,
          Uses uses = Uses::backbone);

  Backend& backend() { return *backend_; }
  const Vgg16Weights& weights();  // read once
  // How the backbone is to be made for a set of `images` at most. The first call decides "auto",
  // and notes what it decided.
  const BackboneOptions& backbone_options(std::size_t images);
  // Made once, and as the options say that were asked for before.
  Backbone& backbone();
  // Gives the memory that it takes on the device back.
  void free_backbone() { backbone_.reset(); }

 private:
  const Config& config_;
  Observer& observer_;
  std::unique_ptr<Backend> backend_;
  std::optional<Vgg16Weights> weights_;
  std::optional<BackboneOptions> options_;
  std::unique_ptr<Backbone> backbone_;
};

}  // namespace graft
