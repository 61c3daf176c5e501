#pragma once
// One pass of a filtered resize over 8-bit pixels of 3 channels. Sums are exact in 32 bits and
// rounded to 8, so that every vector unit gives the same bytes.

#include <cstddef>
#include <cstdint>

#include "engine/image/resize_weights.h"

namespace graft::image {

// rows × in_width × 3 to rows × weights.size() × 3. Reads and writes each byte once from memory; a
// row is used from the first-level cache.
void resize_rows(const std::uint8_t* in, std::size_t in_width, std::size_t rows,
                 const Weights& weights, std::uint8_t* out);

// in_height × row_bytes to weights.size() × row_bytes. Reads each row once from memory for every
// output row that it is part of: twice the filter's support on average.
void resize_columns(const std::uint8_t* in, std::size_t row_bytes, const Weights& weights,
                    std::uint8_t* out);

// The same by instructions that every machine has.
void resize_rows_portable(const std::uint8_t* in, std::size_t in_width, std::size_t rows,
                          const Weights& weights, std::uint8_t* out);
void resize_columns_portable(const std::uint8_t* in, std::size_t row_bytes, const Weights& weights,
                             std::uint8_t* out);

}  // namespace graft::image
