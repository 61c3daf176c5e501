#pragma once
// Weights of the 13 convolutions of VGG16, from these files:
//   .safetensors  written by this program (names block1_conv1/kernel …/bias, HWIO), or with the names of
//                 torchvision and timm (features.0.weight …, OIHW); with any prefix (module. …)
//   .h5           Keras 2 (root attribute layer_names) and Keras 3 (.weights.h5, layers/…/vars/0)
//   .onnx         initialisers or Constant nodes of 13 3×3 convolutions in the order of VGG16, OIHW, with
//                 their values inside or in a file in the same folder
// float16 and bfloat16 become float32. Only the 26 tensors of the convolutions are judged.
// A file is not trusted: every size that it names is checked against its bytes before memory is taken.
// HDF5 files are read by the program graft-hdf5 (hdf5_program.h), which must be next to this one.

#include <array>
#include <cstddef>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/base/digest.h"
#include "engine/vgg16/vgg16.h"

namespace graft {

struct ConvolutionWeights {
  std::vector<float> kernel;  // 3 × 3 × input_channels × output_channels (HWIO)
  std::vector<float> bias;    // output_channels
};

struct Vgg16Weights {
  std::array<ConvolutionWeights, vgg16_convolutions> layers;
  Digest digest;  // of the 14,714,688 values in canonical order: the same for every file format
  std::string source;  // "Keras 2 HDF5 file vgg16_….h5"
};

// Checks names, shapes and that all values are finite. Throws Error(weights) that names the file, and
// Error(interrupted) when `stop` is requested while an HDF5 file is read.
Vgg16Weights load_vgg16_weights(const std::filesystem::path& path,
                                const std::stop_token& stop = {});

// Writes the canonical safetensors file, with the source and the digest in its metadata.
void save_vgg16_weights(const std::filesystem::path& path, const Vgg16Weights& weights);

struct WeightsFileEntry {
  std::string name;
  std::vector<std::size_t> shape;
};
struct WeightsFileSummary {
  std::string format;  // "safetensors", "Keras 2 HDF5", "Keras 3 HDF5", "ONNX"
  std::vector<WeightsFileEntry> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;
};
// The content of a weights file, VGG16 or not.
WeightsFileSummary describe_weights_file(const std::filesystem::path& path);

}  // namespace graft
