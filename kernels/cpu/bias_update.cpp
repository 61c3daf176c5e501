// Bias gradient and RMSprop update, a vector of units at a time.

#include "kernels/cpu/bias_update.h"

#include "kernels/cpu/rmsprop_step.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

template <bool EpsilonInside>
static void update_units(const float* delta, std::size_t rows, std::size_t units,
                         const Rmsprop& rmsprop, float* bias, float* mean_square) {
  const RmspropVectors factors = broadcast(rmsprop);
  for (std::size_t unit = 0; unit < units; unit += Vector::width) {
    const std::size_t lanes = units - unit < Vector::width ? units - unit : Vector::width;
    Vector gradient = zero();
    for (std::size_t r = 0; r < rows; ++r) {
      gradient = gradient + load_first(delta + r * units + unit, lanes);
    }
    const RmspropValues values = rmsprop_step<EpsilonInside>(
        factors, {load_first(bias + unit, lanes), load_first(mean_square + unit, lanes)}, gradient);
    store_first(bias + unit, lanes, values.parameter);
    store_first(mean_square + unit, lanes, values.mean_square);
  }
}

void bias_update(const float* delta, std::size_t rows, std::size_t units, const Rmsprop& rmsprop,
                 float* bias, float* mean_square) {
  if (rmsprop.epsilon_inside_sqrt) {
    update_units<true>(delta, rows, units, rmsprop, bias, mean_square);
  } else {
    update_units<false>(delta, rows, units, rmsprop, bias, mean_square);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
