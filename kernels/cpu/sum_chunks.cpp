// Adds the chunks of a Dense layer's product and its bias, a vector of units at a time.

#include "kernels/cpu/sum_chunks.h"

#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

void sum_chunks(const float* sums, std::size_t chunks, std::size_t stride, const float* bias,
                std::size_t units, float* values) {
  std::size_t unit = 0;
  for (; unit + Vector::width <= units; unit += Vector::width) {
    Vector sum = load(sums + unit);
    for (std::size_t chunk = 1; chunk < chunks; ++chunk) {
      sum = sum + load(sums + chunk * stride + unit);
    }
    store(values + unit, sum + load(bias + unit));
  }
  if (const std::size_t rest = units - unit; rest != 0) {
    Vector sum = load_first(sums + unit, rest);
    for (std::size_t chunk = 1; chunk < chunks; ++chunk) {
      sum = sum + load_first(sums + chunk * stride + unit, rest);
    }
    store_first(values + unit, rest, sum + load_first(bias + unit, rest));
  }
}

}  // namespace graft::cpu::GRAFT_ISA
