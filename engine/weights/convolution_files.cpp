#include "engine/weights/convolution_files.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/base/text.h"
#include "engine/weights/refuse.h"

namespace graft {
namespace {

using namespace std::string_view_literals;

// The tensor of this name, alone or after a prefix, which wrappers of PyTorch add ("module.", "model.").
// Null when absent.
const SafetensorsEntry* find_with_prefix(const Safetensors& file, std::string_view name) {
  const SafetensorsEntry* found = nullptr;
  for (const SafetensorsEntry& entry : file.entries()) {
    if (!entry.name.ends_with(name)) continue;
    const std::size_t prefix = entry.name.size() - name.size();
    if (prefix > 0 && entry.name[prefix - 1] != '.' && entry.name[prefix - 1] != '/') continue;
    if (found != nullptr) {
      refuse_weights(file.path(), "it has both \"{}\" and \"{}\": save one network alone",
                     found->name, entry.name);
    }
    found = &entry;
  }
  return found;
}

// A header length that the format allows, and the brace that the header begins with.
bool looks_like_safetensors(std::string_view file) {
  if (file.size() <= safetensors_length_bytes || file[safetensors_length_bytes] != '{')
    return false;
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  return length <= 100'000'000;
}

constexpr std::string_view torch_advice =
    "convert it where PyTorch is: python3 -c \"import torch, safetensors.torch as s; "
    "s.save_file(torch.load('IN.pth', weights_only=True), 'OUT.safetensors')\"";

// A sentence for files that people try; empty for others.
std::string advice_for(std::string_view file) {
  if (file.empty()) return "it is empty";
  if (file.starts_with("PK\x03\x04"sv)) {
    // The name of the first entry is at byte 30: Keras begins with metadata.json.
    const std::string_view name = file.substr(std::min<std::size_t>(file.size(), 30));
    if (name.starts_with("metadata.json") || name.starts_with("config.json")) {
      return "it is a Keras .keras archive, which is not read: save "
             "model.save_weights('x.weights.h5') "
             "and use that";
    }
    return fmt::format("it is a zip archive, such as PyTorch's .pth, which is not read; {}",
                       torch_advice);
  }
  if (file.starts_with("\x80\x02") || file.starts_with("\x80\x03") ||
      file.starts_with("\x80\x04")) {
    return fmt::format("it is a Python pickle, such as an old PyTorch .pth, which is not read; {}",
                       torch_advice);
  }
  if (file.starts_with("version https://git-lfs")) {
    return "it is a Git LFS pointer and not the file itself: run git lfs pull";
  }
  if (file.starts_with("<")) return "it is a web page and not a weights file: fetch it again";
  return "";
}

void require_finite(const std::filesystem::path& path, const Vgg16Layer& layer,
                    std::string_view tensor, std::span<const float> values) {
  const auto bad = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return;
  refuse_weights(path, "value {} of the {} of {} is {}: the weights are damaged",
                 bad - values.begin(), tensor, layer.name, *bad);
}

// What a file that is no plain VGG16 looks like, for the end of a message; empty when unknown.
std::string other_network(const std::filesystem::path& path) try {
  std::size_t kernels = 0;
  std::size_t normalisations = 0;
  for (const auto& [name, shape] : describe_weights_file(path).tensors) {
    if (!kernel_layout(shape).empty()) ++kernels;
    if (name.ends_with("running_mean") || name.find("moving_mean") != name.npos) ++normalisations;
  }
  const bool is_normalised = normalisations >= kernels;
  const bool is_vgg = kernels == 8 || kernels == 10 || kernels == 13 || kernels == 16;
  if (!is_vgg || (kernels == 13 && !is_normalised)) return "";
  return fmt::format("; it looks like a VGG{}{}: import the weights of a plain VGG16",
                     kernels + 3,  // with the three Dense layers
                     is_normalised ? " with batch normalisation" : "");
} catch (const Error&) {
  return "";  // the first error says what is wrong with the file
}

}  // namespace

WeightsFormat weights_format_of(const std::filesystem::path& path) {
  std::error_code unknown;  // what cannot be looked at is refused below
  if (std::filesystem::is_directory(path, unknown))
    refuse_weights(path, "it is a folder: name the weights file in it");
  if (std::filesystem::exists(path, unknown) && !std::filesystem::is_regular_file(path, unknown))
    refuse_weights(path, "it is not a regular file");
  const MappedFile file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               file.bytes().size());
  if (bytes.starts_with("\x89HDF\r\n\x1a\n"sv)) return WeightsFormat::hdf5;
  if (looks_like_safetensors(bytes)) return WeightsFormat::safetensors;
  const std::string advice = advice_for(bytes);
  if (!advice.empty()) refuse_weights(path, "{}", advice);
  // ONNX has no magic; its first field is ir_version, a varint of number 1.
  if (bytes.starts_with("\x08")) return WeightsFormat::onnx;
  refuse_weights(path,
                 "it is not a weights file that is read here (safetensors, Keras HDF5, ONNX)");
}

ConvolutionFile read_safetensors_convolutions(const Safetensors& file,
                                              std::span<const Vgg16Layer> layers) {
  const bool is_pytorch = find_with_prefix(file, "features.0.weight") != nullptr;
  const auto values = [&](const Vgg16Layer& layer, const std::string& name,
                          std::span<const std::size_t> shape) {
    const SafetensorsEntry* entry = find_with_prefix(file, name);
    if (entry == nullptr) {
      refuse_weights(file.path(), "there is no tensor \"{}\" in it{}", name,
                     is_pytorch ? "" : ", nor \"features.0.weight\" of torchvision or timm");
    }
    require_shape(file.path(), layer, entry->name, entry->shape, shape);
    return file.values(*entry);
  };
  // A VGG19 has all tensors of these names.
  if (find_with_prefix(file, "block3_conv4/kernel") != nullptr)
    refuse_weights(file.path(), "it has a \"block3_conv4/kernel\", and VGG16 has none");
  ConvolutionFile result;
  std::size_t index = 0;  // of PyTorch's modules: a convolution, a ReLU and a pool are one each
  for (const Vgg16Layer& layer : layers) {
    const std::string name =
        is_pytorch ? fmt::format("features.{}.", index) : fmt::format("{}/", layer.name);
    auto kernel = values(layer, name + (is_pytorch ? "weight" : "kernel"),
                         is_pytorch ? oihw_shape(layer) : hwio_shape(layer));
    auto bias = values(layer, name + "bias", std::array{layer.output_channels});
    if (is_pytorch) kernel = hwio_from_oihw(layer, kernel);
    result.convolutions.push_back({std::move(kernel), std::move(bias)});
    index += layer.pool_after ? 3 : 2;
  }
  result.source = fmt::format("safetensors file {}", shown(file.path().filename()));
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
  try {
    const WeightsFormat format = weights_format_of(path);
    if (format == WeightsFormat::hdf5)
      file = read_hdf5_convolutions(path, layers, stop);
    else if (format == WeightsFormat::onnx)
      file = read_onnx_convolutions(path, layers);
    else
      file = read_safetensors_convolutions({path, MappedFile(path).bytes()}, layers);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::weights) throw;
    throw Error(error.kind(), error.what() + other_network(path));
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

std::string_view kernel_layout(std::span<const std::size_t> shape) {
  for (const std::string_view layout : {"OIHW", "HWIO", "OHWI"}) {
    if (shape.size() == 4 && shape[layout.find('H')] == 3 && shape[layout.find('W')] == 3)
      return layout;
  }
  return "";
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
  const std::string_view is = kernel_layout(found);
  const std::string_view due = kernel_layout(expected);
  if (!is.empty() && !due.empty() && is != due && found[is.find('I')] == expected[due.find('I')] &&
      found[is.find('O')] == expected[due.find('O')]) {
    refuse_weights(
        path, "\"{}\" has the shape {} of {} with its axes in the order {}: transpose it to {}",
        tensor, shape_text(found), layer.name, is, due);
  }
  refuse_weights(path, "\"{}\" has the shape {} but VGG16's {} needs {}", tensor, shape_text(found),
                 layer.name, shape_text(expected));
}

std::vector<float> hwio_from_oihw(const Vgg16Layer& layer, std::span<const float> oihw) {
  const std::size_t inputs = layer.input_channels;
  const std::size_t outputs = layer.output_channels;
  if (oihw.size() != 9 * inputs * outputs) {
    throw Error(ErrorKind::usage, "a kernel of {} needs {} values, not {}", layer.name,
                9 * inputs * outputs, oihw.size());
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
  return strverscmp(std::string(a).c_str(), std::string(b).c_str()) < 0;
}

}  // namespace graft
