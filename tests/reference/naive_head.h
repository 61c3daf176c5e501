#pragma once
// A head in double precision, straight from its definition: the loss of a batch as a function of
// the parameters. Gradients are taken from it by differences.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/backend/backend.h"

namespace graft::reference {

class NaiveHead {
 public:
  struct Layer {
    std::vector<double> kernel, bias;  // inputs × units; units
  };

  NaiveHead(const HeadOptions& options, const HeadState& state);

  std::vector<Layer>& layers() { return layers_; }
  // Logits of one row; `step` turns dropout on, and `row` is the row's place in the batch.
  std::vector<double> logits(std::span<const float> features, std::size_t row,
                             std::optional<std::uint64_t> step);
  // Mean loss of a batch.
  double loss(FeatureView features, std::span<const std::uint32_t> labels,
              std::optional<std::uint64_t> step);
  // The sign of every value that met a ReLU since the last call: two losses with different ones lie
  // on two sides of a kink, where a difference is no derivative.
  std::vector<bool> take_signs();

 private:
  HeadOptions options_;
  std::vector<Layer> layers_;
  std::vector<bool> signs_;
};

}  // namespace graft::reference
