// Features of images that need not be kept.

#include <utility>

#include "engine/features/features.h"
#include "engine/features/pipeline.h"

namespace graft {

void stream_features(
    const PredictionRequest& request, Backend& backend, Backbone& backbone,
    const std::function<void(std::span<const std::size_t> files, FeatureView)>& batch,
    const std::function<void(std::size_t file, const std::string& reason)>& bad,
    std::stop_token stop) {
  PipelineRequest pipeline;
  pipeline.images = request.files.size();
  pipeline.path = [&](std::size_t i) { return request.root / request.files[i]; };
  pipeline.data = request.data;
  pipeline.shape = vgg16_feature_shape(request.data.image_size);
  pipeline.batch_size = request.batch_size;
  pipeline.decode_threads = request.decode_threads;
  pipeline.depth = request.pipeline_depth;
  const auto sink = [&](const FeatureBatch& done) {
    for (const BadImageOf& one : done.bad) bad(one.image, one.reason);
    if (!done.images.empty()) batch(done.images, done.features);
  };
  run_pipeline(
      pipeline, backend, backbone, sink, SinkThread::calling, [](std::size_t) {}, std::move(stop));
}

}  // namespace graft
