#pragma once
// The start of a job: the device is made ready while the folders are read. Loading CUDA's libraries
// and making its context takes seconds.

#include <functional>
#include <memory>
#include <stop_token>

#include "engine/backend/backend.h"
#include "engine/base/observer.h"
#include "engine/job/job.h"

namespace graft {

// Reads with this observer and this stop token. Empty: nothing is read.
using Reading = std::function<void(Observer&, std::stop_token)>;

// Runs `make` on this thread, and `read` on one of its own. Messages and errors come as if one ran
// after the other: what `read` tells its observer is passed on, on this thread, once `make` is done. An
// error of `make` stops `read`, and is thrown rather than one of `read`. Both have ended when this
// returns.
void make_while_reading(const std::function<void()>& make, const Reading& read, Observer& observer,
                        const std::stop_token& stop);

// Makes the config's backend, notes the device, what the backbone is on it, and the weights, and calls
// the hook; while `read` runs.
std::unique_ptr<Backend> start_backend(const Config& config, const JobHooks& hooks,
                                       Observer& observer, const std::stop_token& stop,
                                       const Reading& read);

// The config's backbone on this device: nothing is "auto".
BackboneOptions backbone_options_on(const Backend& backend, const Config& config);

}  // namespace graft
