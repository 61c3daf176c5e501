#pragma once
// Reference implementation of Head: plain loops in float64. Also the head of the trainer's tests. The
// state is rounded to float after each step, as HeadState holds it, so that a resumed run sees the
// same numbers.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/backend/backend.h"

namespace graft::reference {

class ReferenceHead final : public Head {
 public:
  struct Layer {
    std::vector<double> kernel, bias;  // inputs × units; units
  };

  // `before` receives the name of each call before it is carried out.
  explicit ReferenceHead(HeadOptions options, std::function<void(std::string_view)> before = {});

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

  // For gradients by differences: the parameters, to be moved by less than a float can hold.
  std::vector<Layer>& layers() { return layers_; }
  // Mean loss of a training batch of one label a row; `step` turns dropout on.
  double loss(FeatureView features, std::span<const std::uint32_t> labels,
              std::optional<std::uint64_t> step);
  // The sign of every ReLU's input since the last call. Where two losses have different signs, a
  // ReLU bends between them, and their difference is no derivative.
  std::vector<bool> take_signs();

 private:
  using Matrix = std::vector<std::vector<double>>;  // rows of values
  struct Activations {
    std::vector<Matrix> inputs;  // of each layer, after ReLU and dropout of the one before
    Matrix logits;
  };
  void announce(std::string_view call) const;
  Activations forward(Matrix rows, std::optional<std::uint64_t> step);
  Matrix dense(const Matrix& rows, const Layer& layer) const;
  void relu_dropout(Matrix& values, std::size_t layer, std::optional<std::uint64_t> step);
  Matrix loss_gradient(const Matrix& logits, std::span<const std::uint32_t> labels, bool weighted,
                       Totals& totals) const;
  std::vector<double> logits_of(FeatureView features, std::size_t photo);  // the mean of its views
  double weight_of(std::uint32_t label, bool weighted) const;
  double learning_rate(std::uint64_t step) const;
  void backward(const Activations& activations, Matrix gradient, double rate);
  Matrix gradient_of_inputs(const Matrix& gradient, const Matrix& inputs, const Layer& layer) const;
  void update(std::size_t layer, const Matrix& inputs, const Matrix& gradient, double rate);
  double keep_scale() const { return 1.0 / (1.0 - options_.dropout); }

  HeadOptions options_;
  std::function<void(std::string_view)> before_;
  std::vector<Layer> layers_;
  std::vector<DenseParameters> mean_squares_;
  std::vector<bool> signs_;
  FeatureView features_, validation_;
  std::span<const std::uint32_t> labels_, validation_labels_;
  std::span<const std::uint32_t> rows_left_;  // of the epoch
  std::uint64_t step_ = 0;                    // the next
  Normalization normalization_;
  Totals totals_;
};

}  // namespace graft::reference
