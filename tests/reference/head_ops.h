#pragma once
// Reference implementations of the head's ops: plain loops, sums in double.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/philox.h"
#include "kernels/rmsprop.h"

namespace graft::reference {

// values: rows of columns, of which each has a mean and a scale. In float, as the kernels: equal to the
// bit.
std::vector<float> normalized(std::span<const float> values, std::span<const float> mean,
                              std::span<const float> scale);

// rows × units: Σ_k inputs[r][k]·kernel[k][u]. inputs: rows × count, kernel: count × units.
std::vector<float> dense(std::span<const float> inputs, std::span<const float> kernel,
                         std::size_t rows, std::size_t count, std::size_t units);

// rows × count: Σ_u delta[r][u]·kernel[k][u].
std::vector<float> dense_backward_input(std::span<const float> delta, std::span<const float> kernel,
                                        std::size_t rows, std::size_t count, std::size_t units);

// Whether dropout keeps element `index` of a batch.
bool is_kept(const RandomStream& stream, double rate, std::uint64_t index);
std::vector<float> relu_dropout(std::span<const float> values, const RandomStream& stream,
                                double rate, std::uint64_t first);
// `before` holds the values before ReLU.
std::vector<float> relu_dropout_backward(std::span<const float> gradient,
                                         std::span<const float> before, const RandomStream& stream,
                                         double rate, std::uint64_t first);

struct Parameters {
  std::vector<float> values, mean_squares;
};
Parameters rmsprop(const Parameters& old, std::span<const double> gradient, const Rmsprop& factors);
Parameters dense_update(const Parameters& old, std::span<const float> inputs,
                        std::span<const float> delta, std::size_t rows, std::size_t count,
                        std::size_t units, const Rmsprop& factors);
Parameters bias_update(const Parameters& old, std::span<const float> delta, std::size_t rows,
                       std::size_t units, const Rmsprop& factors);

}  // namespace graft::reference
