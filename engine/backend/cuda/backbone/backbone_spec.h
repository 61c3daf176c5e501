#pragma once
// The backbone as the GPU runs it: all that follows from BackboneOptions, worked out once. The same
// figures serve the backbone that runs and `graft plan`, which has no device.
//
//   images ─ preprocess ▶ A ─ convolution ▶ B ─ convolution ▶ A ─ pool ▶ B … ─ cast ▶ features
//
// Pooled features have no cast: global_pool reads each layer's output after its pool. Layers after
// the last one that the features need are not computed, and have no weights, plans or memory.
//
// Two buffers of activations, A and B, take turns: a convolution reads one and writes the other;
// bias and ReLU work in place; a pool writes the buffer that its convolution has read. The first
// block's outputs, height × width × 64, are the largest that they hold.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/cudnn/convolution.h"
#include "engine/backend/cuda/cudnn/plan_cache.h"
#include "engine/backend/cuda_module.h"
#include "engine/vgg16/vgg16.h"
#include "kernels/cuda/global_pool.h"

namespace graft::cuda {

// Batches that have images and features on the device at once. While one is computed in its slot,
// the next batch's images are copied into the other slot, and the last batch's features are copied
// out of it. A third slot would hide nothing more.
constexpr std::size_t backbone_slots = 2;

// Channels of the preprocessed images: red, green, blue and zeros, 16 bytes a pixel, as the
// convolutions on tensor cores need it.
constexpr std::size_t input_channels(Precision precision) {
  return 16 / storage_bytes(precision);
}

// Where each array of a computed layer starts in the one block of weights, in bytes, on boundaries
// of 256. Filters are KRSC in the storage type. Biases are stored twice: in that type for
// convolutions that add them, and as float for kernels/cuda.
struct WeightLayout {
  std::array<std::size_t, vgg16_convolutions> filters, stored_bias, bias;
  std::size_t tables;  // of preprocessing, 3 × 256 floats
  std::size_t bytes;   // of all
};

struct BackboneSpec {
  // Without plans. Throws Error(usage) for options that no device serves: an image below 32×32, a
  // batch of 0, an algorithm of the CPU's, or more activations than cuDNN computes at once
  // (largest_usual_batch).
  explicit BackboneSpec(const BackboneOptions& options);
  // Chooses the plans by choose_plan, and with them the size of the workspace. Without a cache by
  // forecast_plan: no plan is executed.
  void choose_plans(const CudnnDevice& device, PlanCache* cache);

  // bias_relu is set where no pool follows: the pool's kernel adds the bias itself. In fp16 only
  // where the next computed layer is not fused.
  ConvolutionProblem problem(std::size_t layer) const;
  BatchShape output(std::size_t layer) const;  // after its pool
  // Of global_pool; none where a layer's output is not pooled.
  MovedBytes pool_bytes(std::size_t layer) const;
  // Names the engines, in 32 hex digits: plans for equal problems on equal devices compute the same
  // bytes when it is equal.
  std::string engines_digest() const;
  // Of the flag behind the features of a slot, for halves that are not finite: cuda_backbone.h.
  std::size_t flag_bytes() const {
    return options.precision == Precision::fp16 ? sizeof(std::uint32_t) : 0;
  }
  std::size_t pixels() const {  // of a batch
    return options.batch_size * options.image_size.height * options.image_size.width;
  }

  BackboneOptions options;
  std::vector<LayerShape> shapes;          // of the computed layers; the first has input_channels()
  std::size_t image_bytes, feature_count;  // of an image
  std::vector<FeatureGroup> feature_groups;
  WeightLayout weights;
  BackboneMemory memory;
  std::vector<std::shared_ptr<const ConvolutionPlan>> plans;  // one for each of shapes
};

// What `graft plan` shows of a GPU that may be absent: plans by heuristics, even with
// options.autotune. Needs no driver. Bytes are those that the kernels' headers promise: of the
// convolution each array once; of its epilogue what bias_relu or bias_relu_max_pool moves.
BackboneForecast forecast_backbone(const GpuProperties& gpu, const BackboneOptions& options);

}  // namespace graft::cuda
