#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>

#include "bench/suites/suites.h"
#include "bench/suites/timed.h"
#include "bench/suites/vgg16_work.h"
#include "engine/job/session.h"

namespace graft::bench {
namespace {

// Images without a pattern and room for their features.
class Batch {
 public:
  Batch(Backend& backend, const BackboneOptions& options, std::uint32_t seed)
      : images_(backend.allocate_host(options.batch_size * options.image_size.height *
                                      options.image_size.width * 3)),
        features_(backend.allocate_host(
            options.batch_size * vgg16_feature_shape(options.image_size).count() * sizeof(float))) {
    std::mt19937 generator(seed);
    for (std::uint8_t& byte : images_.as<std::uint8_t>())
      byte = static_cast<std::uint8_t>(generator() >> 24U);
  }
  Backbone::Ticket submit_to(Backbone& backbone, std::size_t count) const {
    return backbone.submit(images_.as<const std::uint8_t>(), count, features_.as<float>());
  }

 private:
  HostBuffer images_, features_;
};

class BackboneSubject final : public Subject {
 public:
  BackboneSubject(const SuiteContext& context, const BackboneOptions& options)
      : context_(context),
        count_(options.batch_size),
        backbone_(context.backend.make_backbone(context.weights(), options)) {
    const std::size_t under_way = std::max<std::size_t>(context.backend.batches_in_flight(), 1);
    for (std::size_t i = 0; i < under_way; ++i)
      batches_.emplace_back(context.backend, options, static_cast<std::uint32_t>(i + 1));
  }
  BackboneSubject(const BackboneSubject&) = delete;
  BackboneSubject& operator=(const BackboneSubject&) = delete;
  ~BackboneSubject() override {
    try {
      drain();
    } catch (...) {  // the failure has been thrown to whom it concerns
    }
  }

  double sample(CacheState cache, std::size_t times) override {
    if (cache == CacheState::cold) context_.flush();
    // As in a run: the device gets the next batch before the one before is done.
    while (batches_.size() > 1 && under_way_.size() < batches_.size()) submit();
    if (batches_.size() > 1) finish_oldest();
    const double seconds = seconds_of([&] {
      for (std::size_t i = 0; i < times; ++i) {
        submit();
        finish_oldest();
      }
    });
    drain();
    return context_.gives_times ? seconds : 0.0;
  }

 private:
  void submit() {
    under_way_.push_back(batches_[next_].submit_to(*backbone_, count_));
    next_ = (next_ + 1) % batches_.size();
  }
  void finish_oldest() {
    const Backbone::Ticket oldest = under_way_.front();
    under_way_.pop_front();
    backbone_->wait(oldest);
  }
  void drain() {
    while (!under_way_.empty()) finish_oldest();
  }

  const SuiteContext& context_;
  const std::size_t count_;
  std::vector<Batch> batches_;
  std::unique_ptr<Backbone> backbone_;  // gone before the memory that it writes into
  std::deque<Backbone::Ticket> under_way_;
  std::size_t next_ = 0;
};

ListedCase backbone_case(const SuiteContext& context, const BackboneOptions& options) {
  const double batch = static_cast<double>(options.batch_size);
  const ImageSize size = options.image_size;
  ListedCase listed;
  listed.what = named_case(Suite::backbone, "vgg16", axes_of(options));
  // Images and features once, and the weights.
  listed.what.cost.flop = batch * graft::vgg16_flop(size);
  listed.what.cost.bytes =
      batch * (3.0 * size.height * size.width +
               static_cast<double>(vgg16_feature_shape(size).count() * sizeof(float))) +
      static_cast<double>(vgg16_parameters * value_bytes(options.precision));
  listed.what.cost.arithmetic = options.precision;
  listed.what.items = batch;
  listed.what.item = "images";
  listed.prepare = [&context, options] {
    return std::make_unique<BackboneSubject>(context, options);
  };
  return listed;
}

}  // namespace

std::vector<BackboneOptions> options_at(const Config& config, const Axes& axes) {
  std::vector<BackboneOptions> all;
  for (const Precision precision : axes.precisions) {
    for (const ImageSize size : axes.sizes) {
      for (const std::size_t batch : axes.batches) {
        BackboneOptions& options = all.emplace_back(backbone_options(config));
        options.precision = precision;
        options.image_size = size;
        options.batch_size = batch;
      }
    }
  }
  return all;
}

std::vector<std::pair<std::string, std::string>> axes_of(const BackboneOptions& options) {
  return {{"precision", std::string(name_of(options.precision))},
          {"size", size_text(options.image_size)},
          {"batch", fmt::format("{}", options.batch_size)}};
}

CaseList backbone_cases(const SuiteContext& context, const Axes& axes) {
  CaseList list;
  for (const BackboneOptions& options : options_at(context.setup.config, axes))
    list.push_back(backbone_case(context, options));
  return list;
}

}  // namespace graft::bench
