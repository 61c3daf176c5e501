#include "engine/backend/cuda/head/resident_rows.h"

#include <algorithm>

namespace graft::cuda {

void ResidentRows::set(FeatureView features, std::span<const std::uint32_t> labels,
                       std::size_t chunk, const Device& device, const Stream& stream) {
  memory_ = {};
  if (features.rows == 0) return;
  const std::size_t row_bytes = features.columns * sizeof(float);
  const std::size_t before_last = (features.rows - 1) / chunk;
  stride_ = (chunk * row_bytes + 255) / 256 * 256;
  label_offset_ = before_last * stride_ + (features.rows - before_last * chunk) * row_bytes;
  const std::size_t bytes = label_offset_ + labels.size_bytes();
  const std::size_t free = device.memory_now().free;
  if (bytes > most_bytes_ || free < reserve || bytes > free - reserve) return;
  // Another program may have taken the memory in between, or it may be fragmented: no failure, the
  // rows stream then.
  memory_ = if_memory_allows([&] { return DeviceBuffer(bytes); }).value_or(DeviceBuffer());
  if (empty()) return;
  for (std::size_t first = 0; first < features.rows; first += chunk) {
    copy_to_device(memory_.data() + first / chunk * stride_, features.row(first),
                   std::min(chunk, features.rows - first) * row_bytes, stream);
  }
  copy_to_device(memory_.data() + label_offset_, labels.data(), labels.size_bytes(), stream);
  stream.wait();
}

}  // namespace graft::cuda
