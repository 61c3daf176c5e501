#pragma once
// The rows that training picks its batches from. Where they fit the device they are resident: a
// batch costs a copy of its row numbers and a gather by a kernel. Else they stream: the host
// gathers each batch's rows into pinned memory, and they are copied while earlier batches are
// computed. Both normalise rows as they gather them, and give the same bytes.
//
// On the device: 4·(columns + 1) bytes for a row, 8·columns for the normalisation. Bytes moved for a
// row of a batch: resident 4 over the bus and those of gather_rows.h; streamed those of
// feature_ring.h.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/head/feature_ring.h"
#include "engine/backend/cuda/runtime/device.h"
#include "engine/backend/cuda/runtime/kernel_trace.h"
#include "engine/backend/cuda/runtime/resources.h"

namespace graft::cuda {

class TrainingRows {
 public:
  // The host may be so many batches ahead of the device. When batch() returns, all work that was
  // enqueued into `compute` before the batch of `depth` batches ago is done.
  static constexpr std::size_t depth = 64;
  // Left free beside resident rows: for kernels that the driver loads at their first launch, and
  // for other programs.
  static constexpr std::size_t reserve = std::size_t{256} << 20U;

  // most_resident_bytes: rows that take more stream even where they would fit. `ring` is borrowed;
  // a slot of it holds a batch.
  TrainingRows(std::size_t batch_size, std::size_t views, FeatureRing& ring,
               std::size_t most_resident_bytes);

  // A label for each `views` rows. The rows stay borrowed; resident ones are copied before this
  // returns.
  void set(FeatureView features, std::span<const std::uint32_t> labels,
           const Normalization& normalization, const Device& device, const Stream& compute);
  std::size_t count() const { return features_.rows; }
  bool resident() const { return resident_.data() != nullptr; }

  // The batch, on the device, for work that is enqueued into `compute` from now on. The host waits
  // only when it is `depth` batches ahead (resident), or for a slot of the ring. `trace` is of
  // `compute`.
  DeviceRows batch(std::span<const std::uint32_t> rows, const Stream& compute, KernelTrace& trace);
  // Work that has been enqueued into `compute` so far is the last to read the batch.
  void release(const Stream& compute);

  // Memory beside the ring and the resident rows.
  static double device_bytes(double batch_size, double columns);
  static double pinned_bytes(double batch_size);

 private:
  // Rows in device memory: features, then labels.
  struct Place {
    float* features;
    std::uint32_t* labels;
  };
  static Place place(const DeviceBuffer& memory, std::size_t rows, std::size_t columns);
  static std::size_t bytes_of(std::size_t rows, std::size_t columns) {
    return rows * (columns + 1) * sizeof(float);
  }
  DeviceBuffer memory_for(std::size_t bytes, const Device& device) const;
  DeviceRows gathered(std::span<const std::uint32_t> rows, const Stream& compute,
                      KernelTrace& trace);
  DeviceRows streamed(std::span<const std::uint32_t> rows, const Stream& compute);

  FeatureRing& ring_;
  std::size_t batch_size_;
  std::size_t views_;
  std::size_t most_resident_bytes_;
  FeatureView features_;
  std::span<const std::uint32_t> labels_;
  Normalization normalization_;
  DeviceBuffer factors_;   // mean, then scale, of each column
  DeviceBuffer resident_;  // all rows, or nothing
  DeviceBuffer batch_;     // gathered from it
  // The row numbers of the batch: one set on the device, since copies and gathers run in compute's
  // order; a pinned ring of `depth` sets, since the host runs ahead.
  DeviceBuffer row_numbers_;
  PinnedBuffer pinned_numbers_;
  std::array<Event, depth> numbers_copied_;
  std::size_t turn_ = 0;
};

}  // namespace graft::cuda
