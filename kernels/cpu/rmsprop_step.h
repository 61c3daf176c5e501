#pragma once
// RMSprop (rmsprop.h) on one vector of parameters, for the kernels that make a gradient. The root
// and the quotient are the exact ones of IEEE 754: approximations differ between processors.

#include "kernels/cpu/rmsprop.h"
#include "kernels/cpu/vector.h"

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

template <bool EpsilonInside>
static inline RmspropValues rmsprop_step(const RmspropVectors& rmsprop, RmspropValues old,
                                         Vector gradient) {
  const Vector mean_square =
      multiply_add(rmsprop.rho, old.mean_square, rmsprop.one_minus_rho * (gradient * gradient));
  const Vector divisor = EpsilonInside ? square_root(mean_square + rmsprop.epsilon)
                                       : square_root(mean_square) + rmsprop.epsilon;
  return {old.parameter - rmsprop.learning_rate * gradient / divisor, mean_square};
}

}  // namespace graft::cpu::GRAFT_ISA
