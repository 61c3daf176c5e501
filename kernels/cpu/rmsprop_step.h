#pragma once
// RMSprop (rmsprop.h) on one vector of parameters, for the kernels that make a gradient. The root
// and the quotient are the exact ones of IEEE 754: approximations differ between processors.

#include "kernels/cpu/vector.h"
#include "kernels/rmsprop.h"

namespace graft::cpu::GRAFT_ISA {

struct RmspropVectors {
  Vector learning_rate, rho, one_minus_rho, epsilon;
};

static inline RmspropVectors broadcast(const Rmsprop& rmsprop) {
  return {broadcast(rmsprop.learning_rate), broadcast(rmsprop.rho),
          broadcast(rmsprop.one_minus_rho), broadcast(rmsprop.epsilon)};
}

struct RmspropValues {
  Vector parameter, mean_square;
};

static inline Vector next_mean_square(const RmspropVectors& rmsprop, Vector mean_square,
                                      Vector gradient) {
  return multiply_add(rmsprop.rho, mean_square, rmsprop.one_minus_rho * (gradient * gradient));
}

// Of the step: what the gradient is divided by.
template <bool EpsilonInside>
static inline Vector divisor_of(const RmspropVectors& rmsprop, Vector mean_square) {
  return EpsilonInside ? square_root(mean_square + rmsprop.epsilon)
                       : square_root(mean_square) + rmsprop.epsilon;
}

static inline Vector next_parameter(const RmspropVectors& rmsprop, Vector parameter,
                                    Vector gradient, Vector divisor) {
  return parameter - rmsprop.learning_rate * gradient / divisor;
}

template <bool EpsilonInside>
static inline RmspropValues rmsprop_step(const RmspropVectors& rmsprop, RmspropValues old,
                                         Vector gradient) {
  const Vector mean_square = next_mean_square(rmsprop, old.mean_square, gradient);
  const Vector divisor = divisor_of<EpsilonInside>(rmsprop, mean_square);
  return {next_parameter(rmsprop, old.parameter, gradient, divisor), mean_square};
}

}  // namespace graft::cpu::GRAFT_ISA
