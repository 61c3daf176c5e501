#pragma once
// The weights of Pillow's antialiased filters along one axis, and the passes along rows and columns
// of 8-bit pixels of 3 channels. Weights are in fixed point, sums are exact in 32 bits and rounded
// to 8, so every vector unit gives the same bytes.

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

enum class Instructions { best, portable };  // portable: those of every machine, for tests

// rows × in_width × 3 to rows × weights.size() × 3. Reads and writes each byte once from memory; a
// row is used from the first-level cache.
void resize_rows(const std::uint8_t* in, std::size_t in_width, std::size_t rows,
                 const Weights& weights, std::uint8_t* out,
                 Instructions instructions = Instructions::best);

// in_height × row_bytes to weights.size() × row_bytes. Reads each row once from memory for every
// output row that it is part of: twice the filter's support on average.
void resize_columns(const std::uint8_t* in, std::size_t row_bytes, const Weights& weights,
                    std::uint8_t* out, Instructions instructions = Instructions::best);

}  // namespace graft::image
