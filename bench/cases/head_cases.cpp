#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "bench/cases/backend_suites.h"
#include "bench/cases/timed.h"
#include "engine/base/memory.h"
#include "engine/head/trainer.h"
#include "engine/vgg16/vgg16.h"

namespace graft::bench {
namespace {

constexpr std::size_t rows = 800;  // their features and the weights exceed most caches
constexpr std::size_t classes = 2;
// In a sample, one after the other as in training: the host enqueues a step while the device
// computes the one before, and waits once. The figure is the time of a step.
constexpr std::size_t least_steps = 10;

enum class HeadWork { train_step, evaluate, predict };

HeadOptions head_options_at(const Config& config, ImageSize size, std::size_t batch) {
  HeadOptions options =
      head_options(config, vgg16_feature_shape(size, config.features.source).count(), classes);
  options.batch_size = batch;
  options.views = 1;  // rows are images here, whatever the config
  return options;
}

// Inputs × units, summed over all layers and over those after the first.
struct Products {
  double all = 0.0, after_first = 0.0;
};
Products products_of(const HeadOptions& options) {
  Products products;
  std::size_t inputs = options.inputs;
  std::vector<std::size_t> widths = options.hidden;
  widths.push_back(options.outputs());
  for (const std::size_t units : widths) {
    products.all += static_cast<double>(inputs * units);
    inputs = units;
  }
  products.after_first = products.all - static_cast<double>(options.inputs * widths.front());
  return products;
}

class HeadSubject final : public Subject {
 public:
  HeadSubject(const SuiteContext& context, const HeadOptions& options, HeadWork work)
      : context_(context),
        options_(options),
        work_(work),
        // At least a batch: an epoch takes each row once at most.
        rows_(work == HeadWork::train_step ? std::max(rows, options.batch_size) : rows) {
    check_memory(
        fmt::format("the head with {} inputs and {} rows", options.inputs, rows_),
        4.0 * (6.0 * products_of(options).all + static_cast<double>(rows_ * options.inputs)),
        "choose a smaller size");
    features_ = normal_values(rows_ * options.inputs, 3, 1.0F);
    for (std::size_t i = 0; i < rows_; ++i)
      labels_.push_back(static_cast<std::uint32_t>(i % options.classes));
    // An epoch of complete batches. 37 and 800 are coprime: all rows are used.
    order_.resize(rows_ / options.batch_size * options.batch_size);
    for (std::size_t i = 0; i < order_.size(); ++i)
      order_[i] = static_cast<std::uint32_t>(i * 37 % rows_);
    probabilities_.resize(rows_ * options.classes);
    head_ = context.backend.make_head(options);
    head_->set_state(initial_head_state(options));
    if (work == HeadWork::train_step) head_->set_training_data(view(), labels_, {});
    if (work == HeadWork::evaluate) head_->set_validation_data(view(), labels_);
  }

  double sample(CacheState cache, std::size_t times) override {
    if (cache == CacheState::cold) context_.flush();
    return seconds_of([&] {
      for (std::size_t i = 0; i < times; ++i) execute();
      if (work_ == HeadWork::train_step) head_->take_totals();  // waits for the device
    });
  }

 private:
  FeatureView view() const { return {features_.data(), rows_, options_.inputs}; }

  void execute() {
    if (work_ == HeadWork::evaluate) {
      head_->evaluate();
    } else if (work_ == HeadWork::predict) {
      head_->predict(view(), probabilities_);
    } else {
      const std::size_t steps = order_.size() / options_.batch_size;
      if (step_ % steps == 0) head_->begin_epoch(order_, step_);
      head_->train_step();
      ++step_;
    }
  }

  const SuiteContext& context_;
  const HeadOptions options_;
  const HeadWork work_;
  const std::size_t rows_;
  std::vector<float> features_, probabilities_;
  std::vector<std::uint32_t> labels_, order_;
  std::uint64_t step_ = 0;
  std::unique_ptr<Head> head_;
};

// Training: the forward pass and the weights' gradients of all layers, and the inputs' gradients
// after the first; every weight and mean square is read and written. Else: the forward pass.
Cost cost_of(const HeadOptions& options, HeadWork work) {
  const Products products = products_of(options);
  const bool trains = work == HeadWork::train_step;
  const auto count = static_cast<double>(trains ? options.batch_size : rows);
  const double flop = trains ? 2.0 * products.all + products.after_first : products.all;
  return {2.0 * count * flop,
          4.0 * ((trains ? 4.0 : 1.0) * products.all + count * static_cast<double>(options.inputs)),
          Precision::fp32};
}

Case head_case(const SuiteContext& context, const HeadOptions& options, HeadWork work,
               std::string_view name) {
  const bool trains = work == HeadWork::train_step;
  const std::string hidden = fmt::format("{}", fmt::join(options.hidden, "-"));
  Case what = named_case(
      Suite::head, name,
      {{"inputs", fmt::format("{}", options.inputs)},
       {"hidden", hidden.empty() ? "none" : hidden},
       {trains ? "batch" : "rows", fmt::format("{}", trains ? options.batch_size : rows)}});
  what.cost = cost_of(options, work);
  what.items = trains ? 1.0 : static_cast<double>(rows);
  what.item = trains ? "steps" : "rows";
  if (trains) what.sequence = least_steps;
  what.prepare = [&context, options, work] {
    return std::make_unique<HeadSubject>(context, options, work);
  };
  return what;
}

}  // namespace

std::vector<Case> head_cases(const SuiteContext& context, const Axes& axes) {
  const Config& config = context.setup.config;
  std::vector<Case> list;
  for (const ImageSize size : axes.sizes) {
    for (const std::size_t batch : axes.batches)
      list.push_back(head_case(context, head_options_at(config, size, batch), HeadWork::train_step,
                               "train_step"));
    const HeadOptions options = head_options_at(config, size, config.train.batch_size);
    list.push_back(head_case(context, options, HeadWork::evaluate, "evaluate"));
    list.push_back(head_case(context, options, HeadWork::predict, "predict"));
  }
  return list;
}

}  // namespace graft::bench
