#include <algorithm>
#include <functional>
#include <string>

#include "bench/cases/backend_suites.h"
#include "bench/cases/photos.h"
#include "bench/cases/stage_times.h"
#include "bench/cases/timed.h"
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
  const auto [folder, files] = photos_of(setup);
  dataset.root = folder;
  dataset.classes = {"photos"};
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
                         context.backend.host_threads(), context.setup.config.pipeline.depth,
                         options.features};
    request_.pipeline.data.image_size = options.image_size;
    request_.pipeline.data.on_bad_image = OnBadImage::stop;  // the photos are counted
    request_.pipeline.data.views = {View::original};
    request_.weights = context.weights().digest;
    request_.numerics = context.backend.numerics(options);
  }
  PipelineSubject(const PipelineSubject&) = delete;
  PipelineSubject& operator=(const PipelineSubject&) = delete;
  ~PipelineSubject() override { remove_features(); }

  double sample(CacheState cache, std::size_t times) override {
    double seconds = 0.0;
    StageTimes stage_times;
    for (std::size_t i = 0; i < times; ++i) {
      remove_features();  // otherwise the rows would be reused
      if (cache == CacheState::cold) context_.flush();
      seconds += seconds_of([&] { extract(stage_times); });
    }
    stages_ = stage_times.shares_of(seconds);
    return seconds;
  }

  StageShares stages() const override { return stages_; }

 private:
  void extract(StageTimes& stage_times) {
    SilentObserver observer;
    extract_features(request_, {context_.backend, observer, &stage_times, context_.setup.stop},
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
  StageShares stages_;
};

Case pipeline_case(const SuiteContext& context, const BackboneOptions& options) {
  const std::size_t photos = std::max(least_photos, batches_in_sample * options.batch_size);
  Case what = named_case(Suite::pipeline, "photos_to_features", axes_of(options));
  what.cost.flop =
      static_cast<double>(photos) * graft::vgg16_flop(options.image_size, options.features);
  what.cost.arithmetic = options.precision;
  what.items = static_cast<double>(photos);
  what.item = "photos";
  what.prepare = [&context, options, photos] {
    return std::make_unique<PipelineSubject>(context, options, photos);
  };
  return what;
}

// Of a decoding or resizing case, on one thread: photos/s × threads is the most that the first stages
// of the pipeline can deliver.
constexpr std::size_t photos_of_image_case = 8;
using Files = std::vector<std::vector<std::byte>>;

Files read_photos(const BenchSetup& setup) {
  const auto [folder, names] = photos_of(setup);
  Files files;
  for (std::size_t i = 0; i < photos_of_image_case; ++i)
    files.push_back(read_file(folder / names[i % names.size()], maximum_image_file_bytes));
  return files;
}

// `make` takes the photos' bytes and returns the execution.
Case image_case(const SuiteContext& context, std::string_view work, AxisValues axes,
                const std::function<std::function<void()>(Files)>& make) {
  Case what = named_case(Suite::pipeline, work, std::move(axes));
  what.items = photos_of_image_case;
  what.item = "photos";
  what.prepare = [&context, make] {
    return std::make_unique<HostSubject>(context.flush, make(read_photos(context.setup)));
  };
  return what;
}

std::function<void()> decoding(Files files, const DecodeOptions& options) {
  return [files = std::move(files), options] {
    for (const auto& file : files) decode_image(file, options);
  };
}

std::function<void()> resizing(const Files& files, Resize filter, ImageSize size) {
  std::vector<Image> images;
  for (const auto& file : files) images.push_back(decode_image(file, {}));
  std::vector<std::uint8_t> target(std::size_t{3} * size.height * size.width);
  return [images = std::move(images), filter, size, target]() mutable {
    for (const Image& image : images) resize_image(image, filter, size, target);
  };
}

}  // namespace

std::vector<Case> pipeline_cases(const SuiteContext& context, const Axes& axes) {
  std::vector<Case> list;
  for (const BackboneOptions& options : options_at(context.setup.config, axes))
    list.push_back(pipeline_case(context, options));
  list.push_back(image_case(context, "decode", {},
                            [](Files files) { return decoding(std::move(files), {}); }));
  for (const ImageSize size : axes.sizes) {
    list.push_back(
        image_case(context, "fast_decode", {{"size", size_text(size)}}, [size](Files files) {
          DecodeOptions options;
          options.shrink_towards = size;
          return decoding(std::move(files), options);
        }));
    for (const Resize filter :
         {Resize::nearest, Resize::bilinear, Resize::bicubic, Resize::lanczos})
      list.push_back(image_case(
          context, "resize", {{"filter", std::string(name_of(filter))}, {"size", size_text(size)}},
          [filter, size](const Files& files) { return resizing(files, filter, size); }));
  }
  return list;
}

}  // namespace graft::bench
