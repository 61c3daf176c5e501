// The gradient of a Dense layer with respect to its inputs: dot products of rows of delta with rows
// of the kernel, four rows of delta for each load of a kernel row.

#include "kernels/cpu/dense_backward_input.h"

#include "kernels/cpu/dense_layout.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

static constexpr std::size_t lanes = panel_units;
static constexpr std::size_t vectors = lanes / Vector::width;

static inline float sum_of_lanes(const Vector (&sum)[vectors]) {
  float lane[lanes];
  for (std::size_t v = 0; v < vectors; ++v) store(lane + v * Vector::width, sum[v]);
  for (std::size_t half = lanes / 2; half != 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lane[j] += lane[j + half];
  }
  return lane[0];
}

// Rows of delta from `delta` with the kernel's row `input`, a panel at a time.
template <std::size_t Rows>
static void dot_rows(const float* delta, std::size_t units, const float* kernel, std::size_t input,
                     std::size_t count, float* gradient, std::size_t stride) {
  Vector sum[Rows][vectors];
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t v = 0; v < vectors; ++v) sum[r][v] = zero();
  }
  std::size_t unit = 0;
  for (; unit + lanes <= units; unit += lanes) {
    const float* kernel_row = kernel + kernel_index(count, units, input, unit);
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector weight = load(kernel_row + v * Vector::width);
      for (std::size_t r = 0; r < Rows; ++r) {
        sum[r][v] =
            multiply_add(load(delta + r * units + unit + v * Vector::width), weight, sum[r][v]);
      }
    }
  }
  for (std::size_t v = 0; unit < units; ++v, unit += Vector::width) {
    const std::size_t rest = units - unit < Vector::width ? units - unit : Vector::width;
    const Vector weight = load_first(kernel + kernel_index(count, units, input, unit), rest);
    for (std::size_t r = 0; r < Rows; ++r) {
      sum[r][v] = multiply_add(load_first(delta + r * units + unit, rest), weight, sum[r][v]);
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) gradient[r * stride + input] = sum_of_lanes(sum[r]);
}

// One unit: the sum has one term, and the kernel is a vector.
static void outer_product(const float* delta, std::size_t rows, const float* kernel,
                          std::size_t count, float* gradient, std::size_t stride) {
  for (std::size_t r = 0; r < rows; ++r) {
    const Vector value = broadcast(delta[r]);
    for (std::size_t k = 0; k < count; k += Vector::width) {
      const std::size_t here = count - k < Vector::width ? count - k : Vector::width;
      // Added to zero like every other sum, which turns -0 into +0.
      store_first(gradient + r * stride + k, here, value * load_first(kernel + k, here) + zero());
    }
  }
}

void dense_backward_input(const float* delta, std::size_t rows, std::size_t units,
                          const float* kernel, std::size_t count, float* gradient,
                          std::size_t stride) {
  if (units == 1) return outer_product(delta, rows, kernel, count, gradient, stride);
  for (std::size_t k = 0; k < count; ++k) {
    std::size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      dot_rows<4>(delta + r * units, units, kernel, k, count, gradient + r * stride, stride);
    }
    for (; r < rows; ++r) {
      dot_rows<1>(delta + r * units, units, kernel, k, count, gradient + r * stride, stride);
    }
  }
}

}  // namespace graft::cpu::GRAFT_ISA
