#include "engine/weights/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <string_view>

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/weights/refuse.h"

namespace graft {
namespace {

static_assert(std::endian::native == std::endian::little, "the formats here are little-endian");

constexpr std::string_view metadata_key = "__metadata__";
constexpr std::size_t largest_rank = 64;
constexpr std::size_t most_tensors = 10'000;  // and most entries of the metadata
constexpr std::size_t most_values =
    200'000;  // with keys: 10,000 tensors of four dimensions have 140,000
constexpr std::size_t largest_copy = std::size_t{1} << 30U;

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
    json += fmt::format("\"{}\":{{", metadata_key);
    for (const auto& [key, value] : metadata) {
      if (json.back() != '{') json += ',';
      json += json_text(key) + ':' + json_text(value);
    }
    json += '}';
  }
  std::set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    if (tensor.name == metadata_key || !names.insert(tensor.name).second) {
      throw Error(ErrorKind::usage,
                  fmt::format("a safetensors file cannot hold two tensors \"{}\"", tensor.name));
    }
    if (value_count(tensor.shape) != tensor.data.size()) {
      throw Error(ErrorKind::usage,
                  fmt::format("the tensor \"{}\" of shape {} was given {} values", tensor.name,
                              shape_text(tensor.shape), tensor.data.size()));
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
    throw Error(ErrorKind::usage, fmt::format("the header of a safetensors file would be larger "
                                              "than {} bytes",
                                              safetensors_header_limit));
  }
  const std::uint64_t length = json.size();
  std::string bytes(safetensors_length_bytes, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + json;
}

SafetensorsHeader parse_safetensors_header(const std::filesystem::path& path,
                                           std::span<const std::byte> file) {
  const std::uint64_t length = header_length(path, file);
  const auto* text = reinterpret_cast<const char*>(file.data() + safetensors_length_bytes);
  if (length == 0 || text[0] != '{') refuse_weights(path, "the header does not begin with {{");

  const JsonLimits limits{.kind = ErrorKind::weights,
                          .bytes = safetensors_header_limit,
                          .depth = 3,  // the header, a tensor, its shape
                          .members = most_tensors};
  if (count_separators({text, static_cast<std::size_t>(length)}) > most_values)
    refuse_weights(path, "its header has more than {} values", most_values);
  const Json json = read_json({text, static_cast<std::size_t>(length)}, shown(path), limits).value;
  SafetensorsHeader header;
  header.data_start = safetensors_length_bytes + static_cast<std::size_t>(length);
  for (const auto& [name, value] : json.items()) {
    if (name == metadata_key) {
      header.metadata = metadata_from(path, value);
    } else {
      header.entries.push_back(entry_from(path, name, value));
    }
  }
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
                     return a.data_offsets < b.data_offsets;
                   });
  for (const SafetensorsEntry& entry : header.entries) check_entry(path, entry);
  check_tiling(path, header.entries, file.size() - header.data_start);
  return header;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), mapped_(MappedFile(path)) {
  read(mapped_->bytes());
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path, std::vector<std::byte> content)
    : path_(path), content_(std::move(content)) {
  read(content_);
}

void SafetensorsFile::read(std::span<const std::byte> file) {
  SafetensorsHeader header = parse_safetensors_header(path_, file);
  for (const SafetensorsEntry& entry : header.entries) {
    if (entry.dtype != "F32") {
      refuse_weights(path_, "the tensor \"{}\" is of type {}; only F32 is read: save it as float32",
                     entry.name, entry.dtype);
    }
  }
  // All sizes are multiples of four from here on, so one check of the start is a check of them all.
  const std::span<const std::byte> bytes = file.subspan(header.data_start);
  const auto* values = reinterpret_cast<const float*>(bytes.data());
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(float) != 0) {
    if (bytes.size() > largest_copy)
      refuse_weights(path_, "its values are not at a multiple of 4 bytes: save it again");
    aligned_.resize(bytes.size() / sizeof(float));
    if (!aligned_.empty()) std::memcpy(aligned_.data(), bytes.data(), bytes.size());
    values = aligned_.data();
  }
  tensors_.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    const auto [begin, end] = entry.data_offsets;
    tensors_.push_back({std::move(entry.name),
                        std::move(entry.shape),
                        {values + begin / sizeof(float), (end - begin) / sizeof(float)}});
  }
  metadata_ = std::move(header.metadata);
}

const TensorView* SafetensorsFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const TensorView& tensor) { return tensor.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

const TensorView& SafetensorsFile::tensor(const std::string& name) const {
  const TensorView* found = find(name);
  if (found == nullptr) refuse_weights(path_, "there is no tensor \"{}\" in it", name);
  return *found;
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
