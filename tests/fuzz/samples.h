#pragma once
// What the seeds and the targets agree on.

#include <fmt/ranges.h>

#include <filesystem>
#include <string>

#include "engine/base/digest.h"
#include "engine/base/text.h"
#include "engine/head/checkpoint.h"
#include "engine/weights/convolution_files.h"
#include "engine/weights/safetensors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/weights/small_vgg16.h"

namespace graft::fuzz {

// The first three convolutions of a VGG16 with few channels.
inline test::Layers sample_layers() {
  test::Layers layers = test::small_vgg16();
  layers.resize(3);
  return layers;
}

inline void require_convolutions(const ConvolutionFile& file, const test::Layers& layers) {
  require(printable(file.source) == file.source, "the source is printable");
  require(file.convolutions.size() == layers.size(), "one convolution a layer");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& [kernel, bias] = file.convolutions[i];
    require(kernel.size() == 9 * layers[i].input_channels * layers[i].output_channels,
            "a kernel has 3×3×input×output values");
    require(bias.size() == layers[i].output_channels, "a bias has one value a channel");
  }
}

// The run of the checkpoints.
inline const RunKey sample_key = {{"train.seed", "1"}, {"head.dropout", "0.5"}};
inline const std::vector<DenseShape> sample_shapes = {{6, 2}, {2, 1}};

// The safetensors file of a head or a checkpoint written again, with the digest that fits its content.
inline std::filesystem::path with_right_digest(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  const Safetensors file(path, mapped.bytes());
  Metadata metadata = file.metadata();
  metadata.erase("digest");
  Digester digester;
  for (const auto& [key, value] : metadata)
    digester.add(fmt::format("{}:{}{}:{}", key.size(), key, value.size(), value));
  std::vector<std::vector<float>> values;
  std::vector<TensorView> tensors;
  for (const SafetensorsEntry& entry : file.entries()) {
    digester.add(fmt::format("{} {}", entry.name, fmt::join(entry.shape, " ")));
    digester.add(file.bytes(entry));
    tensors.push_back({entry.name, entry.shape, values.emplace_back(file.values(entry))});
  }
  metadata["digest"] = digester.digest().hex();
  const std::filesystem::path copy = file_with("", "right");
  write_safetensors(copy, tensors, metadata);
  return copy;
}

}  // namespace graft::fuzz
