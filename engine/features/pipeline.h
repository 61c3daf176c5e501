#pragma once
// Image files to features, in three stages that run at the same time with bounded queues between.
//   decoders (own threads of low priority): take kept bytes, or read and check the digest; decode,
//                                           resize into a batch slot
//   backbone (the calling thread):          batches in order, several in flight on a device
//   sink (the calling thread or its own):   receives finished batches in order
// Decoders take a batch slot and the sink returns it. So memory does not grow with the number of
// images, and a slow stage holds the others back.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/run_context.h"
#include "engine/base/digest.h"
#include "engine/config/config.h"
#include "engine/dataset/kept_files.h"
#include "engine/vgg16/vgg16.h"

namespace graft {

// How images become features, for extraction and for prediction.
struct PipelineOptions {
  DataConfig data;
  std::size_t batch_size = 32;
  std::size_t decode_threads = 1;
  std::size_t depth = 0;  // batches in flight; 0: Backend::batches_in_flight()
  FeatureSource source = {};

  FeatureShape shape() const { return vgg16_feature_shape(data.image_size, source); }
};

// Features of consecutive images.
struct FeatureBatch {
  std::size_t first = 0;                 // the batch's first image
  std::vector<std::string> bad_reasons;  // of each image; empty: a good one, which has a row
  FeatureView features;                  // rows of the good images, in order
};

enum class SinkThread { calling, own };

struct PipelineRequest {
  PipelineOptions options;
  std::size_t images = 0;
  std::function<std::filesystem::path(std::size_t image)> path;
  // What is computed of the file; without this function the original. Images that follow each other
  // and have one path are decoded once.
  std::function<View(std::size_t image)> view;
  // The digest that the file must still have; a file that changed ends the run.
  std::function<Digest(std::size_t image)> content;
  // Its files are not read again; the first batch with a file takes it. Needs `content`.
  KeptFiles* kept = nullptr;
  bool stop_at_bad_image = false;  // else the sink receives it
  bool unreadable_is_bad = false;  // whether a file that cannot be read is a bad image
  std::function<void(const FeatureBatch&)> sink;
  SinkThread sink_thread = SinkThread::calling;
  std::function<void(std::size_t images)> progress;  // on the calling thread; may be empty
};

// Slots in circulation: the device's, one being decoded and one being written.
constexpr std::size_t pipeline_slots(std::size_t batches_in_flight) {
  return batches_in_flight + 2;
}

// Throws Error(device) when the machine cannot hold the slots. run_pipeline checks it too.
void check_pipeline_memory(const PipelineRequest& request, const Backend& backend);

// Passes every image to the sink, in order. Throws the first failure of any stage; all images
// before a failing one have reached the sink then. On stop, the batches in flight reach the sink,
// then it throws Error(interrupted). The tracer receives each photo (by image), batch and wait, and
// how many batches wait for the backbone and for the sink's thread. After the last image the observer
// receives the warnings of decoders (Image::warning), each once.
void run_pipeline(const PipelineRequest& request, const RunContext& context, Backbone& backbone);

}  // namespace graft
