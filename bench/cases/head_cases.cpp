#include <fmt/format.h>

#include <cmath>
#include <string>

#include "bench/cases/backend_suites.h"
#include "bench/cases/random_network.h"
#include "bench/cases/timed.h"
#include "engine/base/memory.h"
#include "engine/head/trainer.h"

namespace graft::bench {
namespace {

constexpr std::size_t rows =
    800;  // of features: together with the weights more than most caches hold
constexpr std::size_t classes = 2;

HeadOptions head_options_at(const Config& config, ImageSize size, std::size_t batch) {
  HeadOptions options = head_options(config, vgg16_feature_shape(size).count(), classes);
  options.batch_size = batch;
  return options;
}

std::vector<std::size_t> widths(const HeadOptions& options) {
  std::vector<std::size_t> widths = {options.inputs};
  widths.insert(widths.end(), options.hidden.begin(), options.hidden.end());
  widths.push_back(options.outputs());
  return widths;
}

// Inputs × units, summed over all layers and over those after the first.
struct Products {
  double all = 0.0, after_first = 0.0;
};
Products products_of(const HeadOptions& options) {
  Products products;
  const std::vector<std::size_t> of = widths(options);
  for (std::size_t i = 0; i + 1 < of.size(); ++i) {
    const auto product = static_cast<double>(of[i] * of[i + 1]);
    products.all += product;
    if (i > 0) products.after_first += product;
  }
  return products;
}

HeadState initial_state(const HeadOptions& options) {
  HeadState state;
  const std::vector<std::size_t> of = widths(options);
  for (std::size_t i = 0; i + 1 < of.size(); ++i) {
    DenseParameters dense{of[i], of[i + 1], {}, std::vector<float>(of[i + 1])};
    const float scale = 1.0F / std::sqrt(static_cast<float>(of[i]));
    dense.kernel = normal_values(of[i] * of[i + 1], static_cast<std::uint32_t>(i + 1), scale);
    state.mean_squares.push_back(
        {of[i], of[i + 1], std::vector<float>(dense.kernel.size()), std::vector<float>(of[i + 1])});
    state.parameters.push_back(std::move(dense));
  }
  return state;
}

void check_head_memory(const HeadOptions& options) {
  check_memory(fmt::format("the head with {} inputs and {} rows", options.inputs, rows),
               4.0 * (6.0 * products_of(options).all + static_cast<double>(rows * options.inputs)),
               "choose a smaller size");
}

enum class HeadWork { train_step, evaluate, predict };

class HeadSubject final : public Subject {
 public:
  HeadSubject(const SuiteContext& context, const HeadOptions& options, HeadWork work)
      : context_(context), options_(options), work_(work), batch_(options.batch_size) {
    check_head_memory(options);
    features_ = normal_values(rows * options.inputs, 3, 1.0F);
    for (std::size_t i = 0; i < rows; ++i)
      labels_.push_back(static_cast<std::uint32_t>(i % options.classes));
    probabilities_.resize(rows * options.classes);
    head_ = context.backend.make_head(options);
    head_->set_state(initial_state(options));
    if (work == HeadWork::train_step) head_->set_training_data(view(), labels_);
  }

  double sample(CacheState cache, std::size_t times) override {
    if (cache == CacheState::cold) context_.flush();
    return seconds_of([&] {
      for (std::size_t i = 0; i < times; ++i) execute();
      if (work_ == HeadWork::train_step) head_->take_totals();  // waits for the device
    });
  }

 private:
  FeatureView view() const { return {features_.data(), rows, options_.inputs}; }

  void execute() {
    if (work_ == HeadWork::evaluate) {
      head_->evaluate(view(), labels_);
    } else if (work_ == HeadWork::predict) {
      head_->predict(view(), probabilities_);
    } else {
      for (std::size_t i = 0; i < batch_.size(); ++i)  // 37 and 800 are coprime: all rows are used
        batch_[i] = static_cast<std::uint32_t>((step_ * batch_.size() + i) * 37 % rows);
      head_->train_step(batch_, step_++);
    }
  }

  const SuiteContext& context_;
  const HeadOptions options_;
  const HeadWork work_;
  std::vector<float> features_, probabilities_;
  std::vector<std::uint32_t> labels_, batch_;
  std::uint64_t step_ = 0;
  std::unique_ptr<Head> head_;
};

std::pair<std::string, std::string> hidden_axis(const HeadOptions& options) {
  return {"hidden",
          options.hidden.empty() ? "none" : fmt::format("{}", fmt::join(options.hidden, "-"))};
}

// Counted: the forward pass and the weights' gradients of all layers, and the inputs' gradients after
// the first. Every weight and mean square is read and written.
ListedCase train_case(const SuiteContext& context, const HeadOptions& options) {
  ListedCase listed;
  listed.what = named_case(Suite::head, "train_step",
                           {{"inputs", fmt::format("{}", options.inputs)},
                            hidden_axis(options),
                            {"batch", fmt::format("{}", options.batch_size)}});
  const Products products = products_of(options);
  const auto batch = static_cast<double>(options.batch_size);
  listed.what.cost.flop = 2.0 * batch * (2.0 * products.all + products.after_first);
  listed.what.cost.bytes = 16.0 * products.all + 4.0 * batch * static_cast<double>(options.inputs);
  listed.what.items = 1.0;
  listed.what.item = "steps";
  listed.prepare = [&context, options] {
    return std::make_unique<HeadSubject>(context, options, HeadWork::train_step);
  };
  return listed;
}

ListedCase inference_case(const SuiteContext& context, const HeadOptions& options, HeadWork work) {
  ListedCase listed;
  listed.what = named_case(Suite::head, work == HeadWork::evaluate ? "evaluate" : "predict",
                           {{"inputs", fmt::format("{}", options.inputs)},
                            hidden_axis(options),
                            {"rows", fmt::format("{}", rows)}});
  const double products = products_of(options).all;
  listed.what.cost.flop = 2.0 * static_cast<double>(rows) * products;
  listed.what.cost.bytes = 4.0 * (products + static_cast<double>(rows * options.inputs));
  listed.what.items = static_cast<double>(rows);
  listed.what.item = "rows";
  listed.prepare = [&context, options, work] {
    return std::make_unique<HeadSubject>(context, options, work);
  };
  return listed;
}

}  // namespace

CaseList head_cases(const SuiteContext& context, const Axes& axes) {
  const Config& config = context.setup.config;
  CaseList list;
  for (const ImageSize size : axes.sizes) {
    for (const std::size_t batch : axes.batches)
      list.push_back(train_case(context, head_options_at(config, size, batch)));
    const HeadOptions options = head_options_at(config, size, config.train.batch_size);
    list.push_back(inference_case(context, options, HeadWork::evaluate));
    list.push_back(inference_case(context, options, HeadWork::predict));
  }
  return list;
}

}  // namespace graft::bench
