#pragma once
// The weights of Pillow's antialiased filters along one axis, in fixed point.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/config/config.h"

namespace graft::image {

inline constexpr int fraction_bits = 32 - 8 - 2;  // 8 bits of result, 2 for sums below 0 or above 1

// Output position i is the sum of count[i] source positions from first[i] on, each times a weight.
struct Weights {
  std::size_t stride = 0;  // position i's weights start at i · stride
  std::vector<std::uint32_t> first;
  std::vector<std::uint32_t> count;
  std::vector<std::int32_t> weight;

  std::size_t size() const { return first.size(); }
  const std::int32_t* of(std::size_t position) const { return &weight[position * stride]; }
};

// `filter` is not nearest.
Weights weights_of(Resize filter, std::uint32_t in_size, std::uint32_t out_size);

}  // namespace graft::image
