// The trained head and the checkpoint as safetensors files. Layer 0 is "dense", layer 1 "dense_1", …
// (Keras' names); each has NAME/kernel (inputs × outputs) and NAME/bias. The metadata of a trained
// head has the names of the classes, the shape of the features it takes, and its layers.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include "engine/backend/checks.h"
#include "engine/base/digest.h"
#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/head/checkpoint.h"
#include "engine/head/trainer.h"
#include "engine/weights/refuse.h"
#include "engine/weights/safetensors.h"

namespace graft {
namespace {

// ---- Tensors ----

std::vector<float> read_tensor(const Safetensors& file, const std::string& name,
                               const std::vector<std::size_t>& shape) {
  const SafetensorsEntry* tensor = file.find(name);
  if (tensor == nullptr || tensor->dtype != "F32") {
    refuse_weights(file.path(), "the tensor {} is missing or is not of type F32", name);
  }
  if (tensor->shape != shape) {
    refuse_weights(file.path(), "the tensor {} has the shape [{}], expected [{}]", name,
                   fmt::join(tensor->shape, ", "), fmt::join(shape, ", "));
  }
  std::vector<float> values = file.values(*tensor);
  if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) {
    refuse_weights(file.path(), "the tensor {} holds a value that is not finite", name);
  }
  return values;
}

// Views of `parameters`, which must stay alive.
void append_tensors(const std::vector<DenseParameters>& parameters, const std::string& prefix,
                    std::vector<TensorView>& tensors) {
  for (std::size_t layer = 0; layer < parameters.size(); ++layer) {
    const DenseParameters& dense = parameters[layer];
    const std::string name = prefix + dense_name(layer);
    tensors.push_back({name + "/kernel", {dense.inputs, dense.outputs}, dense.kernel});
    tensors.push_back({name + "/bias", {dense.outputs}, dense.bias});
  }
}

// Throws Error(weights) for a tensor that is absent, of another shape or not finite.
std::vector<DenseParameters> read_tensors(const Safetensors& file, const std::string& prefix,
                                          const std::vector<DenseShape>& shapes) {
  std::vector<DenseParameters> parameters;
  for (std::size_t layer = 0; layer < shapes.size(); ++layer) {
    const auto [inputs, outputs] = shapes[layer];
    const std::string name = prefix + dense_name(layer);
    parameters.push_back({inputs, outputs, read_tensor(file, name + "/kernel", {inputs, outputs}),
                          read_tensor(file, name + "/bias", {outputs})});
  }
  return parameters;
}

// ---- Digests ----

// Of all tensors, whose bytes `bytes_of` gives, and of all metadata but the digest itself.
template <typename Tensors, typename BytesOf>
std::string content_digest(const Tensors& tensors, const Metadata& metadata, BytesOf bytes_of) {
  Digester digester;
  for (const auto& [key, value] : metadata) {
    if (key == "digest") continue;
    digester.add(fmt::format("{}:{}{}:{}", key.size(), key, value.size(), value));
  }
  for (const auto& tensor : tensors) {
    digester.add(fmt::format("{} {}", tensor.name, fmt::join(tensor.shape, " ")));
    digester.add(bytes_of(tensor));
  }
  return digester.digest().hex();
}

void write_with_digest(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       Metadata metadata) {
  metadata["digest"] = content_digest(
      tensors, metadata, [](const TensorView& tensor) { return std::as_bytes(tensor.data); });
  write_safetensors(path, tensors, metadata);
}

// What is wrong with the file's digest; empty: nothing.
std::string digest_fault(const Safetensors& file) {
  const auto digest = file.metadata().find("digest");
  if (digest == file.metadata().end()) return "it has no digest of its content";
  const auto bytes_of = [&](const SafetensorsEntry& entry) { return file.bytes(entry); };
  if (digest->second == content_digest(file.entries(), file.metadata(), bytes_of)) return {};
  return "its digest does not fit its content";
}

// ---- The trained head ----

constexpr const char* format_name = "graft head 1";
constexpr JsonLimits limits = {
    .kind = ErrorKind::weights, .bytes = 1U << 26U, .depth = 2, .members = 1U << 20U};

// One entry of the metadata, which is JSON, as a Value.
template <typename Value>
Value read_entry(const Safetensors& file, const char* key) {
  const auto entry = file.metadata().find(key);
  if (entry == file.metadata().end()) {
    refuse_weights(file.path(), "its metadata has no \"{}\"", key);
  }
  try {
    return json_as<Value>(read_json(entry->second, key, limits).value, key);
  } catch (const Error& error) {
    refuse_weights(file.path(), "\"{}\" in its metadata is wrong: {}", key, error.what());
  }
}

std::vector<std::string> read_classes(const Safetensors& file) {
  auto classes = read_entry<std::vector<std::string>>(file, "classes");
  if (classes.size() < 2 || std::set(classes.begin(), classes.end()).size() != classes.size()) {
    refuse_weights(file.path(), "\"classes\" in its metadata is not two or more different names");
  }
  return classes;
}

FeatureShape read_feature_shape(const Safetensors& file) {
  constexpr std::size_t largest = 1U << 20U;  // the product of three cannot overflow
  const auto sizes = read_entry<std::vector<std::size_t>>(file, "feature_shape");
  if (sizes.size() != 3 || std::ranges::min(sizes) == 0 || std::ranges::max(sizes) > largest) {
    refuse_weights(file.path(),
                   "\"feature_shape\" in its metadata is not [height, width, channels]");
  }
  return {sizes[0], sizes[1], sizes[2]};
}

}  // namespace

std::string dense_name(std::size_t layer) {
  return layer == 0 ? "dense" : "dense_" + std::to_string(layer);
}

void save_head(const std::filesystem::path& path, const TrainedHead& head) {
  HeadOptions options;
  options.inputs = head.features.count();
  options.classes = head.classes.size();
  for (const DenseParameters& dense : head.parameters) options.hidden.push_back(dense.outputs);
  if (!options.hidden.empty()) options.hidden.pop_back();
  check_options(options);
  check_shapes(head.parameters, options, "parameters");
  std::vector<TensorView> tensors;
  append_tensors(head.parameters, "", tensors);
  const FeatureShape& shape = head.features;
  write_with_digest(path, tensors,
                    {{"format", format_name},
                     {"classes", json_text(head.classes)},
                     {"hidden", json_text(options.hidden)},
                     {"feature_shape", json_text({shape.height, shape.width, shape.channels})},
                     {"feature_key", json_text(json_object(head.key.settings))},
                     {"epoch", std::to_string(head.epoch)}});
}

TrainedHead load_head(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  const Safetensors file(path, mapped.bytes());
  const auto format = file.metadata().find("format");
  if (format == file.metadata().end() || format->second != format_name) {
    refuse_weights(file.path(),
                   "it is not a trained head (its metadata does not say \"format\": \"{}\")",
                   format_name);
  }
  TrainedHead head;
  head.classes = read_classes(file);
  head.features = read_feature_shape(file);
  head.key.settings = read_entry<JsonStrings>(file, "feature_key");
  head.epoch = read_entry<std::size_t>(file, "epoch");
  HeadOptions options;
  options.inputs = head.features.count();
  options.hidden = read_entry<std::vector<std::size_t>>(file, "hidden");
  options.classes = head.classes.size();
  try {
    check_options(options);
  } catch (const Error& error) {
    refuse_weights(file.path(), "\"hidden\" in its metadata is impossible: {}", error.what());
  }
  const std::vector<DenseShape> shapes = options.layers();
  if (file.entries().size() != 2 * shapes.size()) {
    refuse_weights(file.path(), "it holds {} tensors, and its {} layers have {}",
                   file.entries().size(), shapes.size(), 2 * shapes.size());
  }
  head.parameters = read_tensors(file, "", shapes);
  if (const std::string fault = digest_fault(file); !fault.empty()) {
    refuse_weights(path, "{}; train again", fault);
  }
  return head;
}

// ---- The checkpoint ----

namespace {

constexpr const char* mean_squares_prefix = "mean_squares/";
constexpr const char* key_prefix = "key/";
constexpr const char* mean_name = "normalization/mean";
constexpr const char* scale_name = "normalization/scale";

std::string entry(const Safetensors& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? "unknown" : found->second;
}

std::string differences(const Safetensors& file, const RunKey& key) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : key) {
    const std::string saved = entry(file, key_prefix + name);
    if (saved != value)
      parts.push_back(
          fmt::format("{} was {}, is {}", name, printable(saved, 100), printable(value, 100)));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const RunKey& key,
                     const TrainingState& state, const History& history) {
  std::vector<TensorView> tensors;
  append_tensors(state.head.parameters, "", tensors);
  append_tensors(state.head.mean_squares, mean_squares_prefix, tensors);
  const auto& [mean, scale] = state.normalization;
  if (!scale.empty()) {
    tensors.push_back({mean_name, {mean.size()}, mean});
    tensors.push_back({scale_name, {scale.size()}, scale});
  }
  Metadata metadata = {{"history", history_json(history)}};
  for (const auto& [name, value] : key) metadata[key_prefix + name] = value;
  write_with_digest(path, tensors, metadata);
}

std::optional<Checkpoint> load_checkpoint(const std::filesystem::path& path, const RunKey& key,
                                          const std::vector<DenseShape>& shapes,
                                          std::string& reason) {
  std::error_code unknown;  // then opening it will meet the cause and name it
  if (!std::filesystem::exists(path, unknown) && !unknown) return std::nullopt;
  try {
    const MappedFile mapped(path);
    const Safetensors file(path, mapped.bytes());
    reason = differences(file, key);
    if (!reason.empty()) return std::nullopt;
    reason = digest_fault(file);
    if (!reason.empty()) return std::nullopt;
    // Not one braced list: when the last of nested members throws, GCC 12 frees the others twice.
    Checkpoint checkpoint;
    checkpoint.state.head.parameters = read_tensors(file, "", shapes);
    checkpoint.state.head.mean_squares = read_tensors(file, mean_squares_prefix, shapes);
    checkpoint.history = parse_history_json(entry(file, "history"));
    if (file.find(scale_name) != nullptr) {
      const std::vector<std::size_t> shape = {shapes.front().inputs};
      checkpoint.state.normalization = {read_tensor(file, mean_name, shape),
                                        read_tensor(file, scale_name, shape)};
    }
    return checkpoint;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io || error.kind() == ErrorKind::device) throw;
    reason = error.what();
    return std::nullopt;
  }
}

}  // namespace graft
