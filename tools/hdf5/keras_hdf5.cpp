// VGG16's convolutions in HDF5 files of Keras.
//   Keras 2 (and Keras 3's legacy .h5): the attribute layer_names lists groups in order, each
//   group's weight_names lists its datasets: kernel, then bias. model.save() puts all of it into
//   the group model_weights. Keras 3 (.weights.h5): layers/NAME/vars/0 is the kernel and /1 the
//   bias; a model within a model has a group `layers` of its own. NAMEs end in a number that gives
//   the order.
// Kernels are HWIO already. Layers after the wanted ones (a head) are ignored.

#include "tools/hdf5/keras_hdf5.h"

#include <algorithm>
#include <array>

#include "engine/weights/refuse.h"

namespace graft {
namespace {

constexpr int deepest_group = 16;
constexpr std::size_t most_datasets = 10'000;

struct ConvolutionPaths {
  std::string kernel;
  std::string bias;
};

std::string join(const std::string& group, const std::string& name) {
  return group.empty() ? name : group + '/' + name;
}

// The group with the attribute layer_names, or nothing in a file of Keras 3.
std::optional<std::string> keras2_root(const Hdf5File& file) {
  if (file.strings("", "layer_names")) return "";
  if (file.has_group("model_weights") && file.strings("model_weights", "layer_names")) {
    return "model_weights";
  }
  return std::nullopt;
}

// Appends the convolutions of one layer's group. A group may be a model with many layers.
void collect_keras2_layer(const Hdf5File& file, const std::string& group, std::size_t wanted,
                          std::vector<ConvolutionPaths>& found) {
  const auto weights = file.strings(group, "weight_names");
  if (!weights) {
    refuse_weights(file.path(), "the group \"{}\" lacks the attribute weight_names", group);
  }
  const std::size_t before = found.size();
  for (std::size_t i = 0; i < weights->size() && found.size() < wanted; ++i) {
    const std::string kernel = join(group, (*weights)[i]);
    const std::vector<std::size_t> shape = file.shape(kernel);
    if (shape.size() != 4) continue;
    if (i + 1 == weights->size()) {
      refuse_weights(file.path(), "the kernel \"{}\" has no bias after it", kernel);
    }
    found.push_back({kernel, join(group, (*weights)[++i])});
  }
  if (!weights->empty() && found.size() == before && before > 0) {
    refuse_weights(file.path(),
                   "after {} of {} convolutions comes the layer \"{}\" with weights of another "
                   "kind: only a plain VGG16 is read",
                   before, wanted, group);
  }
}

std::vector<ConvolutionPaths> keras2_convolutions(const Hdf5File& file, const std::string& root,
                                                  std::size_t wanted) {
  std::vector<ConvolutionPaths> found;
  const auto layer_names = file.strings(root, "layer_names");
  for (const std::string& layer : *layer_names) {
    if (found.size() == wanted) break;
    collect_keras2_layer(file, join(root, layer), wanted, found);
  }
  return found;
}

std::vector<ConvolutionPaths> keras3_convolutions(const Hdf5File& file, const std::string& layers,
                                                  int depth) {
  std::vector<std::string> names = file.children(layers);
  std::ranges::sort(names, natural_less);
  std::vector<ConvolutionPaths> found;
  for (const std::string& name : names) {
    const std::string kernel = join(layers, name) + "/vars/0";
    if (file.has_dataset(kernel) && file.shape(kernel).size() == 4) {
      found.push_back({kernel, join(layers, name) + "/vars/1"});
    }
  }
  // They are apart from the convolutions; a head may have one, but not one for each convolution.
  const auto normalisations = std::ranges::count_if(
      names, [](const std::string& name) { return name.starts_with("batch_normalization"); });
  if (!found.empty() && normalisations >= std::ssize(found)) {
    refuse_weights(file.path(), "it holds {} batch normalisations: only a plain VGG16 is read",
                   normalisations);
  }
  for (std::size_t i = 0; i < names.size() && found.empty() && depth < deepest_group; ++i) {
    const std::string inner = join(layers, names[i]) + "/layers";
    if (file.has_group(inner)) found = keras3_convolutions(file, inner, depth + 1);
  }
  return found;
}

std::string keras3_root(const Hdf5File& file) {
  for (const char* name : {"layers", "_layer_checkpoint_dependencies"}) {
    if (file.has_group(name)) return name;
  }
  refuse_weights(
      file.path(),
      "it is an HDF5 file but not one of Keras': it has neither the attribute layer_names "
      "(Keras 2) nor the group layers (Keras 3)");
}

void describe_group(const Hdf5File& file, const std::string& group, int depth,
                    std::vector<WeightsFileEntry>& entries) {
  if (depth > deepest_group) refuse_weights(file.path(), "its groups are nested too deep");
  for (const std::string& name : file.children(group)) {
    const std::string inner = join(group, name);
    if (file.has_dataset(inner)) {
      if (entries.size() == most_datasets) refuse_weights(file.path(), "it has too many datasets");
      entries.push_back({inner, file.shape(inner)});
    } else if (file.has_group(inner)) {
      describe_group(file, inner, depth + 1, entries);
    }
  }
}

}  // namespace

ConvolutionFile read_keras_convolutions(const Hdf5File& file, std::span<const Vgg16Layer> layers) {
  const std::filesystem::path& path = file.path();
  const auto root = keras2_root(file);
  const std::vector<ConvolutionPaths> found = root
                                                  ? keras2_convolutions(file, *root, layers.size())
                                                  : keras3_convolutions(file, keras3_root(file), 0);
  if (found.size() < layers.size()) {
    refuse_weights(path, "it holds {} convolutions, fewer than VGG16's {}", found.size(),
                   layers.size());
  }
  ConvolutionFile result;
  result.source = fmt::format("Keras {} HDF5", root ? 2 : 3);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto kernel_shape = hwio_shape(layers[i]);
    const std::array bias_shape = {layers[i].output_channels};
    require_shape(path, layers[i], found[i].kernel, file.shape(found[i].kernel), kernel_shape);
    require_shape(path, layers[i], found[i].bias, file.shape(found[i].bias), bias_shape);
    result.convolutions.push_back(
        {file.floats(found[i].kernel, kernel_shape), file.floats(found[i].bias, bias_shape)});
  }
  return result;
}

WeightsFileSummary describe_keras_file(const Hdf5File& file) {
  WeightsFileSummary summary;
  const auto root = keras2_root(file);
  summary.format = "HDF5";
  if (root) {
    summary.format = "Keras 2 HDF5";
  } else if (file.has_group("layers") || file.has_group("_layer_checkpoint_dependencies")) {
    summary.format = "Keras 3 HDF5";
  }
  for (const char* attribute : {"keras_version", "backend"}) {
    const auto values = file.strings(root.value_or(""), attribute);
    if (values && values->size() == 1) summary.metadata.emplace_back(attribute, values->front());
  }
  describe_group(file, "", 0, summary.tensors);
  return summary;
}

}  // namespace graft
