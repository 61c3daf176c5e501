#pragma once
// RMSprop's constants, on the CPU and on the GPU.
// Source: Hinton, Coursera lecture 6e; both places of epsilon that Keras has had.
//   a = rho·a + (1 - rho)·g²
//   p = p - learning_rate·g / sqrt(a + epsilon)      epsilon inside the root (Keras 3)
//   p = p - learning_rate·g / (sqrt(a) + epsilon)    outside (Keras 2)

namespace graft {

struct Rmsprop {
  float learning_rate;
  float rho;
  float one_minus_rho;  // rounded from double: 1 - rho in float would lose three digits
  float epsilon;
  bool epsilon_inside_sqrt;
};

}  // namespace graft
