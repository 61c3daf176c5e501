#pragma once
// Readers of a chain of 3×3 convolutions, one for each file format. They take the layers to find, so
// that tests can use smaller networks.

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/weights/safetensors.h"
#include "engine/weights/vgg16_weights.h"

namespace graft {

enum class WeightsFormat { safetensors, hdf5, onnx };

// From the first bytes, never from the file's name. Throws Error(weights); for files that people
// often try (PyTorch .pth, Keras .keras, a Git LFS pointer, a web page) the message says what to do.
WeightsFormat weights_format_of(const std::filesystem::path& path);

struct ConvolutionFile {
  std::vector<ConvolutionWeights> convolutions;  // kernels HWIO, in the order of the layers
  std::string source;                            // "ONNX file vgg16.onnx"
  std::string stored_digest;                     // in hex, where the file carries one; else empty
};

// Reads the layers from any of the formats, and judges no other tensor. Throws Error(weights), which names
// the file and the layer, for a wrong shape and for values that are not finite; another VGG network and
// a transposed kernel are named. Throws Error(interrupted) when `stop` is requested while an HDF5 file is
// read.
ConvolutionFile read_convolutions(const std::filesystem::path& path,
                                  std::span<const Vgg16Layer> layers,
                                  const std::stop_token& stop = {});

ConvolutionFile read_safetensors_convolutions(const Safetensors& file,
                                              std::span<const Vgg16Layer> layers);
ConvolutionFile read_hdf5_convolutions(const std::filesystem::path& path,
                                       std::span<const Vgg16Layer> layers,
                                       const std::stop_token& stop);
ConvolutionFile read_onnx_convolutions(const std::filesystem::path& path,
                                       std::span<const Vgg16Layer> layers);

// Views of the kernels and biases, by their canonical names: block1_conv1/kernel, …/bias.
std::vector<TensorView> convolution_tensors(std::span<const Vgg16Layer> layers,
                                            std::span<const ConvolutionWeights> weights);

WeightsFileSummary describe_hdf5_file(const std::filesystem::path& path);
// The result of graft-hdf5 for the command `list`: JSON with format, metadata, names and shapes.
WeightsFileSummary parse_hdf5_summary(const std::filesystem::path& path, std::string_view json);
WeightsFileSummary describe_onnx_file(const std::filesystem::path& path);

// The order of the axes of a 3×3 kernel: "OIHW", "HWIO" or "OHWI"; empty for another shape. The first
// where two fit.
std::string_view kernel_layout(std::span<const std::size_t> shape);
std::array<std::size_t, 4> hwio_shape(const Vgg16Layer& layer);  // 3, 3, input, output
std::array<std::size_t, 4> oihw_shape(const Vgg16Layer& layer);  // output, input, 3, 3

// Throws Error(weights) that names file, layer, tensor and both shapes, or the layouts of a kernel that
// is transposed.
void require_shape(const std::filesystem::path& path, const Vgg16Layer& layer,
                   std::string_view tensor, std::span<const std::size_t> found,
                   std::span<const std::size_t> expected);

// A kernel of PyTorch's and ONNX's layout (output, input, 3, 3) as (3, 3, input, output).
std::vector<float> hwio_from_oihw(const Vgg16Layer& layer, std::span<const float> oihw);

// Whether `a` comes before `b` when runs of digits count as numbers: conv2d_2 before conv2d_10.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace graft
