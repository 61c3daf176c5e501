#include "engine/backend/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/base/error.h"

namespace graft {

namespace {

// Formats only on failure: a training step checks its batch without allocating.
template <typename... Values>
void require(bool holds, fmt::format_string<Values...> sentence, Values&&... values) {
  if (!holds) throw Error(ErrorKind::usage, fmt::format(sentence, std::forward<Values>(values)...));
}

// A layer's weights are counted, in floats, without overflow, far below what memory can hold.
constexpr std::size_t most_weights = std::size_t{1} << 40U;
// Far below the rows that a head takes at once.
constexpr std::size_t most_views = 64;

void check_optimizer(const OptimizerConfig& optimizer) {
  require(optimizer.type == "rmsprop", "The optimizer \"{}\" does not exist here; use \"rmsprop\".",
          optimizer.type);
  require(std::isfinite(optimizer.learning_rate) && optimizer.learning_rate > 0.0,
          "The learning rate is {}; it must be above 0 and finite.", optimizer.learning_rate);
  require(optimizer.rho >= 0.0 && optimizer.rho < 1.0,
          "RMSprop's rho is {}; it must be at least 0 and below 1.", optimizer.rho);
  require(std::isfinite(optimizer.epsilon) && optimizer.epsilon > 0.0,
          "RMSprop's epsilon is {}; it must be above 0 and finite.", optimizer.epsilon);
}

}  // namespace

void check_options(const BackboneOptions& options) {
  vgg16_feature_shape(options.image_size, options.features);  // throws
  require(options.batch_size > 0, "The backbone's batch_size is 0; it must be at least 1.");
}

void check_weights(const Vgg16Weights& weights) {
  for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
    const Vgg16Layer& layer = vgg16_layers[i];
    if (weights.layers[i].kernel.size() != 9 * layer.input_channels * layer.output_channels ||
        weights.layers[i].bias.size() != layer.output_channels) {
      throw Error(ErrorKind::weights, "The weights of {} have the wrong size.", layer.name);
    }
  }
}

void check_batch(std::span<const std::uint8_t> images, std::size_t count,
                 std::span<const float> features, const BackboneOptions& options) {
  const ImageSize size = options.image_size;
  require(count > 0 && count <= options.batch_size &&
              images.size() >= count * 3 * size.height * size.width &&
              features.size() >= count * vgg16_feature_shape(size, options.features).count(),
          "A batch of {} images does not fit a backbone made for {}, or its buffers are too small.",
          count, options.batch_size);
}

void check_options(const HeadOptions& options) {
  require(options.inputs > 0, "The head has 0 inputs; it needs features of at least one value.");
  require(options.classes >= 2, "The head has {} class(es); telling apart needs at least 2.",
          options.classes);
  require(options.batch_size > 0, "The batch size is 0; it must be at least 1 (train.batch_size).");
  require(options.hidden.size() <= 255,
          "The head has {} hidden layers; at most 255 have random streams of their own.",
          options.hidden.size());
  require(options.dropout >= 0.0 && options.dropout < 1.0,
          "The dropout rate is {}; it must be at least 0 and below 1.", options.dropout);
  for (const auto [inputs, units] : options.layers()) {
    require(units > 0, "A layer of the head has 0 units; give each at least 1 (head.hidden).");
    require(inputs <= most_weights / units,
            "A Dense layer of {} inputs and {} units has more weights than any memory holds; "
            "make head.hidden smaller.",
            inputs, units);
  }
  check_optimizer(options.optimizer);
  require(options.views >= 1 && options.views <= most_views,
          "An image has {} rows of features; it can have 1 to {} (data.views).", options.views,
          most_views);
  require(options.class_weights.empty() || options.class_weights.size() == options.classes,
          "There are {} class weights for {} classes.", options.class_weights.size(),
          options.classes);
  for (const float weight : options.class_weights) {
    require(std::isfinite(weight) && weight >= 0.0F,
            "A class weight is {}; it must be at least 0 and finite.", weight);
  }
}

void check_shapes(const std::vector<DenseParameters>& layers, const HeadOptions& options,
                  const char* what) {
  const std::vector<DenseShape> shapes = options.layers();
  require(layers.size() == shapes.size(),
          "The state has {} of {} Dense layers; this head has {}. It belongs to another head.",
          what, layers.size(), shapes.size());
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    const DenseParameters& found = layers[layer];
    const auto [inputs, outputs] = shapes[layer];
    require(found.inputs == inputs && found.outputs == outputs &&
                found.kernel.size() == inputs * outputs && found.bias.size() == outputs,
            "The {} of Dense layer {} are {} × {} (kernel of {} values, bias of {}); this head "
            "has {} × {} there. They belong to another head.",
            what, layer, found.inputs, found.outputs, found.kernel.size(), found.bias.size(),
            inputs, outputs);
  }
}

void check_state(const HeadState& state, const HeadOptions& options) {
  check_shapes(state.parameters, options, "parameters");
  if (!state.mean_squares.empty()) check_shapes(state.mean_squares, options, "mean squares");
}

void check_has_state(bool has_state) {
  require(has_state, "The head has no parameters yet; call set_state first.");
}

void check_features(FeatureView features, const HeadOptions& options) {
  require(features.columns == options.inputs,
          "The features have {} values per image and the head takes {}; they were made with "
          "another image size or for another head.",
          features.columns, options.inputs);
  require(features.data != nullptr || features.rows == 0, "The features of {} rows have no data.",
          features.rows);
  require(features.rows % options.views == 0,
          "There are {} rows of features; each image has {} (data.views).", features.rows,
          options.views);
}

void check_features(FeatureView features, std::span<const std::uint32_t> labels,
                    const HeadOptions& options) {
  check_features(features, options);
  require(labels.size() == features.rows / options.views,
          "There are {} labels for {} rows of features; each {} need one.", labels.size(),
          features.rows, options.views);
  const auto wrong =
      std::ranges::find_if(labels, [&](std::uint32_t label) { return label >= options.classes; });
  if (wrong == labels.end()) return;
  require(false, "The label of image {} is {}; with {} classes the largest is {}.",
          wrong - labels.begin(), *wrong, options.classes, options.classes - 1);
}

void check_normalization(const Normalization& normalization, const HeadOptions& options) {
  const std::size_t count = normalization.scale.size();
  require(normalization.mean.size() == count && (count == 0 || count == options.inputs),
          "A normalisation has {} means and {} scales; this head needs one of each for {} inputs.",
          normalization.mean.size(), count, options.inputs);
}

void check_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step,
                 std::size_t row_count, std::size_t batch_size) {
  constexpr std::uint64_t end = std::uint64_t{1} << 48U;
  require(row_count > 0, "There are no training rows; call set_training_data with at least one.");
  require(!order.empty() && order.size() <= row_count,
          "An epoch has {} rows; with {} training rows it takes 1 to {}.", order.size(), row_count,
          row_count);
  require(first_step < end && (order.size() - 1) / batch_size < end - first_step,
          "An epoch of {} rows begins at training step {}; the random streams end at 2^48.",
          order.size(), first_step);
  for (const std::uint32_t row : order) {
    require(row < row_count, "An epoch asks for row {} of {} training rows.", row, row_count);
  }
}

void check_rows_left(std::size_t rows) {
  require(rows > 0, "No row of an epoch is left to train on; call begin_epoch.");
}

void check_has_validation(FeatureView features) {
  require(features.columns > 0, "There are no validation rows; call set_validation_data.");
}

void check_probabilities(std::size_t size, std::size_t photos, std::size_t classes) {
  require(size == photos * classes,
          "The probabilities of {} images and {} classes need {} floats; the buffer has {}.",
          photos, classes, photos * classes, size);
}

}  // namespace graft
