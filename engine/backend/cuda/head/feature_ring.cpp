#include "engine/backend/cuda/head/feature_ring.h"

namespace graft::cuda {

FeatureRing::FeatureRing(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns) {
  const std::size_t bytes = label_bytes() + feature_bytes(rows);
  for (Slot& slot : slots_) {
    slot.host = PinnedBuffer(bytes);
    slot.device = DeviceBuffer(bytes);
  }
}

double FeatureRing::bytes(double rows, double columns) {
  return static_cast<double>(depth) * (4.0 * rows * (columns + 1.0) + 256.0);
}

FeatureRing::HostRows FeatureRing::next() {
  ++turn_;
  const Slot& slot = present();
  slot.copied.wait();
  return {reinterpret_cast<float*>(slot.host.data() + label_bytes()),
          slot.host.as<std::uint32_t>()};
}

DeviceRows FeatureRing::send(std::size_t count, const Stream& compute) {
  Slot& slot = present();
  slot.used.hold(copies_);
  copy_to_device(slot.device.data(), slot.host.data(), label_bytes() + feature_bytes(count),
                 copies_);
  slot.copied.record(copies_);
  slot.copied.hold(compute);
  return {reinterpret_cast<const float*>(slot.device.data() + label_bytes()),
          slot.device.as<std::uint32_t>()};
}

void FeatureRing::release(const Stream& compute) {
  present().used.record(compute);
}

}  // namespace graft::cuda
