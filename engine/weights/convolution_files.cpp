#include "engine/weights/convolution_files.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/base/text.h"
#include "engine/weights/refuse.h"

namespace graft {
namespace {

using namespace std::string_view_literals;

// The tensors of one layer. Kernels of torchvision are OIHW.
ConvolutionWeights convolution_of(const SafetensorsFile& file, const std::filesystem::path& path,
                                  const Vgg16Layer& layer, const std::string& kernel_name,
                                  const std::string& bias_name, bool is_oihw) {
  const TensorView& kernel = file.tensor(kernel_name);
  const TensorView& bias = file.tensor(bias_name);
  require_shape(path, layer, kernel.name, kernel.shape,
                is_oihw ? oihw_shape(layer) : hwio_shape(layer));
  require_shape(path, layer, bias.name, bias.shape, std::array{layer.output_channels});
  return {is_oihw ? hwio_from_oihw(layer, kernel.data)
                  : std::vector<float>(kernel.data.begin(), kernel.data.end()),
          {bias.data.begin(), bias.data.end()}};
}

bool starts_with(std::span<const std::byte> file, std::string_view start, std::size_t at = 0) {
  return file.size() >= at + start.size() &&
         std::memcmp(file.data() + at, start.data(), start.size()) == 0;
}

// A header length that the format allows, and the brace that the header begins with.
bool looks_like_safetensors(std::span<const std::byte> file) {
  if (!starts_with(file, "{", safetensors_length_bytes)) return false;
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  return length <= 100'000'000;
}

constexpr std::string_view torch_advice =
    "convert it where PyTorch is: python3 -c \"import torch, safetensors.torch as s; "
    "s.save_file(torch.load('IN.pth', weights_only=True), 'OUT.safetensors')\"";

// A sentence for files that people try; empty for others.
std::string advice_for(std::span<const std::byte> file) {
  if (file.empty()) return "it is empty";
  if (starts_with(file, "PK\x03\x04"sv)) {
    // The name of the first entry is at byte 30: Keras begins with metadata.json.
    if (starts_with(file, "metadata.json", 30) || starts_with(file, "config.json", 30)) {
      return "it is a Keras .keras archive, which is not read: save "
             "model.save_weights('x.weights.h5') "
             "and use that";
    }
    return fmt::format("it is a zip archive, such as PyTorch's .pth, which is not read; {}",
                       torch_advice);
  }
  if (starts_with(file, "\x80\x02") || starts_with(file, "\x80\x03") ||
      starts_with(file, "\x80\x04")) {
    return fmt::format("it is a Python pickle, such as an old PyTorch .pth, which is not read; {}",
                       torch_advice);
  }
  if (starts_with(file, "version https://git-lfs")) {
    return "it is a Git LFS pointer and not the file itself: run git lfs pull";
  }
  if (starts_with(file, "<")) return "it is a web page and not a weights file: fetch it again";
  return "";
}

void require_finite(const std::filesystem::path& path, const Vgg16Layer& layer,
                    std::string_view tensor, std::span<const float> values) {
  const auto bad = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return;
  refuse_weights(path, "value {} of the {} of {} is {}: the weights are damaged",
                 bad - values.begin(), tensor, layer.name, *bad);
}

}  // namespace

WeightsFormat weights_format_of(const std::filesystem::path& path) {
  std::error_code unknown;  // what cannot be looked at is refused below
  if (std::filesystem::is_directory(path, unknown))
    refuse_weights(path, "it is a folder: name the weights file in it");
  if (std::filesystem::exists(path, unknown) && !std::filesystem::is_regular_file(path, unknown))
    refuse_weights(path, "it is not a regular file");
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  if (starts_with(bytes, "\x89HDF\r\n\x1a\n"sv)) return WeightsFormat::hdf5;
  if (looks_like_safetensors(bytes)) return WeightsFormat::safetensors;
  const std::string advice = advice_for(bytes);
  if (!advice.empty()) refuse_weights(path, "{}", advice);
  // ONNX has no magic; its first field is ir_version, a varint of number 1.
  if (starts_with(bytes, "\x08")) return WeightsFormat::onnx;
  refuse_weights(path,
                 "it is not a weights file that is read here (safetensors, Keras HDF5, ONNX)");
}

ConvolutionFile read_safetensors_convolutions(const SafetensorsFile& file,
                                              const std::filesystem::path& path,
                                              std::span<const Vgg16Layer> layers) {
  ConvolutionFile result;
  result.source = fmt::format("safetensors file {}", shown(path.filename()));
  const bool is_torchvision = file.find("features.0.weight") != nullptr;
  std::size_t index = 0;  // of torchvision's modules: a convolution, a ReLU and a pool are one each
  for (const Vgg16Layer& layer : layers) {
    const std::string name =
        is_torchvision ? fmt::format("features.{}.", index) : fmt::format("{}/", layer.name);
    result.convolutions.push_back(convolution_of(file, path, layer,
                                                 name + (is_torchvision ? "weight" : "kernel"),
                                                 name + "bias", is_torchvision));
    index += layer.pool_after ? 3 : 2;
  }
  if (const auto source = file.metadata().find("source"); source != file.metadata().end()) {
    result.source = printable(source->second, 1000);
  }
  if (const auto digest = file.metadata().find("digest"); digest != file.metadata().end()) {
    result.stored_digest = digest->second;
  }
  return result;
}

ConvolutionFile read_convolutions(const std::filesystem::path& path,
                                  std::span<const Vgg16Layer> layers, const std::stop_token& stop) {
  ConvolutionFile file;
  switch (weights_format_of(path)) {
    case WeightsFormat::safetensors:
      file = read_safetensors_convolutions(SafetensorsFile(path), path, layers);
      break;
    case WeightsFormat::hdf5:
      file = read_hdf5_convolutions(path, layers, stop);
      break;
    case WeightsFormat::onnx:
      file = read_onnx_convolutions(path, layers);
      break;
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    require_finite(path, layers[i], "kernel", file.convolutions[i].kernel);
    require_finite(path, layers[i], "bias", file.convolutions[i].bias);
  }
  return file;
}

std::vector<TensorView> convolution_tensors(std::span<const Vgg16Layer> layers,
                                            std::span<const ConvolutionWeights> weights) {
  std::vector<TensorView> tensors;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto kernel_shape = hwio_shape(layers[i]);
    tensors.push_back({fmt::format("{}/kernel", layers[i].name),
                       {kernel_shape.begin(), kernel_shape.end()},
                       weights[i].kernel});
    tensors.push_back(
        {fmt::format("{}/bias", layers[i].name), {layers[i].output_channels}, weights[i].bias});
  }
  return tensors;
}

std::array<std::size_t, 4> hwio_shape(const Vgg16Layer& layer) {
  return {3, 3, layer.input_channels, layer.output_channels};
}

std::array<std::size_t, 4> oihw_shape(const Vgg16Layer& layer) {
  return {layer.output_channels, layer.input_channels, 3, 3};
}

void require_shape(const std::filesystem::path& path, const Vgg16Layer& layer,
                   std::string_view tensor, std::span<const std::size_t> found,
                   std::span<const std::size_t> expected) {
  if (std::ranges::equal(found, expected)) return;
  refuse_weights(path, "\"{}\" has the shape {} but VGG16's {} needs {}", tensor, shape_text(found),
                 layer.name, shape_text(expected));
}

std::vector<float> hwio_from_oihw(const Vgg16Layer& layer, std::span<const float> oihw) {
  const std::size_t inputs = layer.input_channels;
  const std::size_t outputs = layer.output_channels;
  if (oihw.size() != 9 * inputs * outputs) {
    throw Error(ErrorKind::usage, fmt::format("a kernel of {} needs {} values, not {}", layer.name,
                                              9 * inputs * outputs, oihw.size()));
  }
  std::vector<float> hwio(oihw.size());
  // The source is read in runs of nine, the destination is written in nine runs.
  for (std::size_t input = 0; input < inputs; ++input) {
    for (std::size_t output = 0; output < outputs; ++output) {
      const float* from = oihw.data() + (output * inputs + input) * 9;
      for (std::size_t tap = 0; tap < 9; ++tap) {
        hwio[(tap * inputs + input) * outputs + output] = from[tap];
      }
    }
  }
  return hwio;
}

bool natural_less(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto take_number = [&](std::string_view& text) {
    const std::size_t end =
        std::min(static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin()),
                 text.size());
    std::string_view number = text.substr(0, end);
    text.remove_prefix(end);
    number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
    return number;
  };
  const auto all = std::pair(a, b);
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view x = take_number(a);
      const std::string_view y = take_number(b);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
    } else {
      if (a.front() != b.front()) return a.front() < b.front();
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  if (a.empty() != b.empty()) return a.empty();
  return all.first < all.second;  // they differ in leading zeros at most
}

}  // namespace graft
