#include "engine/backend/cuda/head/training_rows.h"

#include <algorithm>

#include "kernels/cuda/gather_rows.h"

namespace graft::cuda {

TrainingRows::TrainingRows(std::size_t batch_size, std::size_t views, FeatureRing& ring,
                           std::size_t most_resident_bytes)
    : ring_(ring),
      views_(views),
      factors_(2 * ring.columns() * sizeof(float)),
      batch_(ring.slot_bytes(batch_size)),
      resident_(most_resident_bytes) {}

double TrainingRows::device_bytes(double batch_size, double chunk, double columns) {
  return 4.0 * (batch_size * columns + chunk) + 256.0 + 8.0 * columns;
}

void TrainingRows::set(FeatureView features, std::span<const std::uint32_t> labels,
                       const Normalization& normalization, const Device& device,
                       const Stream& compute) {
  features_ = {};  // until the new ones are complete
  normalization_ = normalization;
  order_ = {};
  resident_.set(features, labels, features.rows, device, compute);
  if (resident()) {
    order_ = DeviceBuffer(features.rows * sizeof(std::uint32_t));
    const std::size_t factors = normalization_.scale.size();
    copy_to_device(factors_.data(), normalization_.mean.data(), factors * sizeof(float), compute);
    copy_to_device(factors_.as<float>() + factors, normalization_.scale.data(),
                   factors * sizeof(float), compute);
    compute.wait();
  }
  features_ = features;
  labels_ = labels;
}

void TrainingRows::begin_epoch(std::span<const std::uint32_t> order, const Stream& compute) {
  if (resident()) copy_to_device(order_.data(), order.data(), order.size_bytes(), compute);
}

void TrainingRows::send(std::span<const std::uint32_t> rows, const Stream& compute,
                        KernelTrace& trace) {
  if (resident()) return;
  const FeatureRing::Rows slot = ring_.next();
  const std::size_t columns = features_.columns;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* row = features_.row(rows[i]);
    float* to = slot.features + i * columns;
    if (normalization_.scale.empty()) {
      std::copy_n(row, columns, to);
    } else {
      const float* mean = normalization_.mean.data();
      const float* scale = normalization_.scale.data();
      for (std::size_t c = 0; c < columns; ++c) to[c] = (row[c] - mean[c]) * scale[c];
    }
    slot.labels[i] = labels_[rows[i] / views_];
  }
  const DeviceRows sent = ring_.send(rows.size(), compute);
  const std::size_t bytes = ring_.slot_bytes(rows.size());
  launch(trace, {"copy", {}, {bytes, bytes}}, [&] {
    GRAFT_CUDA_CHECK(cudaMemcpyAsync(batch_.data(), sent.labels, bytes, cudaMemcpyDeviceToDevice,
                                     compute.get()));
  });
  ring_.release(compute);
}

DeviceRows TrainingRows::take(const std::uint64_t* first, std::size_t count, const Stream& compute,
                              KernelTrace& trace) const {
  const FeatureRing::Rows batch = ring_.rows_at(batch_.data());
  if (resident()) {
    const std::size_t columns = features_.columns;
    const DeviceRows all = resident_.chunk(0);
    GatherSource source = {all.features, all.labels, columns, views_};
    const bool normalized = !normalization_.scale.empty();
    if (normalized) {
      source.mean = factors_.as<float>();
      source.scale = source.mean + columns;
    }
    launch(trace, {"gather_rows", {}, gather_rows_bytes(count, columns, normalized)}, [&] {
      gather_rows(batch.features, batch.labels, source, order_.as<std::uint32_t>(), first, count,
                  compute.get());
    });
  }
  return {batch.features, batch.labels};
}

}  // namespace graft::cuda
