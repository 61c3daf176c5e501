#include "engine/backend/cuda/head/cuda_head.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/backend/arithmetic.h"
#include "engine/backend/checks.h"
#include "engine/backend/cuda/head/dense_products.h"
#include "engine/backend/cuda/head/feature_ring.h"
#include "engine/backend/cuda/head/head_arrays.h"
#include "engine/backend/cuda/head/resident_rows.h"
#include "engine/backend/cuda/head/training_rows.h"
#include "engine/backend/cuda/runtime/kernel_trace.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/relu_dropout.h"
#include "kernels/cuda/rmsprop.h"
#include "kernels/cuda/training_step.h"

namespace graft::cuda {

namespace {

// A head has no more layers. Their names outlive the trace that keeps them.
constexpr std::size_t most_layers = 256;
const char* layer_name(std::size_t layer) {
  static const auto names = [] {
    std::vector<std::string> made = {"dense"};
    while (made.size() < most_layers) made.push_back("dense_" + std::to_string(made.size()));
    return made;
  }();
  return names.at(layer).c_str();
}

// The products of a layer for one number of rows.
struct LayerProducts {
  MatrixProduct forward, kernel_gradient;
  std::optional<MatrixProduct> input_gradient;  // none for the first layer
};

// Steps whose device times a trace holds at once: an epoch does not wait.
constexpr std::uint64_t most_traced_steps = 64;

class CudaHead final : public Head {
 public:
  CudaHead(const HeadOptions& options, Device& device, std::size_t most_resident_bytes,
           Tracer* tracer);

  void set_state(const HeadState& state) override;
  HeadState state() override;
  void set_training_data(FeatureView features, std::span<const std::uint32_t> labels,
                         const Normalization& normalization) override;
  void begin_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step) override;
  void train_step() override;
  Totals take_totals() override;
  void set_validation_data(FeatureView features, std::span<const std::uint32_t> labels) override;
  Totals evaluate() override;
  void predict(FeatureView features, std::span<float> probabilities) override;

 private:
  void enqueue_step(std::size_t rows);
  const float* forward(const float* features, std::size_t rows, bool trains);
  void loss(const float* logits, const std::uint32_t* labels, std::size_t rows, float* gradient,
            LossTotals* totals);
  void backward(const float* features, std::size_t rows);
  void write_probabilities(const float* logits, std::size_t rows);
  void update();
  template <typename Chunk>
  void for_each_chunk(FeatureView features, std::span<const std::uint32_t> labels,
                      const ResidentRows& resident, const Chunk& chunk);
  void clear(LossTotals* totals);
  Totals fetch(const LossTotals* totals, std::size_t count);

  const std::vector<LayerProducts>& products(std::size_t rows);

  Device& device_;
  const HeadOptions options_;
  const Stream stream_;
  const CublasLt library_;
  const DeviceBuffer memory_;
  const HeadArrays arrays_;
  const PinnedBuffer fetched_;  // totals
  FeatureRing ring_;
  TrainingRows training_rows_;
  std::vector<ParameterTensor> tensors_;
  std::map<std::size_t, std::vector<LayerProducts>> products_;  // by rows
  std::map<std::size_t, Graph> steps_;                          // by rows
  KernelTrace trace_;
  std::uint64_t batches_ = 0;                 // training steps and chunks of other rows
  std::span<const std::uint32_t> rows_left_;  // of the epoch
  std::size_t trained_count_ = 0;
  FeatureView validation_;
  std::span<const std::uint32_t> validation_labels_;
  ResidentRows resident_validation_;
  bool has_state_ = false;
};

CudaHead::CudaHead(const HeadOptions& options, Device& device, std::size_t most_resident_bytes,
                   Tracer* tracer)
    : device_(device),
      options_(options),
      memory_(arrange(options, nullptr).bytes),
      arrays_(arrange(options, memory_.data())),
      fetched_(sizeof(LossTotals)),
      ring_(rows_of_chunk(options), options.inputs),
      training_rows_(options.batch_size, options.views, ring_, most_resident_bytes),
      trace_(tracer, {{&stream_, "cuda head", "cuda head (virtual GPU: order, no times)"}},
             device.has_timer()),
      resident_validation_(most_resident_bytes) {
  for (const DenseArrays& layer : arrays_.layers) {
    for (const TensorArrays& tensor : {layer.kernel, layer.bias}) {
      tensors_.push_back({tensor.parameters, tensor.mean_squares, tensor.gradients, tensor.count});
    }
  }
  products(rows_of_chunk(options));
  products(options.batch_size);
  clear(arrays_.trained);
  const std::vector<float>& weights = options_.class_weights;
  copy_to_device(arrays_.class_weights, weights.data(), weights.size() * sizeof(float), stream_);
}

// ---- State ----

// copy(a tensor of the device, its vector in a Dense layer)
template <typename Layer, typename Copy>
void for_both(const DenseArrays& arrays, Layer& layer, const Copy& copy) {
  copy(arrays.kernel, layer.kernel);
  copy(arrays.bias, layer.bias);
}

void CudaHead::set_state(const HeadState& state) {
  check_state(state, options_);
  device_.run("Copying the head to the GPU", [&] {
    has_state_ = false;  // until it is complete
    for (std::size_t i = 0; i < arrays_.layers.size(); ++i) {
      for_both(arrays_.layers[i], state.parameters[i], [&](const auto& to, const auto& from) {
        copy_to_device(to.parameters, from.data(), to.bytes(), stream_);
        if (!state.mean_squares.empty()) return;
        GRAFT_CUDA_CHECK(cudaMemsetAsync(to.mean_squares, 0, to.bytes(), stream_.get()));
      });
      if (state.mean_squares.empty()) continue;
      for_both(arrays_.layers[i], state.mean_squares[i], [&](const auto& to, const auto& from) {
        copy_to_device(to.mean_squares, from.data(), to.bytes(), stream_);
      });
    }
    stream_.wait();
    has_state_ = true;
  });
}

HeadState CudaHead::state() {
  check_has_state(has_state_);
  return device_.run("Copying the head from the GPU", [&] {
    HeadState state;
    for (const DenseArrays& layer : arrays_.layers) {
      const auto add = [&](std::vector<DenseParameters>& to, float* TensorArrays::*values) {
        to.push_back({layer.inputs, layer.units, {}, {}});
        for_both(layer, to.back(), [&](const TensorArrays& from, std::vector<float>& copy) {
          copy.resize(from.count);
          copy_to_host(copy.data(), from.*values, from.bytes(), stream_);
        });
      };
      add(state.parameters, &TensorArrays::parameters);
      add(state.mean_squares, &TensorArrays::mean_squares);
    }
    stream_.wait();
    return state;
  });
}

// ---- Training ----

void CudaHead::set_training_data(FeatureView features, std::span<const std::uint32_t> labels,
                                 const Normalization& normalization) {
  check_features(features, labels, options_);
  check_normalization(normalization, options_);
  device_.run("Copying the training features to the GPU", [&] {
    rows_left_ = {};
    steps_.clear();  // they read the old rows
    training_rows_.set(features, labels, normalization, device_, stream_);
  });
}

void CudaHead::begin_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step) {
  check_epoch(order, first_step, training_rows_.count(), options_.batch_size);
  device_.run("Beginning an epoch", [&] {
    rows_left_ = {};  // until its order is there
    training_rows_.begin_epoch(order, stream_);
    const TrainingStep first = {first_step, 0, learning_rate(options_).at(first_step)};
    copy_to_device(arrays_.step, &first, sizeof first, stream_);
    stream_.wait();
    rows_left_ = order;
  });
}

// The first step of a size runs without a graph: code that is loaded at its first use cannot be
// loaded in a capture.
void CudaHead::train_step() {
  check_has_state(has_state_);
  check_rows_left(rows_left_.size());
  const auto rows = rows_left_.first(std::min(rows_left_.size(), options_.batch_size));
  device_.run("A training step", [&] {
    trace_.begin_batch(batches_++);
    trace_.finish_all_but(most_traced_steps);
    training_rows_.send(rows, stream_, trace_);
    const auto enqueue = [&] { enqueue_step(rows.size()); };
    if (const auto step = steps_.find(rows.size()); step != steps_.end()) {
      step->second.launch(stream_);
    } else {
      enqueue();
      if (trace_.tracer() == nullptr) steps_.emplace(rows.size(), Graph(stream_, enqueue));
    }
    trained_count_ += rows.size();
    rows_left_ = rows_left_.subspan(rows.size());
  });
}

void CudaHead::enqueue_step(std::size_t rows) {
  TrainingStep* const now = arrays_.step;
  const DeviceRows batch = training_rows_.take(&now->first, rows, stream_, trace_);
  const float* logits = forward(batch.features, rows, true);
  loss(logits, batch.labels, rows, arrays_.layers.back().delta, arrays_.trained);
  backward(batch.features, rows);
  update();
  launch(trace_, {"advance", {}, advance_bytes()},
         [&] { advance(now, rows, learning_rate(options_), stream_.get()); });
}

Totals CudaHead::take_totals() {
  return device_.run("Fetching the training losses", [&] {
    const Totals totals = fetch(arrays_.trained, trained_count_);
    clear(arrays_.trained);
    trained_count_ = 0;
    return totals;
  });
}

// From rows of features to the logits, rows × outputs.
const float* CudaHead::forward(const float* features, std::size_t rows, bool trains) {
  const std::vector<LayerProducts>& of_layers = products(rows);
  const std::uint64_t any_step = 0;  // the kernel reads the present one
  const float* inputs = features;
  for (std::size_t i = 0; i < arrays_.layers.size(); ++i) {
    const DenseArrays& layer = arrays_.layers[i];
    const TraceSpan span(trace_.tracer(), "forward", i);
    launch(trace_, {"product", layer_name(i)}, [&] {
      of_layers[i].forward.run(inputs, layer.kernel.parameters, layer.outputs, stream_);
    });
    if (i + 1 < arrays_.layers.size()) {
      const Dropout mask = dropout_of(options_, i, trains ? &any_step : nullptr);
      const MovedBytes bytes = relu_dropout_bytes(rows, layer.units, mask.threshold != 0);
      launch(trace_, {"relu_dropout", layer_name(i), bytes}, [&] {
        relu_dropout(layer.outputs, layer.bias.parameters, rows, layer.units, mask,
                     &arrays_.step->step, stream_.get());
      });
    }
    inputs = layer.outputs;
  }
  return inputs;
}

void CudaHead::loss(const float* logits, const std::uint32_t* labels, std::size_t rows,
                    float* gradient, LossTotals* totals) {
  const std::size_t classes = options_.classes;
  const bool trains = gradient != nullptr;
  const bool weighted = trains && !options_.class_weights.empty();
  const float* weights = weighted ? arrays_.class_weights : nullptr;
  if (classes == 2) {
    launch(trace_,
           {"sigmoid_cross_entropy", {}, sigmoid_cross_entropy_bytes(rows, trains, weighted)}, [&] {
             sigmoid_cross_entropy(logits, labels, rows, weights, gradient, totals, stream_.get());
           });
  } else {
    launch(
        trace_,
        {"softmax_cross_entropy", {}, softmax_cross_entropy_bytes(rows, classes, trains, weighted)},
        [&] {
          softmax_cross_entropy(logits, labels, rows, classes, weights, gradient,
                                arrays_.row_losses, totals, stream_.get());
        });
  }
}

// From the gradient of the logits, in the last layer's delta: the gradients of all parameters.
void CudaHead::backward(const float* features, std::size_t rows) {
  const std::vector<LayerProducts>& of_layers = products(rows);
  for (std::size_t i = arrays_.layers.size(); i-- > 0;) {
    const DenseArrays& layer = arrays_.layers[i];
    const TraceSpan span(trace_.tracer(), "backward", i);
    const float* inputs = i == 0 ? features : arrays_.layers[i - 1].outputs;
    launch(trace_, {"kernel_gradient", layer_name(i)}, [&] {
      of_layers[i].kernel_gradient.run(inputs, layer.delta, layer.kernel.gradients, stream_);
    });
    launch(trace_, {"column_sums", layer_name(i), column_sums_bytes(rows, layer.units)}, [&] {
      column_sums(layer.bias.gradients, layer.delta, rows, layer.units, stream_.get());
    });
    if (i == 0) break;
    const DenseArrays& before = arrays_.layers[i - 1];
    const std::size_t count = rows * before.units;
    launch(trace_, {"input_gradient", layer_name(i)}, [&] {
      of_layers[i].input_gradient->run(layer.delta, layer.kernel.parameters, before.delta, stream_);
    });
    launch(trace_, {"relu_dropout_backward", layer_name(i - 1), relu_dropout_backward_bytes(count)},
           [&] {
             relu_dropout_backward(before.delta, before.outputs, count, kept_scale(options_),
                                   stream_.get());
           });
  }
}

// One launch for a head of up to 32 Dense layers.
void CudaHead::update() {
  for (std::size_t first = 0; first < tensors_.size(); first += most_tensors) {
    const std::size_t count = std::min(most_tensors, tensors_.size() - first);
    const auto tensors = std::span(tensors_).subspan(first, count);
    std::size_t parameters = 0;
    for (const ParameterTensor& tensor : tensors) parameters += tensor.count;
    launch(trace_, {"rmsprop", {}, rmsprop_bytes(parameters)}, [&] {
      rmsprop(tensors, rmsprop_at(options_, 0), &arrays_.step->learning_rate, stream_.get());
    });
  }
}

const std::vector<LayerProducts>& CudaHead::products(std::size_t rows) {
  const auto known = products_.find(rows);
  if (known != products_.end()) return known->second;
  std::vector<LayerProducts> made;
  for (const DenseArrays& layer : arrays_.layers) {
    const DenseShape shape = {layer.inputs, layer.units};
    const bool is_last = made.size() + 1 == arrays_.layers.size();
    made.push_back(
        {MatrixProduct::forward(library_, rows, shape, is_last ? layer.bias.parameters : nullptr),
         MatrixProduct::kernel_gradient(library_, rows, shape), std::nullopt});
    if (made.size() == 1) continue;
    made.back().input_gradient = MatrixProduct::input_gradient(library_, rows, shape);
  }
  return products_.emplace(rows, std::move(made)).first->second;
}

// ---- Evaluation ----

void CudaHead::set_validation_data(FeatureView features, std::span<const std::uint32_t> labels) {
  check_features(features, labels, options_);
  device_.run("Copying the validation features to the GPU", [&] {
    validation_ = {};  // until the new ones are complete
    resident_validation_.set(features, labels, ring_.rows(), device_, stream_);
    validation_ = features;
    validation_labels_ = labels;
  });
}

Totals CudaHead::evaluate() {
  check_has_state(has_state_);
  check_has_validation(validation_);
  return device_.run("Evaluating the head", [&] {
    clear(arrays_.evaluated);
    for_each_chunk(
        validation_, validation_labels_, resident_validation_,
        [&](std::size_t, std::size_t photos, const float* logits, const std::uint32_t* labels) {
          loss(logits, labels, photos, nullptr, arrays_.evaluated);
        });
    return fetch(arrays_.evaluated, validation_labels_.size());
  });
}

void CudaHead::predict(FeatureView features, std::span<float> probabilities) {
  check_has_state(has_state_);
  check_features(features, options_);
  check_probabilities(probabilities.size(), features.rows / options_.views, options_.classes);
  const ResidentRows none(0);
  device_.run("Predicting with the head", [&] {
    for_each_chunk(
        features, {}, none,
        [&](std::size_t first, std::size_t photos, const float* logits, const std::uint32_t*) {
          write_probabilities(logits, photos);
          const auto to =
              probabilities.subspan(first * options_.classes, photos * options_.classes);
          launch(trace_, {"copy", {}, {.written = to.size_bytes()}},
                 [&] { copy_to_host(to.data(), arrays_.probabilities, to.size_bytes(), stream_); });
        });
    stream_.wait();
    trace_.finish_all_but(0);
  });
}

// Into arrays_.probabilities.
void CudaHead::write_probabilities(const float* logits, std::size_t rows) {
  const std::size_t classes = options_.classes;
  if (classes == 2) {
    launch(trace_, {"sigmoid_probabilities", {}, sigmoid_probabilities_bytes(rows)},
           [&] { sigmoid_probabilities(logits, rows, arrays_.probabilities, stream_.get()); });
  } else {
    launch(trace_, {"softmax_probabilities", {}, softmax_probabilities_bytes(rows, classes)}, [&] {
      softmax_probabilities(logits, rows, classes, arrays_.probabilities, stream_.get());
    });
  }
}

// chunk(first, photos, the mean logits of each, labels on the device)
template <typename Chunk>
void CudaHead::for_each_chunk(FeatureView features, std::span<const std::uint32_t> labels,
                              const ResidentRows& resident, const Chunk& chunk) {
  const std::size_t views = options_.views, outputs = options_.outputs();
  for (std::size_t first = 0; first < features.rows; first += ring_.rows()) {
    const std::size_t rows = std::min(ring_.rows(), features.rows - first);
    const std::size_t photos = rows / views;
    trace_.begin_batch(batches_++);
    trace_.finish_all_but(2 * FeatureRing::depth);
    DeviceRows on_device = {};
    if (!resident.empty()) {
      on_device = resident.chunk(first / ring_.rows());
      on_device.labels += first / views;
    } else {
      const FeatureRing::Rows slot = ring_.next();
      std::copy_n(features.row(first), rows * features.columns, slot.features);
      if (!labels.empty()) {
        std::ranges::copy(labels.subspan(first / views, photos), slot.labels);
      }
      on_device = ring_.send(rows, stream_);
    }
    const float* logits = forward(on_device.features, rows, false);
    if (views > 1) {
      launch(trace_, {"mean_logits", {}, mean_logits_bytes(photos, views, outputs)}, [&] {
        mean_logits(logits, photos, views, outputs, arrays_.mean_logits, stream_.get());
      });
      logits = arrays_.mean_logits;
    }
    chunk(first / views, photos, logits, on_device.labels);
    if (resident.empty()) ring_.release(stream_);
  }
}

void CudaHead::clear(LossTotals* totals) {
  GRAFT_CUDA_CHECK(cudaMemsetAsync(totals, 0, sizeof(LossTotals), stream_.get()));
}

// Waits for the device.
Totals CudaHead::fetch(const LossTotals* totals, std::size_t count) {
  auto* const fetched = fetched_.as<LossTotals>();
  copy_to_host(fetched, totals, sizeof(LossTotals), stream_);
  stream_.wait();
  trace_.finish_all_but(0);
  return {fetched->loss_sum, fetched->correct, count};
}

}  // namespace

std::unique_ptr<Head> make_cuda_head(const HeadOptions& options, Device& device,
                                     std::size_t most_resident_bytes, Tracer* tracer) {
  check_options(options);
  return device.run("Making the head on the GPU", [&]() -> std::unique_ptr<Head> {
    check_head_memory(options, device);
    auto head = if_memory_allows(
        [&] { return std::make_unique<CudaHead>(options, device, most_resident_bytes, tracer); });
    if (!head) refuse_head_memory(options, device);
    return std::move(*head);
  });
}

}  // namespace graft::cuda
