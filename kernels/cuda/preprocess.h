#pragma once
// Decoded pixels to the network's input, NHWC. It runs on the device, so that a copy to the device
// moves one byte for each value instead of four. Channel c of a pixel (red, green, blue)
// becomes tables[c][pixel[source[c]]], rounded to T: the tables of kernels/pixel_tables.h, so
// that float results are the CPU's to the bit. Channels beyond the third, which some convolutions
// want, become 0.
//
// Bytes moved for a pixel: 3 read and channels·sizeof(T) written; the 3072 of the tables once.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/moved_bytes.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

struct DevicePixelTables {
  const float* values;  // 3 × 256 floats on the device: PixelTables::value
  std::uint8_t source[3];
};

//   out  pixels × channels; does not overlap rgb
//   rgb  pixels × 3
// Any alignment. channels: 3, 4 or 8, else std::invalid_argument. T: float, __half, __nv_bfloat16.
template <typename T>
void preprocess(T* out, const std::uint8_t* rgb, const DevicePixelTables& tables,
                std::size_t pixels, std::size_t channels, cudaStream_t stream);

// Bytes moved, to values of `value_bytes` each.
constexpr MovedBytes preprocess_bytes(std::size_t value_bytes, std::size_t pixels,
                                      std::size_t channels) {
  return {3 * pixels + std::size_t{3} * 256 * sizeof(float), value_bytes * pixels * channels};
}

}  // namespace graft::cuda
