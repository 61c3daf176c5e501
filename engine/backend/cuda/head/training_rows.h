#pragma once
// The rows that training picks its batches from. Where they fit the device they are resident: an
// epoch's order is copied once, and a kernel gathers each batch. Else they stream: the host gathers
// each batch into pinned memory, and it is copied while earlier batches are computed. Both normalise
// rows as they gather them, and give the same bytes in the same memory.
//
// On the device: 4·(columns + 2) bytes for a row, 8·columns for the normalisation. Bytes moved for a
// row of a batch: resident those of gather_rows.h; streamed those of feature_ring.h, and once more
// from the ring to the batch.

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/head/feature_ring.h"
#include "engine/backend/cuda/head/resident_rows.h"
#include "engine/backend/cuda/runtime/device.h"
#include "engine/backend/cuda/runtime/kernel_trace.h"
#include "engine/backend/cuda/runtime/resources.h"

namespace graft::cuda {

class TrainingRows {
 public:
  // `ring` is borrowed; a slot of it holds a batch. most_resident_bytes: cuda_head.h.
  TrainingRows(std::size_t batch_size, std::size_t views, FeatureRing& ring,
               std::size_t most_resident_bytes);

  // A label for each `views` rows. The rows stay borrowed; resident ones are copied before this
  // returns.
  void set(FeatureView features, std::span<const std::uint32_t> labels,
           const Normalization& normalization, const Device& device, const Stream& compute);
  std::size_t count() const { return features_.rows; }
  bool resident() const { return !resident_.empty(); }

  // At most count() rows, to be taken one batch after the other. They must stay as they are until
  // `compute` was waited for.
  void begin_epoch(std::span<const std::uint32_t> order, const Stream& compute);
  // Before take(): streamed rows of the next batch are on their way from here on; resident ones are
  // there. The host waits only for a slot of the ring. `trace` is of `compute`.
  void send(std::span<const std::uint32_t> rows, const Stream& compute, KernelTrace& trace);
  // The batch of `count` rows that begins at place *first of the order, for work that is enqueued
  // into `compute` from now on. `first` is on the device. May be captured into a graph.
  DeviceRows take(const std::uint64_t* first, std::size_t count, const Stream& compute,
                  KernelTrace& trace) const;

  // Memory beside the ring and the resident rows.
  static double device_bytes(double batch_size, double chunk, double columns);

 private:
  FeatureRing& ring_;
  std::size_t views_;
  FeatureView features_;
  std::span<const std::uint32_t> labels_;
  Normalization normalization_;
  DeviceBuffer factors_;   // mean, then scale, of each column
  DeviceBuffer batch_;     // as a slot of the ring
  ResidentRows resident_;  // all rows, or none
  DeviceBuffer order_;     // row numbers of the epoch
};

}  // namespace graft::cuda
