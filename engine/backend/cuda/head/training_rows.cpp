#include "engine/backend/cuda/head/training_rows.h"

#include <algorithm>
#include <utility>

#include "kernels/cuda/gather_rows.h"

namespace graft::cuda {

TrainingRows::TrainingRows(std::size_t batch_size, std::size_t views, FeatureRing& ring,
                           std::size_t most_resident_bytes)
    : ring_(ring),
      batch_size_(batch_size),
      views_(views),
      most_resident_bytes_(most_resident_bytes),
      factors_(2 * ring.columns() * sizeof(float)),
      batch_(bytes_of(batch_size, ring.columns())),
      row_numbers_(batch_size * sizeof(std::uint32_t)),
      pinned_numbers_(depth * batch_size * sizeof(std::uint32_t)) {}

double TrainingRows::device_bytes(double batch_size, double columns) {
  return 4.0 * batch_size * (columns + 2.0) + 8.0 * columns;
}

double TrainingRows::pinned_bytes(double batch_size) {
  return 4.0 * static_cast<double>(depth) * batch_size;
}

TrainingRows::Place TrainingRows::place(const DeviceBuffer& memory, std::size_t rows,
                                        std::size_t columns) {
  auto* features = memory.as<float>();
  return {features, reinterpret_cast<std::uint32_t*>(features + rows * columns)};
}

void TrainingRows::set(FeatureView features, std::span<const std::uint32_t> labels,
                       const Normalization& normalization, const Device& device,
                       const Stream& compute) {
  features_ = {};  // until the new ones are complete
  normalization_ = normalization;
  resident_ = {};
  if (features.rows != 0) {
    resident_ = memory_for(bytes_of(features.rows, features.columns), device);
  }
  if (resident()) {
    const Place to = place(resident_, features.rows, features.columns);
    const std::size_t bytes = features.rows * features.columns * sizeof(float);
    copy_to_device(to.features, features.data, bytes, compute);
    copy_to_device(to.labels, labels.data(), labels.size_bytes(), compute);
    const std::size_t factors = normalization_.scale.size();
    copy_to_device(factors_.data(), normalization_.mean.data(), factors * sizeof(float), compute);
    copy_to_device(factors_.as<float>() + factors, normalization_.scale.data(),
                   factors * sizeof(float), compute);
    compute.wait();
  }
  features_ = features;
  labels_ = labels;
}

// Empty where the rows do not fit. Another program may have taken the memory in between, or it may
// be fragmented: no failure, the rows stream then.
DeviceBuffer TrainingRows::memory_for(std::size_t bytes, const Device& device) const {
  const std::size_t free = device.memory_now().free;
  if (bytes > most_resident_bytes_ || free < reserve || bytes > free - reserve) return {};
  return if_memory_allows([&] { return DeviceBuffer(bytes); }).value_or(DeviceBuffer());
}

DeviceRows TrainingRows::batch(std::span<const std::uint32_t> rows, const Stream& compute,
                               KernelTrace& trace) {
  return resident() ? gathered(rows, compute, trace) : streamed(rows, compute);
}

void TrainingRows::release(const Stream& compute) {
  if (!resident()) ring_.release(compute);
}

DeviceRows TrainingRows::gathered(std::span<const std::uint32_t> rows, const Stream& compute,
                                  KernelTrace& trace) {
  const std::size_t turn = turn_++ % depth;
  auto* numbers = pinned_numbers_.as<std::uint32_t>() + turn * batch_size_;
  numbers_copied_[turn].wait();
  std::ranges::copy(rows, numbers);
  launch(trace, {"copy", {}, {.read = rows.size_bytes()}},
         [&] { copy_to_device(row_numbers_.data(), numbers, rows.size_bytes(), compute); });
  numbers_copied_[turn].record(compute);
  const std::size_t columns = features_.columns;
  const Place all = place(resident_, features_.rows, columns);
  const Place batch = place(batch_, batch_size_, columns);
  GatherSource source = {all.features, all.labels, columns, views_};
  const bool normalized = !normalization_.scale.empty();
  if (normalized) {
    source.mean = factors_.as<float>();
    source.scale = source.mean + columns;
  }
  launch(trace, {"gather_rows", {}, gather_rows_bytes(rows.size(), columns, normalized)}, [&] {
    gather_rows(batch.features, batch.labels, source, row_numbers_.as<std::uint32_t>(), rows.size(),
                compute.get());
  });
  return {batch.features, batch.labels};
}

DeviceRows TrainingRows::streamed(std::span<const std::uint32_t> rows, const Stream& compute) {
  const FeatureRing::HostRows slot = ring_.next();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* row = features_.row(rows[i]);
    float* to = slot.features + i * features_.columns;
    if (normalization_.scale.empty()) {
      std::copy_n(row, features_.columns, to);
    } else {
      const float* mean = normalization_.mean.data();
      const float* scale = normalization_.scale.data();
      for (std::size_t c = 0; c < features_.columns; ++c) to[c] = (row[c] - mean[c]) * scale[c];
    }
    slot.labels[i] = labels_[rows[i] / views_];
  }
  return ring_.send(rows.size(), compute);
}

}  // namespace graft::cuda
