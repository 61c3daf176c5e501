#pragma once
// Image files to features, in three stages that run at the same time with bounded queues between:
//   decoders (threads of their own, which step back for those that compute): read, check the
//                                    digest, decode, resize into a batch slot
//   backbone (the calling thread):   batches in order, several under way where the device wants it
//   sink (the calling thread or one of its own): takes finished batches in order
// A batch slot is taken by the decoders, and given back by the sink: memory does not grow with the
// number of images, and a slow stage holds the others back.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/base/digest.h"
#include "engine/base/trace.h"
#include "engine/config/config.h"

namespace graft {

struct PipelineRequest {
  std::size_t images = 0;
  std::function<std::filesystem::path(std::size_t image)> path;
  // The digest that the file must still have; a file that changed, or is gone, then ends the run.
  // Without this function a file that cannot be read is a bad image.
  std::function<Digest(std::size_t image)> content;
  DataConfig data;
  FeatureShape shape;
  std::size_t batch_size = 32;
  std::size_t decode_threads = 1;
  std::size_t depth = 0;           // batches under way at once; 0: Backend::batches_in_flight()
  bool stop_at_bad_image = false;  // else it is passed to the sink
  // Who is told of each photo (by the image), batch (by its number) and wait, and how many batches
  // wait for the backbone and for the sink's thread; borrowed, may be null.
  Tracer* tracer = nullptr;
};

struct BadImageOf {
  std::size_t image = 0;
  std::string reason;
};

struct FeatureBatch {
  std::vector<std::size_t> images;  // of each row, ascending
  std::vector<BadImageOf> bad;      // ascending; these have no row
  FeatureView features;
};

enum class SinkThread { calling, own };

// The slots that go round: one is being decoded and one is being written while the device has its
// own.
constexpr std::size_t pipeline_slots(std::size_t batches_in_flight) {
  return batches_in_flight + 2;
}

// Throws Error(device) when the machine cannot hold the slots. run_pipeline checks it too.
void check_pipeline_memory(const PipelineRequest& request, const Backend& backend);

// Passes every image to `sink`, in order, and calls `progress` on the calling thread with the
// number of images done. Throws the first failure of any stage; all images before a failing one
// have reached the sink then. On stop: the batches under way reach the sink, then
// Error(interrupted).
void run_pipeline(const PipelineRequest& request, Backend& backend, Backbone& backbone,
                  const std::function<void(const FeatureBatch&)>& sink, SinkThread sink_thread,
                  const std::function<void(std::size_t images)>& progress, std::stop_token stop);

}  // namespace graft
