// The trained head as a safetensors file that says by itself what it classifies: the names of the
// classes, the shape of the features it takes, and its layers.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/error.h"
#include "engine/head/dense_tensors.h"
#include "engine/head/trainer.h"

namespace graft {
namespace {

constexpr const char* format_name = "graft head 1";

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

// One entry of the metadata, parsed as JSON into a Value.
template <typename Value>
Value read_entry(const SafetensorsFile& file, const std::filesystem::path& path, const char* key,
                 const char* expected) {
  const auto entry = file.metadata().find(key);
  if (entry == file.metadata().end()) {
    refuse(path, fmt::format("its metadata has no \"{}\"", key));
  }
  try {
    return nlohmann::ordered_json::parse(entry->second).template get<Value>();
  } catch (const nlohmann::json::exception&) {
    refuse(path, fmt::format("\"{}\" in its metadata is not {}", key, expected));
  }
}

// nlohmann::json turns 2.5 and -1 into a std::size_t without a word; this reads whole numbers ≥ 1
// only.
std::vector<std::size_t> read_sizes(const SafetensorsFile& file, const std::filesystem::path& path,
                                    const char* key, const char* expected) {
  std::vector<std::size_t> sizes;
  for (const auto& value :
       read_entry<std::vector<nlohmann::ordered_json>>(file, path, key, expected)) {
    if (!value.is_number_unsigned() || value.get<std::size_t>() == 0) {
      refuse(path, fmt::format("\"{}\" in its metadata is not {}", key, expected));
    }
    sizes.push_back(value.get<std::size_t>());
  }
  return sizes;
}

std::vector<std::string> read_classes(const SafetensorsFile& file,
                                      const std::filesystem::path& path) {
  const char* expected = "a JSON array of two or more different names";
  auto classes = read_entry<std::vector<std::string>>(file, path, "classes", expected);
  if (classes.size() < 2 || std::set(classes.begin(), classes.end()).size() != classes.size()) {
    refuse(path, fmt::format("\"classes\" in its metadata is not {}", expected));
  }
  return classes;
}

FeatureShape read_feature_shape(const SafetensorsFile& file, const std::filesystem::path& path) {
  constexpr std::size_t largest = 1U << 20U;  // the product of three cannot overflow
  const char* expected = "[height, width, channels]";
  const auto sizes = read_sizes(file, path, "feature_shape", expected);
  if (sizes.size() != 3 || *std::max_element(sizes.begin(), sizes.end()) > largest) {
    refuse(path, fmt::format("\"feature_shape\" in its metadata is not {}", expected));
  }
  return {sizes[0], sizes[1], sizes[2]};
}

std::string key_json(const FeatureKey& key) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : key.settings) json[name] = value;
  return json.dump();
}

FeatureKey read_feature_key(const SafetensorsFile& file, const std::filesystem::path& path) {
  const char* expected = "an object of strings";
  const auto json = read_entry<nlohmann::ordered_json>(file, path, "feature_key", expected);
  if (!json.is_object()) refuse(path, fmt::format("\"feature_key\" is not {}", expected));
  FeatureKey key;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_string()) refuse(path, fmt::format("\"feature_key\" is not {}", expected));
    key.settings.emplace_back(name, value.get<std::string>());
  }
  return key;
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
  write_safetensors(
      path, tensors,
      {{"format", format_name},
       {"classes", nlohmann::json(head.classes)
                       .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)},
       {"hidden", nlohmann::json(hidden_units(head.parameters)).dump()},
       {"feature_shape", nlohmann::json({shape.height, shape.width, shape.channels}).dump()},
       {"feature_key", key_json(head.key)},
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
  head.key = read_feature_key(file, path);
  const auto epoch = read_entry<nlohmann::ordered_json>(file, path, "epoch", "a whole number");
  if (!epoch.is_number_unsigned()) refuse(path, "\"epoch\" in its metadata is not a whole number");
  head.epoch = epoch.get<std::size_t>();
  HeadOptions options;
  options.inputs = head.features.count();
  options.hidden = read_sizes(file, path, "hidden", "a JSON array of whole numbers from 1");
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
