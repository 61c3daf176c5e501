#pragma once
// Pixels to the network's input, by the tables of kernels/pixel_tables.h.
//
// Bytes moved for a pixel: 3 read, 12 written.

#include <cstddef>

#include "kernels/pixel_tables.h"

namespace graft::cpu {

struct PreprocessImage {
  std::size_t height, width;
  const std::uint8_t* rgb;  // height × width × 3
  float* output;  // (height + 2) × (width + 2) × 3; the border is the caller's, not written
};
void preprocess(const PixelTables& tables, const PreprocessImage& image);

}  // namespace graft::cpu
