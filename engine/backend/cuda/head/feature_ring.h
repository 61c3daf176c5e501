#pragma once
// Rows of features, with a label each, on their way to the device: the host fills pinned memory
// while earlier slots are copied and computed on. The source may be a mapped file, which is read
// then and never pinned.
//
// A slot goes round: fill → copy (in a stream of its own) → compute → fill. The host waits only for
// a slot whose copy is not done; a copy waits for the work on its slot.
//
// Bytes moved for a row: 4·columns + 4 read and written by the host, and once over the bus.

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/backend/cuda/runtime/resources.h"

namespace graft::cuda {

// On the device.
struct DeviceRows {
  const float* features = nullptr;
  const std::uint32_t* labels = nullptr;
};

class FeatureRing {
 public:
  static constexpr std::size_t depth = 3;  // one is filled, one copied, one computed on

  // Slots of `rows` rows. Features begin on a 256-byte boundary.
  FeatureRing(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns) {
    const std::size_t bytes = label_bytes() + feature_bytes(rows);
    for (Slot& slot : slots_) {
      slot.host = PinnedBuffer(bytes);
      slot.device = DeviceBuffer(bytes);
    }
  }

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  // Of pinned memory, and as many of device memory.
  static double bytes(double rows, double columns) {
    return static_cast<double>(depth) * (4.0 * rows * (columns + 1.0) + 256.0);
  }

  struct HostRows {
    float* features;
    std::uint32_t* labels;
  };
  // The next slot, for the host to fill and send.
  HostRows next() {
    ++turn_;
    const Slot& slot = present();
    slot.copied.wait();
    return {reinterpret_cast<float*>(slot.host.data() + label_bytes()),
            slot.host.as<std::uint32_t>()};
  }
  // To the slot's device memory. `compute` continues after the copy.
  DeviceRows send(std::size_t count, const Stream& compute) {
    Slot& slot = present();
    slot.used.hold(copies_);
    copy_to_device(slot.device.data(), slot.host.data(), label_bytes() + feature_bytes(count),
                   copies_);
    slot.copied.record(copies_);
    slot.copied.hold(compute);
    return {reinterpret_cast<const float*>(slot.device.data() + label_bytes()),
            slot.device.as<std::uint32_t>()};
  }
  // Work that has been enqueued into `compute` so far is the last to read what send() returned.
  void release(const Stream& compute) { present().used.record(compute); }

 private:
  struct Slot {
    PinnedBuffer host;
    DeviceBuffer device;
    Event copied, used;
  };
  std::size_t label_bytes() const { return (rows_ * sizeof(std::uint32_t) + 255) / 256 * 256; }
  std::size_t feature_bytes(std::size_t rows) const { return rows * columns_ * sizeof(float); }
  Slot& present() { return slots_[turn_ % depth]; }

  std::size_t rows_, columns_;
  std::size_t turn_ = 0;
  Stream copies_;
  std::array<Slot, depth> slots_;  // labels, then features
};

}  // namespace graft::cuda
