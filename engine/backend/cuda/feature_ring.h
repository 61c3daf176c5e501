#pragma once
// Rows of features, and a label for each, on their way to the device: the host fills pinned memory
// while earlier slots are copied and computed on. The rows that it reads may lie in a mapped file,
// which is read then and never pinned.
//
// A slot goes round: fill → copy (stream of its own) → compute → fill. The host waits only when it
// comes round to a slot whose copy is not done; a copy waits for what computes on its slot.
//
// Bytes moved for a row: 4·columns + 4 read and written by the host, and once over the bus.

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/backend/cuda/resources.h"

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
  FeatureRing(std::size_t rows, std::size_t columns);

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  // What each of pinned and device memory it takes.
  static double bytes(double rows, double columns);

  struct HostRows {
    float* features;
    std::uint32_t* labels;
  };
  // The next slot, for the host to fill. Ends with one of the two below.
  HostRows next();
  // To the slot's own device memory. `compute` goes on when they are there.
  DeviceRows send(std::size_t count, const Stream& compute);
  // To `features` and `labels`, which nothing computes on yet; `compute` goes on when they are
  // there.
  void send_to(float* features, std::uint32_t* labels, std::size_t count, const Stream& compute);
  // What has been given to `compute` so far is the last to read what send() returned.
  void release(const Stream& compute);

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
