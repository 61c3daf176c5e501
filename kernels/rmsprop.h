#pragma once
// RMSprop's constants, on the CPU and on the GPU.
// Source: Hinton, Coursera lecture 6e; both places of epsilon that Keras has had.
//   a = rho·a + (1 - rho)·g²
//   p = p - learning_rate·g / sqrt(a + epsilon)      epsilon inside the root (Keras 3)
//   p = p - learning_rate·g / (sqrt(a) + epsilon)    outside (Keras 2)

#include <cstdint>

#include "kernels/host_device.h"

namespace graft {

struct Rmsprop {
  float learning_rate;
  float rho;
  float one_minus_rho;  // rounded from double: 1 - rho in float would lose three digits
  float epsilon;
  bool epsilon_inside_sqrt;
};

// Keras' PolynomialDecay of power 1 that ends at 0.
struct LearningRate {
  double first;
  std::uint64_t steps;  // of all training; 0: the rate is constant

  // In double, rounded once.
  GRAFT_HOST_DEVICE float at(std::uint64_t step) const {
    if (steps == 0) return static_cast<float>(first);
    const std::uint64_t done = step < steps ? step : steps;
    return static_cast<float>(first *
                              (1.0 - static_cast<double>(done) / static_cast<double>(steps)));
  }
};

}  // namespace graft
