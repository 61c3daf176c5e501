#include "engine/weights/vgg16_weights.h"

#include <algorithm>

#include "engine/weights/convolution_files.h"
#include "engine/weights/refuse.h"
#include "engine/weights/safetensors.h"

namespace graft {
namespace {

Digest canonical_digest(const Vgg16Weights& weights) {
  Digester digester;
  for (const ConvolutionWeights& layer : weights.layers) {
    digester.add(std::as_bytes(std::span(layer.kernel)));
    digester.add(std::as_bytes(std::span(layer.bias)));
  }
  return digester.digest();
}

WeightsFileSummary describe_safetensors_file(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  const Safetensors file(path, mapped.bytes());
  WeightsFileSummary summary{"safetensors", {}, {file.metadata().begin(), file.metadata().end()}};
  for (const SafetensorsEntry& entry : file.entries()) {
    summary.tensors.push_back({entry.name, entry.shape});
  }
  return summary;
}

}  // namespace

Vgg16Weights load_vgg16_weights(const std::filesystem::path& path, const std::stop_token& stop) {
  ConvolutionFile file = read_convolutions(path, vgg16_layers, stop);
  Vgg16Weights weights;
  std::ranges::move(file.convolutions, weights.layers.begin());
  weights.source = std::move(file.source);
  weights.digest = canonical_digest(weights);
  if (!file.stored_digest.empty() && file.stored_digest != weights.digest.hex()) {
    refuse_weights(
        path,
        "its values have the digest {} but it was written with {}: it is damaged; import "
        "the weights again",
        weights.digest.hex(), file.stored_digest);
  }
  return weights;
}

void save_vgg16_weights(const std::filesystem::path& path, const Vgg16Weights& weights) {
  write_safetensors(path, convolution_tensors(vgg16_layers, weights.layers),
                    {{"source", weights.source}, {"digest", canonical_digest(weights).hex()}});
}

WeightsFileSummary describe_weights_file(const std::filesystem::path& path) {
  const WeightsFormat format = weights_format_of(path);
  if (format == WeightsFormat::hdf5) return describe_hdf5_file(path);
  if (format == WeightsFormat::onnx) return describe_onnx_file(path);
  return describe_safetensors_file(path);
}

}  // namespace graft
