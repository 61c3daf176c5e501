#include "engine/weights/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/weights/float_values.h"
#include "engine/weights/refuse.h"

namespace graft {
namespace {

static_assert(std::endian::native == std::endian::little, "the formats here are little-endian");

constexpr std::string_view metadata_key = "__metadata__";
constexpr std::size_t largest_rank = 64;
constexpr std::size_t most_tensors = 10'000;  // and most entries of the metadata
constexpr std::size_t most_values =
    200'000;  // with keys: 10,000 tensors of four dimensions have 140,000

// Bytes of one value; 0 for a type that the format does not know.
std::size_t bytes_of(std::string_view dtype) {
  static constexpr std::pair<std::string_view, std::size_t> types[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};
  for (const auto& [name, bytes] : types)
    if (name == dtype) return bytes;
  return 0;
}

void check_entry(const std::filesystem::path& path, const SafetensorsEntry& entry) {
  const std::size_t bytes_each = bytes_of(entry.dtype);
  if (bytes_each == 0) {
    refuse_weights(path, "the tensor \"{}\" has the unknown dtype \"{}\"", entry.name, entry.dtype);
  }
  if (entry.shape.size() > largest_rank) {
    refuse_weights(path, "the tensor \"{}\" has more than {} dimensions", entry.name, largest_rank);
  }
  const auto count = value_count(entry.shape);
  if (!count || *count > std::numeric_limits<std::size_t>::max() / bytes_each) {
    refuse_weights(path, "the shape {} of the tensor \"{}\" is too large", shape_text(entry.shape),
                   entry.name);
  }
  const auto [begin, end] = entry.data_offsets;
  if (begin > end) {
    refuse_weights(path, "the tensor \"{}\" ends at byte {}, before it begins at {}", entry.name,
                   end, begin);
  }
  if (end - begin != *count * bytes_each) {
    refuse_weights(path,
                   "the tensor \"{}\" of shape {} needs {} bytes but its data_offsets span {}",
                   entry.name, shape_text(entry.shape), *count * bytes_each, end - begin);
  }
}

// The tensors, sorted by offset, must tile the data from the first byte to the last.
void check_tiling(const std::filesystem::path& path, const std::vector<SafetensorsEntry>& entries,
                  std::uint64_t data_bytes) {
  std::uint64_t expected = 0;
  for (const SafetensorsEntry& entry : entries) {
    const auto [begin, end] = entry.data_offsets;
    if (begin < expected) {
      refuse_weights(path,
                     "the tensor \"{}\" overlaps the one before it (begins at byte {}, not {})",
                     entry.name, begin, expected);
    }
    if (begin > expected) {
      refuse_weights(path, "a hole of {} bytes is before the tensor \"{}\"", begin - expected,
                     entry.name);
    }
    if (end > data_bytes) {
      refuse_weights(
          path,
          "the tensor \"{}\" ends at byte {} of the data but the file has only {}: it is "
          "truncated; fetch it again",
          entry.name, end, data_bytes);
    }
    expected = end;
  }
  if (expected != data_bytes) {
    refuse_weights(path, "{} bytes after the last tensor belong to none", data_bytes - expected);
  }
}

std::uint64_t header_length(const std::filesystem::path& path, std::span<const std::byte> file) {
  if (file.size() < safetensors_length_bytes) {
    refuse_weights(path, "{} bytes are too few for a safetensors file", file.size());
  }
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > safetensors_header_limit) {
    refuse_weights(path, "a header of {} bytes is above the limit of {}", length,
                   safetensors_header_limit);
  }
  if (length > file.size() - safetensors_length_bytes) {
    refuse_weights(path,
                   "the header should have {} bytes but the file ends after {}: it is truncated",
                   length, file.size() - safetensors_length_bytes);
  }
  return length;
}

// At least the number of keys and values: each has a separator before it.
std::size_t count_separators(std::string_view json) {
  std::size_t count = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') ++i;
    if (!in_string && (c == ',' || c == ':' || c == '[' || c == '{')) ++count;
  }
  return count;
}

// An object with exactly dtype, shape and data_offsets.
SafetensorsEntry entry_from(const std::filesystem::path& path, const std::string& name,
                            const Json& json) {
  SafetensorsEntry entry;
  entry.name = name;
  try {
    entry.dtype = json_at<std::string>(json, "dtype", ErrorKind::weights);
    entry.shape = json_at<std::vector<std::size_t>>(json, "shape", ErrorKind::weights);
    const auto offsets =
        json_at<std::vector<std::uint64_t>>(json, "data_offsets", ErrorKind::weights);
    if (offsets.size() != 2)
      refuse_json("data_offsets", "two numbers", json.at("data_offsets"), ErrorKind::weights);
    entry.data_offsets = {offsets[0], offsets[1]};
  } catch (const Error& error) {
    refuse_weights(path, "the tensor \"{}\": {}", name, error.what());
  }
  for (const auto& [key, value] : json.items()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      refuse_weights(path, "the tensor \"{}\" has the unknown key \"{}\"", name, key);
  }
  return entry;
}

Metadata metadata_from(const std::filesystem::path& path, const Json& json) {
  try {
    const auto strings = json_as<JsonStrings>(json, metadata_key, ErrorKind::weights);
    return {strings.begin(), strings.end()};
  } catch (const Error& error) {
    refuse_weights(path, "the metadata: {}", error.what());
  }
}

}  // namespace

std::string safetensors_header(std::span<const TensorView> tensors, const Metadata& metadata) {
  std::string json = "{";
  if (!metadata.empty()) {
    json += fmt::format("\"{}\":{}", metadata_key, json_text(metadata));
  }
  std::set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    if (tensor.name == metadata_key || !names.insert(tensor.name).second) {
      throw Error(ErrorKind::usage, "a safetensors file cannot hold two tensors \"{}\"",
                  tensor.name);
    }
    if (value_count(tensor.shape) != tensor.data.size()) {
      throw Error(ErrorKind::usage, "the tensor \"{}\" of shape {} was given {} values",
                  tensor.name, shape_text(tensor.shape), tensor.data.size());
    }
    if (json.size() > 1) json += ',';
    const std::uint64_t end = offset + tensor.data.size_bytes();
    json += fmt::format("{}:{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                        json_text(tensor.name), fmt::join(tensor.shape, ","), offset, end);
    offset = end;
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  if (json.size() > safetensors_header_limit) {
    throw Error(ErrorKind::usage, "the header of a safetensors file would be larger than {} bytes",
                safetensors_header_limit);
  }
  const std::uint64_t length = json.size();
  std::string bytes(safetensors_length_bytes, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + json;
}

Safetensors::Safetensors(const std::filesystem::path& path, std::span<const std::byte> content)
    : path_(path) {
  const std::uint64_t length = header_length(path, content);
  const auto* text = reinterpret_cast<const char*>(content.data() + safetensors_length_bytes);
  if (length == 0 || text[0] != '{') refuse_weights(path, "the header does not begin with {{");

  const JsonLimits limits{.kind = ErrorKind::weights,
                          .bytes = safetensors_header_limit,
                          .depth = 3,  // the header, a tensor, its shape
                          .members = most_tensors};
  if (count_separators({text, static_cast<std::size_t>(length)}) > most_values)
    refuse_weights(path, "its header has more than {} values", most_values);
  const Json json = read_json({text, static_cast<std::size_t>(length)}, shown(path), limits).value;
  for (const auto& [name, value] : json.items()) {
    if (name == metadata_key) {
      metadata_ = metadata_from(path, value);
    } else {
      entries_.push_back(entry_from(path, name, value));
    }
  }
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
                     return a.data_offsets < b.data_offsets;
                   });
  data_ = content.subspan(safetensors_length_bytes + static_cast<std::size_t>(length));
  for (const SafetensorsEntry& entry : entries_) check_entry(path, entry);
  check_tiling(path, entries_, data_.size());
}

const SafetensorsEntry* Safetensors::find(std::string_view name) const {
  const auto found = std::ranges::find(entries_, name, &SafetensorsEntry::name);
  return found == entries_.end() ? nullptr : &*found;
}

std::span<const std::byte> Safetensors::bytes(const SafetensorsEntry& entry) const {
  const auto [begin, end] = entry.data_offsets;
  return data_.subspan(begin, end - begin);
}

std::vector<float> Safetensors::values(const SafetensorsEntry& entry) const {
  if (entry.dtype == "F32") return to_float32(FloatType::float32, bytes(entry));
  if (entry.dtype == "F16") return to_float32(FloatType::float16, bytes(entry));
  if (entry.dtype == "BF16") return to_float32(FloatType::bfloat16, bytes(entry));
  refuse_weights(path_,
                 "the tensor \"{}\" is of type {}; only F32, F16 and BF16 are read: save it as "
                 "float32",
                 entry.name, entry.dtype);
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const Metadata& metadata) {
  const std::string header = safetensors_header(tensors, metadata);
  write_durably(path, [&](File& file) {
    file.append(as_bytes(header));
    for (const TensorView& tensor : tensors) file.append(std::as_bytes(tensor.data));
  });
}

}  // namespace graft
