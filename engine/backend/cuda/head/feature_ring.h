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
    for (Slot& slot : slots_) {
      slot.host = PinnedBuffer(slot_bytes(rows));
      slot.device = DeviceBuffer(slot_bytes(rows));
    }
  }

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  // Of pinned memory, and as many of device memory.
  static double bytes(double rows, double columns) {
    return static_cast<double>(depth) * (4.0 * rows * (columns + 1.0) + 256.0);
  }

  // A slot's memory with `count` rows: labels, then features.
  std::size_t slot_bytes(std::size_t count) const {
    return label_bytes() + count * columns_ * sizeof(float);
  }
  struct Rows {
    float* features;
    std::uint32_t* labels;
  };
  Rows rows_at(std::byte* slot) const {
    return {reinterpret_cast<float*>(slot + label_bytes()), reinterpret_cast<std::uint32_t*>(slot)};
  }

  // The next slot, for the host to fill and send.
  Rows next() {
    ++turn_;
    present().copied.wait();
    return rows_at(present().host.data());
  }
  // To the slot's device memory. `compute` continues after the copy.
  DeviceRows send(std::size_t count, const Stream& compute) {
    Slot& slot = present();
    slot.used.hold(copies_);
    copy_to_device(slot.device.data(), slot.host.data(), slot_bytes(count), copies_);
    slot.copied.record(copies_);
    slot.copied.hold(compute);
    const Rows rows = rows_at(slot.device.data());
    return {rows.features, rows.labels};
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
  Slot& present() { return slots_[turn_ % depth]; }

  std::size_t rows_, columns_;
  std::size_t turn_ = 0;
  Stream copies_;
  std::array<Slot, depth> slots_;
};

}  // namespace graft::cuda
