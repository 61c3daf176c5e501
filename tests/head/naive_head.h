#pragma once
// A head in naive float64 loops, for tests of the trainer without a device's kernels. The state is
// rounded to float after each step, as HeadState holds it, so that a resumed run sees the same
// numbers.

#include <functional>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/backend/backend.h"

namespace graft::test {

class NaiveHead final : public Head {
 public:
  // `before` hears the name of each call before it is carried out.
  NaiveHead(HeadOptions options, std::function<void(std::string_view)> before)
      : options_(std::move(options)), before_(std::move(before)) {}

  void set_state(const HeadState& state) override { state_ = state; }
  HeadState state() override;
  void set_training_data(FeatureView features, std::span<const std::uint32_t> labels) override;
  void train_step(std::span<const std::uint32_t> rows, std::uint64_t step) override;
  Totals take_totals() override;
  Totals evaluate(FeatureView features, std::span<const std::uint32_t> labels) override;
  void predict(FeatureView features, std::span<float> probabilities) override;

 private:
  using Matrix = std::vector<std::vector<double>>;  // rows of values
  struct Activations {
    std::vector<Matrix> inputs;  // of each layer, after ReLU and dropout of the one before
    Matrix logits;
  };
  Activations forward(const Matrix& rows, const std::uint64_t* training_step) const;
  Matrix loss_gradient(const Matrix& logits, const std::vector<std::uint32_t>& labels,
                       Totals& totals) const;
  void backward(const Activations& activations, Matrix gradient);
  double keep_scale() const { return 1.0 / (1.0 - options_.dropout); }

  HeadOptions options_;
  std::function<void(std::string_view)> before_;
  HeadState state_;
  FeatureView features_;
  std::span<const std::uint32_t> labels_;
  Totals totals_;
};

// A backend that has nothing but a head, made by `make`.
class HeadBackend final : public Backend {
 public:
  using Make = std::function<std::unique_ptr<Head>(const HeadOptions&)>;
  explicit HeadBackend(Make make) : make_(std::move(make)) {}
  std::string description() const override { return "a head for tests"; }
  std::string numerics() const override { return "tests"; }
  HostBuffer allocate_host(std::size_t) override { throw std::logic_error("no host memory here"); }
  std::size_t batches_in_flight() const override { return 1; }
  std::unique_ptr<Backbone> make_backbone(const Vgg16Weights&, const BackboneOptions&) override {
    throw std::logic_error("no backbone here");
  }
  std::unique_ptr<Head> make_head(const HeadOptions& options) override { return make_(options); }

 private:
  Make make_;
};

}  // namespace graft::test
