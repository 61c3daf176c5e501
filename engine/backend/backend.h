#pragma once
// Interface between the engine and a compute device. No type of CUDA or of a CPU's vector unit
// appears here. A backend is one folder; a new one also needs a line in make_backend().
//
// Calls that start device work may return before it is done. What they borrow must stay unchanged
// until the matching wait. One thread drives a Backend and the objects that it made.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/trace.h"
#include "engine/config/config.h"
#include "engine/vgg16/vgg16.h"
#include "engine/weights/vgg16_weights.h"

namespace graft {

// Host memory that the device copies from and to at full speed (pinned with CUDA, huge pages on a
// CPU). Move-only.
class HostBuffer {
 public:
  using Release = std::function<void(std::byte*)>;
  HostBuffer() = default;
  HostBuffer(std::byte* data, std::size_t size, Release release)
      : data_(data, std::move(release)), size_(size) {}
  std::span<std::byte> bytes() const { return {data_.get(), size_}; }
  template <typename Value>
  std::span<Value> as() const {
    return {reinterpret_cast<Value*>(data_.get()), size_ / sizeof(Value)};
  }

 private:
  std::unique_ptr<std::byte[], Release> data_{nullptr, [](std::byte*) {}};
  std::size_t size_ = 0;
};

struct BackboneOptions {
  ImageSize image_size;
  Preprocess preprocess = Preprocess::rescale;
  std::size_t batch_size = 32;  // the most images of one submit
  Precision precision = Precision::fp32;
  bool autotune = false;
  // Folder for cuDNN's plans, which can be made again at any time. Empty: none are kept or read.
  std::filesystem::path cache = {};
  ConvolutionAlgorithm algorithm = ConvolutionAlgorithm::automatic;
  FeatureSource features = {};
};

// The frozen network, ready for batches.
class Backbone {
 public:
  virtual ~Backbone() = default;
  using Ticket = std::uint64_t;
  // images: count × height × width × 3 bytes, RGB; features: count × FeatureShape::count() floats,
  // in the order of FeatureSource; a feature map is in (y, x, channel) order. Both from
  // Backend::allocate_host. 1 ≤ count ≤ batch_size. The features of an image do not depend on what
  // else is in its batch, nor on the number of threads.
  virtual Ticket submit(std::span<const std::uint8_t> images, std::size_t count,
                        std::span<float> features) = 0;
  // Returns when the features of that ticket, and of all before it, are written.
  virtual void wait(Ticket ticket) = 0;
};

// Rows of features, row-major, borrowed.
struct FeatureView {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  const float* row(std::size_t index) const { return data + index * columns; }
};

// (value - mean) · scale, for each column, in float: two roundings. Empty: none.
struct Normalization {
  std::vector<float> mean, scale;
};

struct DenseShape {
  std::size_t inputs = 0, outputs = 0;
};

struct HeadOptions {
  std::size_t inputs = 0;
  std::vector<std::size_t> hidden;
  std::size_t classes = 2;  // 2: one sigmoid output; more: softmax with that many
  double dropout = 0.5;
  std::size_t batch_size = 16;
  OptimizerConfig optimizer;
  std::uint64_t seed = 1;
  // Of all training: the learning rate falls evenly to 0 there. 0: it is constant.
  std::uint64_t steps = 0;
  std::vector<float> class_weights = {};  // one per class; empty: all are 1
  std::size_t views = 1;                  // rows of one photo, which follow each other
  std::size_t outputs() const { return classes == 2 ? 1 : classes; }
  std::vector<DenseShape> layers() const {  // one per Dense, first to last
    std::vector<DenseShape> shapes = {{inputs, outputs()}};
    for (const std::size_t units : hidden) {
      shapes.back().outputs = units;
      shapes.push_back({units, outputs()});
    }
    return shapes;
  }
};

struct DenseParameters {
  std::size_t inputs = 0, outputs = 0;
  std::vector<float> kernel;  // inputs × outputs
  std::vector<float> bias;    // outputs
};

// All that a training step reads and changes; the content of a checkpoint.
struct HeadState {
  std::vector<DenseParameters> parameters;    // one per Dense, first to last
  std::vector<DenseParameters> mean_squares;  // RMSprop's running mean of g², the same shapes
};

struct Totals {
  double loss_sum = 0.0;  // Σ over batches of (mean loss of the batch × its size)
  std::uint64_t correct = 0;
  std::uint64_t count = 0;
  double loss() const { return count == 0 ? 0.0 : loss_sum / static_cast<double>(count); }
  double accuracy() const {
    return count == 0 ? 0.0 : static_cast<double>(correct) / static_cast<double>(count);
  }
};

// The trained classifier: Dense → ReLU → Dropout for each hidden layer, then Dense and a
// sigmoid (binary cross-entropy) or softmax (categorical cross-entropy).
class Head {
 public:
  virtual ~Head() = default;
  virtual void set_state(const HeadState& state) = 0;  // throws Error(usage) when shapes differ
  virtual HeadState state() = 0;
  // The rows that an epoch picks from, and how each is normalised when it is picked. Rows and
  // labels are borrowed until the next call. Here and below, row r is of photo r / views, and labels
  // and probabilities are of photos.
  virtual void set_training_data(FeatureView features, std::span<const std::uint32_t> labels,
                                 const Normalization& normalization) = 0;
  // The rows of the next steps, at most as many as there are: batch_size for each, the last takes
  // the rest. Borrowed until that step. `first_step` counts batches from the start of training (0,
  // 1, …). May wait for the device.
  virtual void begin_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step) = 0;
  // One forward, backward and RMSprop update over the next batch of the epoch. The number of the
  // step keys the dropout masks and the learning rate,
  // learning_rate · (1 - step / HeadOptions::steps) in double.
  virtual void train_step() = 0;
  // The totals of train_step since the last call. Waits for the device.
  virtual Totals take_totals() = 0;
  // The rows that evaluate() measures. Borrowed, and unchanged, until the next call. Where device
  // memory is short, training rows that are set before have the first claim. From here on rows are
  // used as they are, without class weights; a photo's logits are its views' mean, added in double.
  virtual void set_validation_data(FeatureView features, std::span<const std::uint32_t> labels) = 0;
  virtual Totals evaluate() = 0;
  // probabilities: photos × classes, each row sums to 1.
  virtual void predict(FeatureView features, std::span<float> probabilities) = 0;
};

// cudaProfilerStart and cudaProfilerStop. Synchronises the device first. Returns false on failure.
class DeviceProfiler {
 public:
  virtual ~DeviceProfiler() = default;
  virtual bool start() noexcept = 0;
  virtual bool stop() noexcept = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  // For people: "CPU, AVX-512, 2 threads".
  virtual std::string description() const = 0;
  // Names the arithmetic of a backbone with these options: equal strings promise equal bytes of
  // features. Throws as make_backbone does for options that the device cannot serve.
  virtual std::string numerics(const BackboneOptions& options) = 0;
  // What "auto" is on this device. Both follow from its model, and the batch size from the precision
  // and the image size of `options` too: never from the number of images or the free memory, so
  // that the features of an image do not depend on them.
  virtual Precision automatic_precision() const = 0;
  virtual std::size_t automatic_batch(const BackboneOptions& options) const = 0;
  virtual HostBuffer allocate_host(std::size_t bytes) = 0;
  // How many batches should be in flight at once: 1 where submit() computes before it returns.
  virtual std::size_t batches_in_flight() const = 0;
  // Threads for host work: listing, reading, decoding.
  virtual std::size_t host_threads() const = 0;
  virtual std::unique_ptr<Backbone> make_backbone(const Vgg16Weights& weights,
                                                  const BackboneOptions& options) = 0;
  virtual std::unique_ptr<Head> make_head(const HeadOptions& options) = 0;
  // The tracer of all objects made from now on, at the detail that it asks for. Borrowed until the
  // last of them is gone; may be null.
  virtual void set_tracer(Tracer* /*tracer*/) {}
  // Null where the device has none. Lives as long as the backend.
  virtual DeviceProfiler* profiler() { return nullptr; }
  // Warnings for the user since the last call, a sentence each.
  virtual std::vector<std::string> take_warnings() { return {}; }
};

// device: "cpu", "cuda" (the first GPU), "cuda:N", "cuda:local" or "auto". Throws Error(device) when
// a GPU is named and cannot be used; "auto" takes the CPU then, and passes the reason to `note` in a
// sentence. threads 0: one per core that this process may run on.
std::unique_ptr<Backend> make_backend(const std::string& device, std::size_t threads,
                                      const std::function<void(const std::string&)>& note = {});

}  // namespace graft
