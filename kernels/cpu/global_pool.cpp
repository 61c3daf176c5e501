// The sums and maxima stay in registers while the pixels go by.

#include "kernels/cpu/global_pool.h"

#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

static constexpr std::size_t vectors = global_pool_channels / Vector::width;

void global_pool(const GlobalPoolMap& map) {
  const float* pixel = map.values;
  Vector total[vectors], largest[vectors];
  for (std::size_t v = 0; v < vectors; ++v) {
    total[v] = zero();
    largest[v] = load(pixel + v * Vector::width);
  }
  for (std::size_t y = 0; y < map.height; ++y) {
    Vector row[vectors];
    for (std::size_t v = 0; v < vectors; ++v) row[v] = zero();
    for (std::size_t x = 0; x < map.width; ++x, pixel += map.pixel_stride) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; ++v) {
        const Vector value = load(pixel + v * Vector::width);
        row[v] = row[v] + value;
        largest[v] = maximum(largest[v], value);
      }
    }
    for (std::size_t v = 0; v < vectors; ++v) total[v] = total[v] + row[v];
  }
  const Vector pixels = broadcast(static_cast<float>(map.height * map.width));
  for (std::size_t v = 0; v < vectors; ++v) {
    if (map.average != nullptr) store(map.average + v * Vector::width, total[v] / pixels);
    if (map.maximum != nullptr) store(map.maximum + v * Vector::width, largest[v]);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
