#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <thread>

#include "bench/cases/backend_suites.h"
#include "bench/cases/photos.h"
#include "bench/cases/stage_times.h"
#include "bench/cases/timed.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/observer.h"
#include "engine/features/features.h"
#include "engine/image/image.h"
#include "engine/vgg16/vgg16.h"

namespace graft::bench {
namespace {

// Enough for the stages to overlap most of the time.
constexpr std::size_t batches_in_sample = 4;
constexpr std::size_t least_photos = 64;

// `count` photos as one class, repeated where the folder has fewer.
Dataset dataset_of(const BenchSetup& setup, std::size_t count) {
  Dataset dataset;
  dataset.root = photos_folder(setup);
  dataset.classes = {"photos"};
  const std::vector<std::string> files = photo_files(dataset.root);
  const std::size_t different = std::min(count, files.size());
  std::vector<Digest> contents;
  for (std::size_t i = 0; i < different; ++i)
    contents.push_back(digest_of(read_file(dataset.root / files[i], maximum_image_file_bytes)));
  for (std::size_t i = 0; i < count; ++i)
    dataset.samples.push_back({files[i % different], 0, contents[i % different]});
  return dataset;
}

class PipelineSubject final : public Subject {
 public:
  PipelineSubject(const SuiteContext& context, const BackboneOptions& options, std::size_t photos)
      : context_(context),
        dataset_(dataset_of(context.setup, photos)),
        backbone_(context.backend.make_backbone(context.weights(), options)) {
    request_.folder = context.setup.scratch() / "features";
    request_.sets = {{"bench", &dataset_}};
    request_.pipeline = {context.setup.config.data, options.batch_size,
                         context.backend.host_threads(), context.setup.config.pipeline.depth};
    request_.pipeline.data.image_size = options.image_size;
    request_.pipeline.data.on_bad_image = OnBadImage::stop;  // the photos are counted
    request_.weights = context.weights().digest;
    request_.numerics = context.backend.numerics(options);
  }
  PipelineSubject(const PipelineSubject&) = delete;
  PipelineSubject& operator=(const PipelineSubject&) = delete;
  ~PipelineSubject() override { remove_features(); }

  double sample(CacheState cache, std::size_t times) override {
    double seconds = 0.0;
    stage_times_.clear();
    for (std::size_t i = 0; i < times; ++i) {
      remove_features();  // otherwise the rows would be reused
      if (cache == CacheState::cold) context_.flush();
      seconds += seconds_of([&] { extract(); });
    }
    last_seconds_ = seconds;
    return seconds;
  }

  StageShares stages() const override {
    if (last_seconds_ <= 0.0) return {};
    StageShares shares = stage_times_.seconds();
    for (auto& [name, share] : shares) share /= last_seconds_;
    return shares;
  }

 private:
  void extract() {
    SilentObserver observer;
    extract_features(request_, {context_.backend, observer, &stage_times_, context_.setup.stop},
                     [this]() -> Backbone& { return *backbone_; });
  }
  void remove_features() const {
    std::error_code absent;
    std::filesystem::remove_all(request_.folder, absent);
  }

  const SuiteContext& context_;
  const Dataset dataset_;
  std::unique_ptr<Backbone> backbone_;
  ExtractionRequest request_;
  StageTimes stage_times_;
  double last_seconds_ = 0.0;
};

Case pipeline_case(const SuiteContext& context, const BackboneOptions& options) {
  const std::size_t photos = std::max(least_photos, batches_in_sample * options.batch_size);
  Case what = named_case(Suite::pipeline, "photos_to_features", axes_of(options));
  what.cost.flop = static_cast<double>(photos) * graft::vgg16_flop(options.image_size);
  what.cost.arithmetic = options.precision;
  what.items = static_cast<double>(photos);
  what.item = "photos";
  what.prepare = [&context, options, photos] {
    return std::make_unique<PipelineSubject>(context, options, photos);
  };
  return what;
}

}  // namespace

std::vector<Case> pipeline_cases(const SuiteContext& context, const Axes& axes) {
  std::vector<Case> list;
  for (const BackboneOptions& options : options_at(context.setup.config, axes))
    list.push_back(pipeline_case(context, options));
  return list;
}

}  // namespace graft::bench
