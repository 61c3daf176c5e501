#pragma once
// The device memory of a backbone, known before any of it is taken: the same figures for the
// backbone that runs and for `graft plan`, which has no device.
//
//   image slots ─ preprocess ▶ plane A ─ convolution ▶ plane B ─ convolution ▶ plane A ─ pool ▶ B …
//
// Two planes of one size take turns: a convolution reads one and writes the other; bias and ReLU
// work in place; a pool writes the plane that its convolution has read. The first block's outputs,
// height × width × 64, are the largest that ever stand in one.

#include <array>
#include <cstddef>

#include "engine/backend/backend.h"
#include "engine/backend/cuda_module.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::cuda {

// Batches that have images and features on the device at once. While one is computed in its slot,
// the images of the next are copied into the other, out of which the features of the last are
// copied just before they are overwritten: a third slot would hide nothing more.
constexpr std::size_t backbone_slots = 2;

// Channels of the plane that preprocessing writes: red, green, blue and zeros, 16 bytes a pixel, as
// the convolutions that use tensor cores want it.
std::size_t input_channels(Precision precision);

// The first layer has input_channels().
std::array<LayerShape, vgg16_convolutions> layer_shapes(const BackboneOptions& options);

// workspace_bytes: the largest of the convolutions' for this batch size. Throws Error(usage) for
// options that no device serves: an image below 32×32, a batch of 0, or sizes whose product does
// not fit 64 bits.
BackboneMemory backbone_memory(const BackboneOptions& options, std::size_t workspace_bytes);

// Where each part starts in the one block of weights, in bytes, each on a boundary of 256. Filters
// are KRSC in the storage type. The biases are there in that type for convolutions that add them,
// and as float for kernels/cuda.
struct WeightLayout {
  std::array<std::size_t, vgg16_convolutions> filters, stored_bias, bias;
  std::size_t tables;  // of preprocessing, 3 × 256 floats
  std::size_t bytes;   // of all
};
WeightLayout weight_layout(const BackboneOptions& options);

}  // namespace graft::cuda
