// The trained head as a safetensors file. Its metadata has the names of the classes, the shape of the
// features it takes, and its layers.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/head/dense_tensors.h"
#include "engine/head/trainer.h"

namespace graft {
namespace {

constexpr const char* format_name = "graft head 1";
constexpr JsonLimits limits = {ErrorKind::weights, std::uint64_t{1} << 26U, 2,
                               std::size_t{1} << 20U, false};

std::vector<std::size_t> hidden_units(const std::vector<DenseParameters>& parameters) {
  std::vector<std::size_t> units;
  for (std::size_t layer = 0; layer + 1 < parameters.size(); ++layer) {
    units.push_back(parameters[layer].outputs);
  }
  return units;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& fault) {
  throw Error(ErrorKind::weights, fmt::format("{}: {}.", path.string(), fault));
}

// One entry of the metadata, which is JSON, as a Value.
template <typename Value>
Value read_entry(const SafetensorsFile& file, const std::filesystem::path& path, const char* key) {
  const auto entry = file.metadata().find(key);
  if (entry == file.metadata().end()) {
    refuse(path, fmt::format("its metadata has no \"{}\"", key));
  }
  try {
    return json_as<Value>(read_json(entry->second, key, limits).value, key);
  } catch (const Error& error) {
    refuse(path, fmt::format("\"{}\" in its metadata is wrong: {}", key, error.what()));
  }
}

std::vector<std::string> read_classes(const SafetensorsFile& file,
                                      const std::filesystem::path& path) {
  auto classes = read_entry<std::vector<std::string>>(file, path, "classes");
  if (classes.size() < 2 || std::set(classes.begin(), classes.end()).size() != classes.size()) {
    refuse(path, "\"classes\" in its metadata is not two or more different names");
  }
  return classes;
}

FeatureShape read_feature_shape(const SafetensorsFile& file, const std::filesystem::path& path) {
  constexpr std::size_t largest = 1U << 20U;  // the product of three cannot overflow
  const auto sizes = read_entry<std::vector<std::size_t>>(file, path, "feature_shape");
  if (sizes.size() != 3 || std::ranges::min(sizes) == 0 || std::ranges::max(sizes) > largest) {
    refuse(path, "\"feature_shape\" in its metadata is not [height, width, channels]");
  }
  return {sizes[0], sizes[1], sizes[2]};
}

void check_savable(const std::filesystem::path& path, const TrainedHead& head) {
  HeadOptions options;
  options.inputs = head.features.count();
  options.hidden = hidden_units(head.parameters);
  options.classes = head.classes.size();
  const auto shapes = dense_shapes(options);
  bool fits = head.classes.size() >= 2 && shapes.size() == head.parameters.size();
  for (std::size_t layer = 0; fits && layer < shapes.size(); ++layer) {
    const DenseParameters& dense = head.parameters[layer];
    fits = DenseShape{dense.inputs, dense.outputs} == shapes[layer] &&
           dense.kernel.size() == dense.inputs * dense.outputs &&
           dense.bias.size() == dense.outputs;
  }
  if (!fits) {
    throw Error(
        ErrorKind::usage,
        fmt::format("{} was not written: the layers of the head do not lead from {} features to "
                    "{} classes.",
                    path.string(), options.inputs, options.classes));
  }
}

}  // namespace

void save_head(const std::filesystem::path& path, const TrainedHead& head) {
  check_savable(path, head);
  std::vector<TensorView> tensors;
  append_tensors(head.parameters, "", tensors);
  const FeatureShape& shape = head.features;
  Json key = Json::object();
  for (const auto& [name, value] : head.key.settings) key[name] = value;
  write_safetensors(path, tensors,
                    {{"format", format_name},
                     {"classes", json_text(head.classes)},
                     {"hidden", json_text(hidden_units(head.parameters))},
                     {"feature_shape", json_text({shape.height, shape.width, shape.channels})},
                     {"feature_key", json_text(key)},
                     {"epoch", std::to_string(head.epoch)}});
}

TrainedHead load_head(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  const auto format = file.metadata().find("format");
  if (format == file.metadata().end() || format->second != format_name) {
    refuse(path,
           fmt::format("it is not a trained head (its metadata does not say \"format\": \"{}\")",
                       format_name));
  }
  TrainedHead head;
  head.classes = read_classes(file, path);
  head.features = read_feature_shape(file, path);
  head.key.settings = read_entry<JsonStrings>(file, path, "feature_key");
  head.epoch = read_entry<std::size_t>(file, path, "epoch");
  HeadOptions options;
  options.inputs = head.features.count();
  options.hidden = read_entry<std::vector<std::size_t>>(file, path, "hidden");
  options.classes = head.classes.size();
  std::vector<DenseShape> shapes;
  try {
    shapes = dense_shapes(options);
  } catch (const Error& error) {
    refuse(path, fmt::format("\"hidden\" in its metadata is impossible: {}", error.what()));
  }
  if (file.tensors().size() != 2 * shapes.size()) {
    refuse(path, fmt::format("it holds {} tensors, and its {} layers have {}",
                             file.tensors().size(), shapes.size(), 2 * shapes.size()));
  }
  head.parameters = read_tensors(file, path, "", shapes);
  return head;
}

}  // namespace graft
