#pragma once
// Reading a chain of 3×3 convolutions from each kind of file. The loaders take the layers that they
// are to find, so that one of VGG16's size is not needed to try them.

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/weights/vgg16_weights.h"

namespace graft {

enum class WeightsFormat { safetensors, hdf5, onnx };

// By the first bytes, never by the ending. A file that people often try and that is none of the
// three (a PyTorch .pth, a Keras .keras, a Git LFS pointer, a web page) gets a sentence that tells
// what to do. Throws Error(weights).
WeightsFormat weights_format_of(const std::filesystem::path& path);

struct ConvolutionFile {
  std::vector<ConvolutionWeights> convolutions;  // kernels HWIO, in the order of the layers
  std::string source;                            // "ONNX file vgg16.onnx"
  std::string stored_digest;                     // in hex, where the file carries one; else empty
};

// Reads the layers from any of the formats; shapes are right and all values finite, or it throws
// Error(weights) that names the file and the layer.
ConvolutionFile read_convolutions(const std::filesystem::path& path,
                                  std::span<const Vgg16Layer> layers);

ConvolutionFile read_safetensors_convolutions(const std::filesystem::path& path,
                                              std::span<const Vgg16Layer> layers);
ConvolutionFile read_keras_convolutions(const std::filesystem::path& path,
                                        std::span<const Vgg16Layer> layers);
ConvolutionFile read_onnx_convolutions(const std::filesystem::path& path,
                                       std::span<const Vgg16Layer> layers);

WeightsFileSummary describe_hdf5_file(const std::filesystem::path& path);
WeightsFileSummary describe_onnx_file(const std::filesystem::path& path);

std::array<std::size_t, 4> hwio_shape(const Vgg16Layer& layer);  // 3, 3, input, output
std::array<std::size_t, 4> oihw_shape(const Vgg16Layer& layer);  // output, input, 3, 3

// Throws Error(weights) that names file, layer, tensor, the shape found and the one that is due.
void require_shape(const std::filesystem::path& path, const Vgg16Layer& layer,
                   std::string_view tensor, std::span<const std::size_t> found,
                   std::span<const std::size_t> due);

// A kernel of PyTorch's and ONNX's layout (output, input, 3, 3) as (3, 3, input, output).
std::vector<float> hwio_from_oihw(const Vgg16Layer& layer, std::span<const float> oihw);

// Whether `a` comes before `b` when runs of digits count as numbers: conv2d_2 before conv2d_10.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace graft
