#include "engine/backend/cuda/cuda_backbone.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "engine/backend/arithmetic.h"
#include "engine/backend/cuda/backbone_memory.h"
#include "engine/backend/cuda/backbone_weights.h"
#include "engine/backend/cuda/kernel_trace.h"
#include "engine/backend/cuda/resources.h"
#include "engine/backend/cuda/storage_type.h"
#include "engine/backend/cuda/stream_order.h"
#include "engine/base/error.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/cast_features.h"
#include "kernels/cuda/preprocess.h"

namespace graft::cuda {
namespace {

// What BackboneMemory counts.
struct Arenas {
  explicit Arenas(const BackboneMemory& memory)
      : weights(memory.weight_bytes),
        planes(2 * memory.activation_bytes),
        workspace(memory.workspace_bytes),
        images(memory.image_bytes),
        features(memory.feature_bytes) {}
  DeviceBuffer weights, planes, workspace, images, features;
};

std::unique_ptr<Arenas> take_memory(const Device& device, const BackboneOptions& options,
                                    const BackboneMemory& wanted,
                                    const std::function<std::size_t()>& fitting_batch) {
  if (wanted.total() <= device.memory_now().free) {
    try {
      return std::make_unique<Arenas>(wanted);
    } catch (const Failure& failure) {
      if (failure.code() != cudaErrorMemoryAllocation) throw;
      cudaGetLastError();  // it is told below, and the next launch is not to blame
    }
  }
  refuse_memory(device, options, wanted.total(), fitting_batch());
}

class CudaBackbone final : public Backbone {
 public:
  CudaBackbone(Device& device, const Vgg16Weights& weights, const BackboneOptions& options,
               BackbonePlans plans, const std::function<std::size_t()>& fitting_batch,
               Tracer* tracer);

  Ticket submit(std::span<const std::uint8_t> images, std::size_t count,
                std::span<float> features) override;
  void wait(Ticket ticket) override;

 private:
  struct Batch {
    Ticket ticket;
    Event done;
    std::span<const float> features;
  };

  void check_batch(std::span<const std::uint8_t> images, std::size_t count,
                   std::span<float> features) const;
  template <typename T>
  void run_network(std::size_t slot, KernelTrace* trace) const;
  template <typename T>
  const T* run_layer(std::size_t layer, const T* input, KernelTrace* trace) const;
  void enqueue_network(std::size_t slot, KernelTrace* trace) const;
  void start_trace(Tracer& tracer);
  KernelTrace* trace() { return trace_ ? &*trace_ : nullptr; }
  std::uint8_t* image_slot(std::size_t slot) const {
    return arenas_->images.as<std::uint8_t>() + slot * (arenas_->images.size() / backbone_slots);
  }
  float* feature_slot(std::size_t slot) const {
    return reinterpret_cast<float*>(arenas_->features.data() +
                                    slot * (arenas_->features.size() / backbone_slots));
  }
  std::byte* plane(std::size_t turn) const {
    return arenas_->planes.data() + turn * (arenas_->planes.size() / 2);
  }
  Event spare_event();
  void check_finite(std::span<const float> features) const;

  Device& device_;
  const BackboneOptions options_;
  const BackbonePlans plans_;
  const std::array<LayerShape, vgg16_convolutions> shapes_;
  const WeightLayout layout_;
  const std::size_t image_bytes_, feature_count_;  // of an image
  std::unique_ptr<Arenas> arenas_;
  StreamOrder order_{backbone_slots};  // ends before what its work uses
  std::vector<Graph> graphs_;          // one for each slot; none with a trace
  std::optional<KernelTrace> trace_;
  std::deque<Batch> under_way_;  // in order
  std::vector<Event> spare_events_;
  Ticket last_ = 0;
};

CudaBackbone::CudaBackbone(Device& device, const Vgg16Weights& weights,
                           const BackboneOptions& options, BackbonePlans plans,
                           const std::function<std::size_t()>& fitting_batch, Tracer* tracer)
    : device_(device),
      options_(options),
      plans_(std::move(plans)),
      shapes_(layer_shapes(options)),
      layout_(weight_layout(options)),
      image_bytes_(std::size_t{options.image_size.height} * options.image_size.width * 3),
      feature_count_(vgg16_feature_shape(options.image_size).count()),
      arenas_(take_memory(device, options, backbone_memory(options, plans_.workspace_bytes()),
                          fitting_batch)) {
  const std::vector<std::byte> packed = packed_weights(weights, options);
  const Stream& stream = order_.compute();
  copy_to_device<std::byte>(arenas_->weights, packed, stream);
  GRAFT_CUDA_CHECK(
      cudaMemsetAsync(arenas_->images.data(), 0, arenas_->images.size(), stream.get()));
  // Once without a graph: code that is loaded at its first use cannot be loaded in a capture.
  enqueue_network(0, nullptr);
  stream.wait();
  if (tracer != nullptr) {
    start_trace(*tracer);
    return;
  }
  for (std::size_t slot = 0; slot < backbone_slots; ++slot) {
    graphs_.emplace_back(stream, [&] { enqueue_network(slot, nullptr); });
  }
}

void CudaBackbone::start_trace(Tracer& tracer) {
  tracer.name_queue(order_.copy_in().get(), name_of(Queue::copy_in));
  tracer.name_queue(order_.compute().get(), name_of(Queue::compute));
  tracer.name_queue(order_.copy_out().get(), name_of(Queue::copy_out));
  trace_.emplace(tracer, order_.compute(), device_.gives_times());
}

void CudaBackbone::enqueue_network(std::size_t slot, KernelTrace* trace) const {
  with_storage_type(options_.precision,
                    [&](auto zero) { run_network<decltype(zero)>(slot, trace); });
}

// From the images of a slot to its features, into the compute stream.
template <typename T>
void CudaBackbone::run_network(std::size_t slot, KernelTrace* trace) const {
  const Stream& stream = order_.compute();
  DevicePixelTables tables{reinterpret_cast<const float*>(arenas_->weights.data() + layout_.tables),
                           {}};
  std::ranges::copy(pixel_tables(options_.preprocess).source, tables.source);
  auto* input = reinterpret_cast<T*>(plane(0));
  const std::size_t pixels = options_.batch_size * image_bytes_ / 3;
  {
    const KernelTrace::Span span(
        trace, stream,
        {.name = "preprocess",
         .bytes = preprocess_bytes(sizeof(T), pixels, shapes_[0].inputs).total()});
    preprocess(input, image_slot(slot), tables, pixels, shapes_[0].inputs, stream.get());
  }
  const T* values = input;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    values = run_layer(layer, values, trace);
  }
  const std::size_t count = options_.batch_size * feature_count_;
  const KernelTrace::Span span(
      trace, stream,
      {.name = "cast_features", .bytes = cast_features_bytes(sizeof(T), count).total()});
  cast_features(feature_slot(slot), values, count, stream.get());
}

// Reads `input`, one of the two planes, and returns the one that holds the layer's output.
template <typename T>
const T* CudaBackbone::run_layer(std::size_t layer, const T* input, KernelTrace* trace) const {
  const Stream& stream = order_.compute();
  const char* const name = vgg16_layers[layer].name.data();
  const TraceSpan of_layer(trace != nullptr ? trace->tracer() : nullptr, name, layer);
  const LayerShape& shape = shapes_[layer];
  const ConvolutionPlan& plan = *plans_.layers[layer];
  T* const planes[2] = {reinterpret_cast<T*>(plane(0)), reinterpret_cast<T*>(plane(1))};
  T* const same = input == planes[0] ? planes[0] : planes[1];
  T* const other = input == planes[0] ? planes[1] : planes[0];
  const std::byte* weights = arenas_->weights.data();
  const auto* bias = reinterpret_cast<const float*>(weights + layout_.bias[layer]);
  {
    const KernelTrace::Span span(trace, stream, {.name = "convolution", .layer = name});
    plan.run(stream.get(), input, weights + layout_.filters[layer],
             weights + layout_.stored_bias[layer], other, arenas_->workspace.data());
  }
  if (shape.pool_after) {
    const PlaneShape plane{options_.batch_size, shape.height, shape.width, shape.outputs};
    const KernelTrace::Span span(trace, stream,
                                 {.name = "bias_relu_max_pool",
                                  .layer = name,
                                  .bytes = bias_relu_max_pool_bytes(sizeof(T), plane).total()});
    bias_relu_max_pool(same, other, bias, plane, stream.get());
    return same;
  }
  if (!plan.problem().bias_relu) {
    const std::size_t pixels = options_.batch_size * shape.height * shape.width;
    const KernelTrace::Span span(
        trace, stream,
        {.name = "bias_relu",
         .layer = name,
         .bytes = bias_relu_bytes(sizeof(T), pixels, shape.outputs).total()});
    bias_relu(other, bias, pixels, shape.outputs, stream.get());
  }
  return other;
}

Backbone::Ticket CudaBackbone::submit(std::span<const std::uint8_t> images, std::size_t count,
                                      std::span<float> features) {
  check_batch(images, count, features);
  const std::size_t slot = last_ % backbone_slots;
  const auto copy_in = [&](const Stream& stream) {
    const KernelTrace::Span span(trace(), stream,
                                 {Queue::copy_in, "copy", {}, count * image_bytes_});
    GRAFT_CUDA_CHECK(cudaMemcpyAsync(image_slot(slot), images.data(), count * image_bytes_,
                                     cudaMemcpyHostToDevice, stream.get()));
  };
  const auto compute = [&](const Stream& stream) {
    if (trace_) {
      enqueue_network(slot, &*trace_);
    } else {
      graphs_[slot].launch(stream);
    }
  };
  const auto copy_out = [&](const Stream& stream) {
    const KernelTrace::Span span(
        trace(), stream, {Queue::copy_out, "copy", {}, count * feature_count_ * sizeof(float)});
    GRAFT_CUDA_CHECK(cudaMemcpyAsync(features.data(), feature_slot(slot),
                                     count * feature_count_ * sizeof(float), cudaMemcpyDeviceToHost,
                                     stream.get()));
  };
  return device_.run("A batch of the backbone", [&] {
    if (trace_) trace_->begin_batch(last_);
    Event done = spare_event();
    try {
      order_.enqueue(slot, copy_in, compute, copy_out, done);
      under_way_.push_back({last_ + 1, std::move(done), features.first(count * feature_count_)});
    } catch (...) {
      order_.drain();  // a copy that is under way uses the caller's memory
      spare_events_.push_back(std::move(done));
      throw;
    }
    return ++last_;
  });
}

void CudaBackbone::wait(Ticket ticket) {
  if (ticket > last_) {
    throw Error(ErrorKind::usage,
                fmt::format("The backbone gave out no ticket {}: the last is {}.", ticket, last_));
  }
  device_.run("A batch of the backbone", [&] {
    const auto batch = std::ranges::find(under_way_, ticket, &Batch::ticket);
    if (batch == under_way_.end()) return;  // waited for before
    batch->done.wait();
    if (trace_) trace_->finish(ticket - 1);
    while (!under_way_.empty() && under_way_.front().ticket <= ticket) {
      const std::span<const float> features = under_way_.front().features;
      spare_events_.push_back(std::move(under_way_.front().done));
      under_way_.pop_front();
      check_finite(features);
    }
  });
}

void CudaBackbone::check_batch(std::span<const std::uint8_t> images, std::size_t count,
                               std::span<float> features) const {
  if (count == 0 || count > options_.batch_size || images.size() < count * image_bytes_ ||
      features.size() < count * feature_count_) {
    throw Error(ErrorKind::usage,
                fmt::format("A batch of {} images does not fit a backbone made for {}, or its "
                            "buffers are too small.",
                            count, options_.batch_size));
  }
}

Event CudaBackbone::spare_event() {
  if (spare_events_.empty()) return Event();
  Event event = std::move(spare_events_.back());
  spare_events_.pop_back();
  return event;
}

void CudaBackbone::check_finite(std::span<const float> features) const {
  if (options_.precision != Precision::fp16) return;
  if (std::ranges::all_of(features, [](float value) { return std::isfinite(value); })) return;
  throw Error(ErrorKind::device,
              "Activations of the backbone are too large for fp16 with these weights and this "
              "data.preprocess; choose backbone.precision \"bf16\" or \"fp32\".");
}

}  // namespace

void refuse_memory(const Device& device, const BackboneOptions& options, std::size_t wanted,
                   std::size_t fitting_batch) {
  const auto gib = [](std::size_t bytes) {
    return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (std::size_t{1} << 30U));
  };
  const std::string advice =
      fitting_batch == 0
          ? "not one image fits: choose a smaller data.image_size, or free the GPU's memory"
          : fmt::format("choose backbone.batch_size {} or \"auto\"", fitting_batch);
  const Device::Memory memory = device.memory_now();
  throw Error(
      ErrorKind::device,
      fmt::format("The backbone for images of {}×{} in batches of {} needs {} of the GPU's "
                  "memory, and of the {} of cuda:{} {} are free; {}.",
                  options.image_size.height, options.image_size.width, options.batch_size,
                  gib(wanted), gib(memory.total), device.ordinal(), gib(memory.free), advice));
}

std::unique_ptr<Backbone> make_cuda_backbone(Device& device, const Vgg16Weights& weights,
                                             const BackboneOptions& options, BackbonePlans plans,
                                             const std::function<std::size_t()>& fitting_batch,
                                             Tracer* tracer) {
  return device.run("The backbone", [&] {
    return std::make_unique<CudaBackbone>(device, weights, options, std::move(plans), fitting_batch,
                                          tracer);
  });
}

}  // namespace graft::cuda
