#pragma once
// The layouts of kernels/cpu/dense_layout.h, made element by element from row-major matrices.

#include <span>
#include <vector>

#include "kernels/cpu/dense_layout.h"

namespace graft::test {

// inputs: rows × count. What no element fills is 0.
inline std::vector<float> packed_rows(std::span<const float> inputs, std::size_t rows,
                                      std::size_t count) {
  std::vector<float> packed(cpu::packed_size(rows, count));
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t k = 0; k < count; ++k) {
      packed[cpu::packed_index(rows, r, k)] = inputs[r * count + k];
    }
  }
  return packed;
}

// One chunk, count × units.
inline std::vector<float> in_panels(std::span<const float> kernel, std::size_t count,
                                    std::size_t units) {
  std::vector<float> panels(kernel.size());
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t u = 0; u < units; ++u) {
      panels[cpu::kernel_index(count, units, k, u)] = kernel[k * units + u];
    }
  }
  return panels;
}

inline std::vector<float> from_panels(std::span<const float> panels, std::size_t count,
                                      std::size_t units) {
  std::vector<float> kernel(panels.size());
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t u = 0; u < units; ++u) {
      kernel[k * units + u] = panels[cpu::kernel_index(count, units, k, u)];
    }
  }
  return kernel;
}

}  // namespace graft::test
