#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>

#include "bench/cases/backend_suites.h"
#include "bench/cases/timed.h"
#include "engine/job/job.h"
#include "engine/vgg16/vgg16.h"

namespace graft::bench {
namespace {

struct Batch {
  HostBuffer images, features;
};

Batch random_batch(Backend& backend, const BackboneOptions& options, std::uint32_t seed) {
  const std::size_t image_bytes =
      std::size_t{3} * options.image_size.height * options.image_size.width;
  const std::size_t features = vgg16_feature_shape(options.image_size, options.features).count();
  Batch batch = {backend.allocate_host(options.batch_size * image_bytes),
                 backend.allocate_host(options.batch_size * features * sizeof(float))};
  std::mt19937 generator(seed);
  for (std::uint8_t& byte : batch.images.as<std::uint8_t>())
    byte = static_cast<std::uint8_t>(generator() >> 24U);
  return batch;
}

class BackboneSubject final : public Subject {
 public:
  // threads: 0 is the context's backend.
  BackboneSubject(const SuiteContext& context, const BackboneOptions& options, std::size_t threads)
      : context_(context), count_(options.batch_size) {
    if (threads != 0) limited_ = context.with_threads(threads);
    Backend& backend = threads != 0 ? *limited_ : context.backend;
    const std::size_t in_flight = std::max<std::size_t>(backend.batches_in_flight(), 1);
    for (std::size_t i = 0; i < in_flight; ++i)
      batches_.push_back(random_batch(backend, options, static_cast<std::uint32_t>(i + 1)));
    backbone_ = backend.make_backbone(context.weights(), options);
  }
  BackboneSubject(const BackboneSubject&) = delete;
  BackboneSubject& operator=(const BackboneSubject&) = delete;
  ~BackboneSubject() override {
    try {
      drain();
    } catch (...) {  // sample() has thrown it already
    }
  }

  double sample(CacheState cache, std::size_t times) override {
    if (cache == CacheState::cold) context_.flush();
    // As in a run: the device gets the next batch before the previous one is complete.
    while (batches_.size() > 1 && in_flight_.size() < batches_.size()) submit();
    if (batches_.size() > 1) finish_oldest();
    const double seconds = seconds_of([&] {
      for (std::size_t i = 0; i < times; ++i) {
        submit();
        finish_oldest();
      }
    });
    drain();
    return seconds;
  }

 private:
  void submit() {
    const auto& [images, features] = batches_[next_];
    in_flight_.push_back(
        backbone_->submit(images.as<const std::uint8_t>(), count_, features.as<float>()));
    next_ = (next_ + 1) % batches_.size();
  }
  void finish_oldest() {
    const Backbone::Ticket oldest = in_flight_.front();
    in_flight_.pop_front();
    backbone_->wait(oldest);
  }
  void drain() {
    while (!in_flight_.empty()) finish_oldest();
  }

  const SuiteContext& context_;
  const std::size_t count_;
  std::unique_ptr<Backend> limited_;
  std::vector<Batch> batches_;
  std::unique_ptr<Backbone> backbone_;  // destroyed before the memory that it writes to
  std::deque<Backbone::Ticket> in_flight_;
  std::size_t next_ = 0;
};

Case backbone_case(const SuiteContext& context, const BackboneOptions& options,
                   std::size_t threads = 0) {
  const double batch = static_cast<double>(options.batch_size);
  const ImageSize size = options.image_size;
  AxisValues axes = axes_of(options);
  if (threads != 0) axes.emplace_back("threads", fmt::format("{}", threads));
  Case what = named_case(Suite::backbone, "vgg16", std::move(axes));
  const auto features = static_cast<double>(vgg16_feature_shape(size, options.features).count());
  std::size_t parameters = 0;
  for (std::size_t layer = 0; layer < convolutions_of(options.features); ++layer) {
    const Vgg16Layer& one = vgg16_layers[layer];
    parameters += (9 * one.input_channels + 1) * one.output_channels;
  }
  const auto weights = static_cast<double>(parameters * storage_bytes(options.precision));
  what.cost = {batch * vgg16_flop(size, options.features),
               batch * (3.0 * size.height * size.width + 4.0 * features) + weights,
               options.precision};
  what.items = batch;
  what.item = "images";
  what.prepare = [&context, options, threads] {
    return std::make_unique<BackboneSubject>(context, options, threads);
  };
  return what;
}

}  // namespace

std::vector<BackboneOptions> options_at(const Config& config, const Axes& axes) {
  std::vector<BackboneOptions> all;
  for (const Precision precision : axes.precisions) {
    for (const ImageSize size : axes.sizes) {
      for (const std::size_t batch : axes.batches) {
        BackboneOptions& options = all.emplace_back(backbone_options(config, precision));
        options.precision = precision;
        options.image_size = size;
        options.batch_size = batch;
      }
    }
  }
  return all;
}

AxisValues axes_of(const BackboneOptions& options) {
  return {{"precision", std::string(name_of(options.precision))},
          {"size", size_text(options.image_size)},
          {"batch", fmt::format("{}", options.batch_size)}};
}

// The last point of the axes is repeated with 1, 2, 4 … threads.
std::vector<Case> backbone_cases(const SuiteContext& context, const Axes& axes) {
  std::vector<Case> list;
  const std::vector<BackboneOptions> points = options_at(context.setup.config, axes);
  for (const BackboneOptions& options : points) list.push_back(backbone_case(context, options));
  if (!context.with_threads || points.empty()) return list;
  for (std::size_t threads = 1; threads < context.backend.host_threads(); threads *= 2)
    list.push_back(backbone_case(context, points.back(), threads));
  return list;
}

}  // namespace graft::bench
