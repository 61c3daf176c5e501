#include "engine/backend/cuda/head/head_arrays.h"

#include <algorithm>

#include "engine/backend/cuda/head/dense_products.h"
#include "engine/backend/cuda/head/feature_ring.h"
#include "engine/backend/cuda/head/training_rows.h"
#include "engine/base/error.h"
#include "engine/base/memory.h"

namespace graft::cuda {

namespace {

constexpr const char* advice =
    "choose smaller layers (head.hidden), a smaller train.batch_size or data.image_size";

class Cursor {
 public:
  explicit Cursor(std::byte* memory) : memory_(memory) {}
  template <typename Value>
  Value* take(std::size_t count) {
    auto* const array = reinterpret_cast<Value*>(memory_ + bytes_);
    bytes_ += (count * sizeof(Value) + 255) / 256 * 256;
    return array;
  }
  TensorArrays take_tensor(std::size_t count) {
    auto* const parameters = take<float>(count);
    auto* const mean_squares = take<float>(count);
    return {parameters, mean_squares, take<float>(count), count};
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* memory_;
  std::size_t bytes_ = 0;
};

// In bytes and in floating point: no size is too large for it.
struct Sizes {
  double device;
  double pinned;
  double state;  // a HeadState, and folded parameters
};

Sizes sizes_of(const HeadOptions& options) {
  const auto chunk = static_cast<double>(rows_of_chunk(options));
  const auto batch = static_cast<double>(options.batch_size);
  const auto columns = static_cast<double>(options.inputs);
  const double ring = FeatureRing::bytes(chunk, columns);
  Sizes sizes = {ring + TrainingRows::device_bytes(batch, chunk, columns) +
                     static_cast<double>(CublasLt::workspace_bytes) + 7.0 * 256.0 +
                     chunk * (8.0 * static_cast<double>(options.classes) + sizeof(LossTotals)) +
                     4.0 * static_cast<double>(options.classes),
                 ring, 0.0};
  for (const DenseShape& shape : options.layers()) {
    const auto units = static_cast<double>(shape.outputs);
    const double parameters = (static_cast<double>(shape.inputs) + 1.0) * units;
    sizes.device += 12.0 * parameters + 4.0 * (chunk + batch) * units + 8.0 * 256.0;
    sizes.state += 12.0 * parameters;
  }
  return sizes;
}

}  // namespace

std::size_t rows_of_chunk(const HeadOptions& options) {
  constexpr std::size_t chunk_bytes = std::size_t{8} << 20U;
  const std::size_t rows = chunk_bytes / sizeof(float) / options.inputs;
  const std::size_t least = std::max(options.batch_size, std::clamp<std::size_t>(rows, 1, 256));
  return (least + options.views - 1) / options.views * options.views;
}

void check_head_memory(const HeadOptions& options, const Device& device) {
  const Sizes sizes = sizes_of(options);
  if (sizes.device > static_cast<double>(device.memory_now().free)) {
    refuse_head_memory(options, device);
  }
  check_memory("The head", sizes.pinned + sizes.state, advice);
}

void refuse_head_memory(const HeadOptions& options, const Device& device) {
  const Sizes sizes = sizes_of(options);
  const Device::Memory memory = device.memory_now();
  constexpr double gibibyte = 1024.0 * 1024.0 * 1024.0;
  throw Error(ErrorKind::device,
              "The head needs {:.2f} GiB of memory on the GPU, and {:.2f} of the {:.2f} GiB of {} "
              "are free; it also needs {:.2f} GiB of pinned memory on this machine: {}.",
              sizes.device / gibibyte, static_cast<double>(memory.free) / gibibyte,
              static_cast<double>(memory.total) / gibibyte, device.name(), sizes.pinned / gibibyte,
              advice);
}

HeadArrays arrange(const HeadOptions& options, std::byte* memory) {
  Cursor cursor(memory);
  HeadArrays arrays = {};
  const std::size_t chunk = rows_of_chunk(options);
  for (const auto [inputs, units] : options.layers()) {
    DenseArrays dense = {inputs,
                         units,
                         cursor.take_tensor(inputs * units),
                         cursor.take_tensor(units),
                         cursor.take<float>(chunk * units),
                         nullptr};
    dense.delta = cursor.take<float>(options.batch_size * units);
    arrays.layers.push_back(dense);
  }
  arrays.probabilities = cursor.take<float>(chunk * options.classes);
  arrays.mean_logits = cursor.take<float>(chunk / options.views * options.outputs());
  arrays.class_weights = cursor.take<float>(options.classes);
  arrays.row_losses = cursor.take<LossTotals>(chunk);
  arrays.trained = cursor.take<LossTotals>(1);
  arrays.evaluated = cursor.take<LossTotals>(1);
  arrays.step = cursor.take<TrainingStep>(1);
  arrays.bytes = cursor.bytes();
  return arrays;
}

}  // namespace graft::cuda
