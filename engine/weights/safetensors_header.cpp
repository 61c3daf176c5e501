#include "engine/weights/safetensors_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "engine/weights/refuse.h"

namespace graft {
namespace {

static_assert(std::endian::native == std::endian::little, "the formats here are little-endian");

using Json = nlohmann::json;

constexpr std::string_view metadata_key = "__metadata__";
constexpr std::size_t largest_rank = 64;

// Bits of one value; nothing for a type that the format does not know.
std::optional<std::size_t> bits_of(std::string_view dtype) {
  struct Type {
    std::string_view name;
    std::size_t bits;
  };
  static constexpr Type types[] = {{"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8},
                                   {"F8_E4M3", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},
                                   {"BF16", 16},   {"I32", 32}, {"U32", 32}, {"F32", 32},
                                   {"I64", 64},    {"U64", 64}, {"F64", 64}};
  for (const Type& type : types) {
    if (type.name == dtype) return type.bits;
  }
  return std::nullopt;
}

// The events of the JSON parser. A header is an object of objects: `__metadata__` of strings, and
// one object a tensor with exactly dtype, shape and data_offsets. False ends the parse; `problem`
// says why.
class HeaderEvents final : public nlohmann::json_sax<Json> {
 public:
  std::vector<SafetensorsEntry> entries;
  Metadata metadata;
  std::string problem;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a number that is no unsigned 64-bit integer");
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::shape) {
      if (entry_.shape.size() == largest_rank)
        return stop(where() + " has more than 64 dimensions");
      if (value > std::numeric_limits<std::size_t>::max()) return unexpected("a huge number");
      entry_.shape.push_back(static_cast<std::size_t>(value));
      return true;
    }
    if (place_ == Place::offsets) {
      if (offsets_ == 2) return stop(where() + " has more than two data_offsets");
      entry_.data_offsets[offsets_++] = value;
      return true;
    }
    return unexpected("a number");
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      metadata.emplace(std::move(key_), std::move(value));
      return true;
    }
    if (place_ == Place::tensor && key_ == "dtype") {
      entry_.dtype = std::move(value);
      return true;
    }
    return unexpected("a string");
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::top;
      return true;
    }
    if (place_ != Place::top) return unexpected("an object");
    if (key_ == metadata_key) {
      place_ = Place::metadata;
      return true;
    }
    entry_ = SafetensorsEntry{};
    entry_.name = key_;
    offsets_ = 0;
    seen_.clear();
    place_ = Place::tensor;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) {
      if (seen_.size() != 3) return stop(where() + " lacks dtype, shape or data_offsets");
      entries.push_back(std::move(entry_));
    }
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor) return unexpected("an array");
    if (key_ == "shape") {
      place_ = Place::shape;
      return true;
    }
    if (key_ == "data_offsets") {
      place_ = Place::offsets;
      return true;
    }
    return unexpected("an array");
  }

  bool end_array() override {
    if (place_ == Place::offsets && offsets_ != 2) {
      return stop(where() + " has fewer than two data_offsets");
    }
    place_ = Place::tensor;
    return true;
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    if (place_ == Place::top) {
      if (!names_.insert(key_).second)
        return stop(fmt::format("the name \"{}\" stands twice", key_));
    } else if (place_ == Place::metadata) {
      if (metadata.contains(key_)) {
        return stop(fmt::format("the metadata key \"{}\" stands twice", key_));
      }
    } else {
      if (key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
        return stop(fmt::format("{} has an unknown key \"{}\"", where(), key_));
      }
      if (!seen_.insert(key_).second) {
        return stop(fmt::format("{} has the key \"{}\" twice", where(), key_));
      }
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return stop(fmt::format("it is not well-formed JSON at byte {}", position));
  }

 private:
  enum class Place { outside, top, metadata, tensor, shape, offsets };

  bool stop(std::string reason) {
    if (problem.empty()) problem = std::move(reason);
    return false;
  }
  std::string where() const { return fmt::format("the tensor \"{}\"", entry_.name); }
  bool unexpected(std::string_view what) {
    switch (place_) {
      case Place::outside:
        return stop(fmt::format("it is {} and not an object", what));
      case Place::top:
        return stop(fmt::format("the value of \"{}\" is {}", key_, what));
      case Place::metadata:
        return stop(fmt::format("the metadata \"{}\" is {} and not a string", key_, what));
      default:
        return stop(fmt::format("{} has {} as its {}", where(), what, key_));
    }
  }

  Place place_ = Place::outside;
  std::string key_;
  SafetensorsEntry entry_;
  std::size_t offsets_ = 0;
  std::set<std::string> seen_;             // keys of the present tensor
  std::unordered_set<std::string> names_;  // of all tensors
};

void check_entry(const std::filesystem::path& path, const SafetensorsEntry& entry) {
  const auto bits = bits_of(entry.dtype);
  if (!bits) {
    refuse_weights(path, "the tensor \"{}\" has the unknown dtype \"{}\"", entry.name, entry.dtype);
  }
  const auto count = value_count(entry.shape);
  const std::size_t bytes_each = *bits / 8;
  if (!count || *count > std::numeric_limits<std::size_t>::max() / bytes_each) {
    refuse_weights(path, "the shape {} of the tensor \"{}\" is too large to be true",
                   shape_text(entry.shape), entry.name);
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
      refuse_weights(path, "a hole of {} bytes stands before the tensor \"{}\"", begin - expected,
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

std::string quoted(const std::string& text) {
  // A file name in the metadata need not be UTF-8; what is not becomes U+FFFD.
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::filesystem::path& path,
                                           std::span<const std::byte> file) {
  const std::uint64_t length = header_length(path, file);
  const auto* text = reinterpret_cast<const char*>(file.data() + safetensors_length_bytes);
  if (length == 0 || text[0] != '{') refuse_weights(path, "the header does not begin with {{");

  HeaderEvents events;
  if (!Json::sax_parse(text, text + length, &events)) {
    refuse_weights(path, "the header is refused: {}", events.problem);
  }
  SafetensorsHeader header;
  header.data_start = safetensors_length_bytes + static_cast<std::size_t>(length);
  header.metadata = std::move(events.metadata);
  header.entries = std::move(events.entries);
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
                     return a.data_offsets < b.data_offsets;
                   });
  for (const SafetensorsEntry& entry : header.entries) check_entry(path, entry);
  check_tiling(path, header.entries, file.size() - header.data_start);
  return header;
}

std::string safetensors_header_bytes(std::span<const TensorView> tensors,
                                     const Metadata& metadata) {
  std::string json = "{";
  if (!metadata.empty()) {
    json += fmt::format("\"{}\":{{", metadata_key);
    for (const auto& [key, value] : metadata) {
      if (json.back() != '{') json += ',';
      json += quoted(key) + ':' + quoted(value);
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
                        quoted(tensor.name), fmt::join(tensor.shape, ","), offset, end);
    offset = end;
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  if (json.size() > safetensors_header_limit) {
    throw Error(ErrorKind::usage, "the header of a safetensors file would pass 100,000,000 bytes");
  }
  const std::uint64_t length = json.size();
  std::string bytes(safetensors_length_bytes, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + json;
}

}  // namespace graft
