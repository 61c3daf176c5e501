#pragma once
// Rows of features and the labels of their photos, on the device where they fit: 4·columns bytes
// for a row and 4 for a label.

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/head/feature_ring.h"
#include "engine/backend/cuda/runtime/device.h"
#include "engine/backend/cuda/runtime/resources.h"

namespace graft::cuda {

class ResidentRows {
 public:
  // Left free beside resident rows: for kernels that the driver loads at their first launch, and
  // for other programs.
  static constexpr std::size_t reserve = std::size_t{256} << 20U;

  // most_bytes: rows that take more are not copied even where they would fit.
  explicit ResidentRows(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // In place of the ones before: copies the rows before it returns, or keeps none where they do not
  // fit. Each chunk of `chunk` rows begins on a 256-byte boundary.
  void set(FeatureView features, std::span<const std::uint32_t> labels, std::size_t chunk,
           const Device& device, const Stream& stream);
  bool empty() const { return memory_.data() == nullptr; }
  // The rows of a chunk (0, 1, …), and the labels of all photos.
  DeviceRows chunk(std::size_t index) const {
    return {reinterpret_cast<const float*>(memory_.data() + index * stride_),
            reinterpret_cast<const std::uint32_t*>(memory_.data() + label_offset_)};
  }

 private:
  std::size_t most_bytes_;
  std::size_t stride_ = 0;        // bytes from chunk to chunk
  std::size_t label_offset_ = 0;  // bytes
  DeviceBuffer memory_;           // chunks, then labels
};

}  // namespace graft::cuda
