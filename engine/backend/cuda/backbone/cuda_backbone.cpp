#include "engine/backend/cuda/backbone/cuda_backbone.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "engine/backend/arithmetic.h"
#include "engine/backend/checks.h"
#include "engine/backend/cuda/backbone/packed_weights.h"
#include "engine/backend/cuda/cudnn/storage_type.h"
#include "engine/backend/cuda/runtime/kernel_trace.h"
#include "engine/backend/cuda/runtime/resources.h"
#include "engine/backend/cuda/runtime/stream_order.h"
#include "engine/base/error.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/cast_features.h"
#include "kernels/cuda/preprocess.h"

namespace graft::cuda {
namespace {

// The memory that BackboneMemory counts.
struct Arenas {
  explicit Arenas(const BackboneMemory& memory)
      : weights(memory.weight_bytes),
        activations(2 * memory.activation_bytes),
        workspace(memory.workspace_bytes),
        images(memory.image_bytes),
        features(memory.feature_bytes) {}
  DeviceBuffer weights, activations, workspace, images, features;
};

Arenas take_memory(const Device& device, const BackboneSpec& spec,
                   const std::function<std::size_t()>& fitting_batch) {
  if (spec.memory.total() <= device.memory_now().free) {
    auto arenas = if_memory_allows([&] { return Arenas(spec.memory); });
    if (arenas) return std::move(*arenas);
  }
  refuse_memory(device, spec, fitting_batch());
}

class CudaBackbone final : public Backbone {
 public:
  CudaBackbone(Device& device, const Vgg16Weights& weights, BackboneSpec spec,
               const std::function<std::size_t()>& fitting_batch, Tracer* tracer);

  Ticket submit(std::span<const std::uint8_t> images, std::size_t count,
                std::span<float> features) override;
  void wait(Ticket ticket) override;

 private:
  struct Batch {
    Ticket ticket = 0;
    Event done;
    PinnedBuffer flag;  // to be read when it is done
  };
  enum TraceRow : std::size_t { compute_row, copy_in_row, copy_out_row };

  void enqueue_network(std::size_t slot);
  template <typename T>
  void run_network(std::size_t slot);
  template <typename T>
  const T* run_layer(std::size_t layer, const T* input, std::uint32_t* flag);
  template <typename T>
  void pool_features(std::size_t layer, const T* output, float* features);
  std::uint8_t* image_slot(std::size_t slot) const {
    return arenas_.images.as<std::uint8_t>() + slot * (arenas_.images.size() / backbone_slots);
  }
  float* feature_slot(std::size_t slot) const {
    return reinterpret_cast<float*>(arenas_.features.data() +
                                    slot * (arenas_.features.size() / backbone_slots));
  }
  std::uint32_t* flag_slot(std::size_t slot) const {
    float* const behind = feature_slot(slot) + spec_.options.batch_size * spec_.feature_count;
    return spec_.flag_bytes() == 0 ? nullptr : reinterpret_cast<std::uint32_t*>(behind);
  }
  template <typename T>
  T* activations(std::size_t turn) const {
    return reinterpret_cast<T*>(arenas_.activations.data() + turn * spec_.memory.activation_bytes);
  }
  template <typename T = std::byte>
  const T* weights_at(std::size_t offset) const {
    return reinterpret_cast<const T*>(arenas_.weights.data() + offset);
  }
  Batch spare_batch();

  Device& device_;
  const BackboneSpec spec_;
  const Arenas arenas_;
  StreamOrder order_{backbone_slots};  // ends before the memory that its work uses
  std::vector<Graph> graphs_;          // one for each slot; none with a tracer
  KernelTrace trace_;
  std::deque<Batch> in_flight_;  // in order
  std::vector<Batch> spare_batches_;
  Ticket last_ = 0;
};

CudaBackbone::CudaBackbone(Device& device, const Vgg16Weights& weights, BackboneSpec spec,
                           const std::function<std::size_t()>& fitting_batch, Tracer* tracer)
    : device_(device), spec_(std::move(spec)), arenas_(take_memory(device, spec_, fitting_batch)) {
  const std::vector<std::byte> packed = packed_weights(weights, spec_);
  const Stream& stream = order_.compute();
  copy_to_device(arenas_.weights.data(), packed.data(), packed.size(), stream);
  GRAFT_CUDA_CHECK(cudaMemsetAsync(arenas_.images.data(), 0, arenas_.images.size(), stream.get()));
  for (std::size_t n = 0; n <= backbone_slots; ++n) {  // for as many batches in flight
    spare_batches_.push_back({0, Event(), PinnedBuffer(spec_.flag_bytes())});
  }
  // Once without a graph: code that is loaded at its first use cannot be loaded in a capture.
  enqueue_network(0);
  stream.wait();
  if (tracer != nullptr) {
    trace_ = KernelTrace(
        tracer,
        {{&stream, "cuda compute", "cuda compute (virtual GPU: order, no times)"},
         {&order_.copy_in(), "cuda copy in", "cuda copy in (virtual GPU: order, no times)"},
         {&order_.copy_out(), "cuda copy out", "cuda copy out (virtual GPU: order, no times)"}},
        device_.has_timer());
    return;
  }
  for (std::size_t slot = 0; slot < backbone_slots; ++slot) {
    graphs_.emplace_back(stream, [&] { enqueue_network(slot); });
  }
}

void CudaBackbone::enqueue_network(std::size_t slot) {
  with_storage_type(spec_.options.precision, [&](auto zero) { run_network<decltype(zero)>(slot); });
}

// From the images of a slot to its features, into the compute stream.
template <typename T>
void CudaBackbone::run_network(std::size_t slot) {
  const cudaStream_t stream = order_.compute().get();
  const std::size_t pixels = spec_.pixels(), channels = spec_.shapes[0].inputs;
  std::uint32_t* const flag = flag_slot(slot);
  if (flag != nullptr) GRAFT_CUDA_CHECK(cudaMemsetAsync(flag, 0, spec_.flag_bytes(), stream));
  DevicePixelTables tables{weights_at<float>(spec_.weights.tables), {}};
  std::ranges::copy(pixel_tables(spec_.options.preprocess).source, tables.source);
  launch(trace_, {"preprocess", {}, preprocess_bytes(sizeof(T), pixels, channels)}, [&] {
    preprocess(activations<T>(0), image_slot(slot), tables, pixels, channels, stream);
  });
  const T* values = activations<T>(0);
  for (std::size_t layer = 0; layer < spec_.shapes.size(); ++layer) {
    values = run_layer(layer, values, flag);
    pool_features(layer, values, feature_slot(slot));
  }
  if (spec_.options.features.pooling != Pooling::none) return;
  const std::size_t count = spec_.options.batch_size * spec_.feature_count;
  launch(trace_, {"cast_features", {}, cast_features_bytes(sizeof(T), count)},
         [&] { cast_features(feature_slot(slot), values, count, stream); });
}

// Reads `input`, one of the two buffers of activations. Returns the one with the layer's output.
template <typename T>
const T* CudaBackbone::run_layer(std::size_t layer, const T* input, std::uint32_t* flag) {
  const cudaStream_t stream = order_.compute().get();
  const char* const name = vgg16_layers[layer].name.data();
  const TraceSpan span(trace_.tracer(), name, layer);
  const ConvolutionPlan& plan = *spec_.plans[layer];
  const ConvolutionProblem& problem = plan.problem();
  T* const same = activations<T>(input == activations<T>(0) ? 0 : 1);
  T* const other = activations<T>(input == activations<T>(0) ? 1 : 0);
  const auto* bias = weights_at<float>(spec_.weights.bias[layer]);

  launch(trace_, {"convolution", name}, [&] {
    plan.run(stream, input, weights_at(spec_.weights.filters[layer]),
             weights_at(spec_.weights.stored_bias[layer]), other, arenas_.workspace.data());
  });
  if (spec_.shapes[layer].pool_after) {
    const BatchShape map{problem.batch, problem.height, problem.width, problem.output_channels};
    launch(trace_, {"bias_relu_max_pool", name, bias_relu_max_pool_bytes(sizeof(T), map)},
           [&] { bias_relu_max_pool(same, other, bias, map, stream, flag); });
    return same;
  }
  if (!problem.bias_relu) {
    const std::size_t pixels = problem.pixels(), channels = problem.output_channels;
    launch(trace_, {"bias_relu", name, bias_relu_bytes(sizeof(T), pixels, channels)},
           [&] { bias_relu(other, bias, pixels, channels, stream, flag); });
  }
  return other;
}

// The statistics of a layer's outputs that are features, into the rows of the images.
template <typename T>
void CudaBackbone::pool_features(std::size_t layer, const T* output, float* features) {
  const MovedBytes bytes = spec_.pool_bytes(layer);
  if (bytes.total() == 0) return;
  ChannelStatistics to = {nullptr, nullptr, spec_.feature_count};
  for (const FeatureGroup& group : spec_.feature_groups) {
    if (!group.is_statistic_of(layer)) continue;
    (group.statistic == Pooling::average ? to.average : to.maximum) = features + group.first;
  }
  launch(trace_, {"global_pool", vgg16_layers[layer].name.data(), bytes},
         [&] { global_pool(to, output, spec_.output(layer), order_.compute().get()); });
}

Backbone::Ticket CudaBackbone::submit(std::span<const std::uint8_t> images, std::size_t count,
                                      std::span<float> features) {
  check_batch(images, count, features, spec_.options);
  const std::size_t slot = last_ % backbone_slots;
  const std::size_t out = count * spec_.feature_count * sizeof(float);
  // A flag is of all rows of its batch: those without an image get the first one, so that no other
  // batch's image raises it.
  const std::size_t bytes = spec_.image_bytes;
  const std::size_t rows = spec_.flag_bytes() == 0 ? count : spec_.options.batch_size;
  const auto copy_in = [&](const Stream& stream) {
    launch(trace_, {"copy", {}, {.read = rows * bytes}, copy_in_row}, [&] {
      copy_to_device(image_slot(slot), images.data(), count * bytes, stream);
      for (std::size_t row = count; row < rows; ++row) {
        copy_to_device(image_slot(slot) + row * bytes, images.data(), bytes, stream);
      }
    });
  };
  const auto compute = [&](const Stream& stream) {
    if (graphs_.empty()) return enqueue_network(slot);
    graphs_[slot].launch(stream);
  };
  return device_.run("A batch of the backbone", [&] {
    trace_.begin_batch(last_);
    Batch batch = spare_batch();
    batch.ticket = last_ + 1;
    const auto copy_out = [&](const Stream& stream) {
      launch(trace_, {"copy", {}, {.written = out + spec_.flag_bytes()}, copy_out_row}, [&] {
        copy_to_host(features.data(), feature_slot(slot), out, stream);
        copy_to_host(batch.flag.data(), flag_slot(slot), spec_.flag_bytes(), stream);
      });
    };
    try {
      order_.enqueue(slot, copy_in, compute, copy_out, batch.done);
      in_flight_.push_back(std::move(batch));
    } catch (...) {
      order_.drain();  // a copy in flight uses the caller's memory
      spare_batches_.push_back(std::move(batch));
      throw;
    }
    return ++last_;
  });
}

void CudaBackbone::wait(Ticket ticket) {
  if (ticket > last_) {
    throw Error(ErrorKind::usage, "The backbone gave out no ticket {}: the last is {}.", ticket,
                last_);
  }
  device_.run("A batch of the backbone", [&] {
    const auto batch = std::ranges::find(in_flight_, ticket, &Batch::ticket);
    if (batch == in_flight_.end()) return;  // waited for before
    batch->done.wait();
    trace_.finish(ticket - 1);
    while (!in_flight_.empty() && in_flight_.front().ticket <= ticket) {
      spare_batches_.push_back(std::move(in_flight_.front()));
      in_flight_.pop_front();
      const auto* flag = spare_batches_.back().flag.as<std::uint32_t>();
      if (flag == nullptr || *flag == 0) continue;
      throw Error(ErrorKind::device,
                  "Activations of the backbone are too large for fp16 with these weights and this "
                  "data.preprocess; choose backbone.precision \"bf16\" or \"fp32\".");
    }
  });
}

CudaBackbone::Batch CudaBackbone::spare_batch() {
  if (spare_batches_.empty()) return {0, Event(), PinnedBuffer(spec_.flag_bytes())};
  Batch batch = std::move(spare_batches_.back());
  spare_batches_.pop_back();
  return batch;
}

}  // namespace

void refuse_memory(const Device& device, const BackboneSpec& spec, std::size_t fitting_batch) {
  const auto gib = [](std::size_t bytes) {
    return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (std::size_t{1} << 30U));
  };
  const std::string advice =
      fitting_batch == 0
          ? "not one image fits: choose a smaller data.image_size, or free the GPU's memory"
          : fmt::format("choose backbone.batch_size {}", fitting_batch);
  const Device::Memory memory = device.memory_now();
  const BackboneOptions& options = spec.options;
  throw Error(ErrorKind::device,
              "The backbone for images of {}×{} in batches of {} needs {} of the GPU's memory, and "
              "of the {} of cuda:{} {} are free; {}.",
              options.image_size.height, options.image_size.width, options.batch_size,
              gib(spec.memory.total()), gib(memory.total), device.ordinal(), gib(memory.free),
              advice);
}

std::unique_ptr<Backbone> make_cuda_backbone(Device& device, const Vgg16Weights& weights,
                                             BackboneSpec spec,
                                             const std::function<std::size_t()>& fitting_batch,
                                             Tracer* tracer) {
  return device.run("The backbone", [&] {
    return std::make_unique<CudaBackbone>(device, weights, std::move(spec), fitting_batch, tracer);
  });
}

}  // namespace graft::cuda
