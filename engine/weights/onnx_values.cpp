// The values of a tensor of an ONNX file: raw_data, float_data, int32_data, or a part of another file
// (external data).

#include <algorithm>

#include "engine/weights/float_values.h"
#include "engine/weights/onnx_graph.h"
#include "engine/weights/refuse.h"

namespace graft {
namespace {

using Type = WireReader::Type;

// The bytes of float_data, or of int32_data, which has a 16-bit value in each number. At most two for each
// byte of the file.
std::vector<std::byte> typed_values(const OnnxTensor& tensor, FloatType type) {
  std::vector<std::byte> bytes;
  const auto append_16_bits = [&](std::uint64_t number) {
    bytes.push_back(static_cast<std::byte>(number));
    bytes.push_back(static_cast<std::byte>(number >> 8U));
  };
  WireReader reader(tensor.message);
  while (reader.next()) {
    if (type == FloatType::float32) {
      if (reader.is(4, Type::bytes) || reader.is(4, Type::fixed32))
        bytes.insert(bytes.end(), reader.bytes().begin(), reader.bytes().end());
    } else if (reader.is(5, Type::varint)) {
      append_16_bits(reader.varint());
    } else if (reader.is(5, Type::bytes)) {
      WireReader packed(reader.bytes());
      while (!packed.empty()) append_16_bits(packed.take_varint());
    }
  }
  return bytes;
}

struct ExternalData {
  std::filesystem::path location;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;  // absent: up to the end of the file
};

ExternalData external_data(const std::filesystem::path& path, const OnnxTensor& tensor) {
  ExternalData data;
  WireReader reader(tensor.message);
  while (reader.next()) {
    if (!reader.is(13, Type::bytes)) continue;
    std::string_view key;
    std::string_view value;
    WireReader entry(reader.bytes());
    while (entry.next()) {
      if (entry.is(1, Type::bytes)) key = entry.text();
      if (entry.is(2, Type::bytes)) value = entry.text();
    }
    if (key == "location") data.location = value;
    if (key != "offset" && key != "length") continue;
    const auto number = whole_number(value);
    if (!number) {
      refuse_weights(path, "the {} of the external data of \"{}\" is \"{}\", which is not a number",
                     key, tensor.name, value);
    }
    (key == "offset" ? data.offset : data.length.emplace()) = *number;
  }
  return data;
}

// The file of external data, in the model's folder. A link out of it is refused too.
MappedFile open_external(const std::filesystem::path& path, const OnnxTensor& tensor,
                         const std::filesystem::path& location) {
  std::error_code error;
  const auto folder = std::filesystem::canonical(path.parent_path() / ".", error);
  const auto file = std::filesystem::canonical(folder / location, error);
  const bool is_inside = location.is_relative() &&
                         std::ranges::find(location, "..") == location.end() &&
                         (error || std::ranges::mismatch(folder, file).in1 == folder.end());
  if (!is_inside || !std::filesystem::is_regular_file(file, error)) {
    refuse_weights(
        path,
        "the values of \"{}\" are in the file \"{}\", which {}: put it next to the model, or "
        "save the model with its weights inside, onnx.save(onnx.load(IN), OUT)",
        tensor.name, location.string(),
        is_inside ? "cannot be read" : "is outside the model's folder");
  }
  return MappedFile(file);
}

}  // namespace

std::vector<float> OnnxFile::values(const OnnxTensor& tensor) const try {
  const FloatType type{tensor.data_type};
  if (type != FloatType::float32 && type != FloatType::float16 && type != FloatType::bfloat16) {
    refuse_weights(
        path(),
        "\"{}\" has ONNX's data type {}; only float32 (1), float16 (10) and bfloat16 (16) are read",
        tensor.name, tensor.data_type);
  }
  const auto converted = [&](std::span<const std::byte> bytes) {
    const std::size_t each = type == FloatType::float32 ? 4 : 2;
    if (bytes.size() % each != 0 || value_count(tensor.shape) != bytes.size() / each) {
      refuse_weights(path(), "\"{}\" of shape {} comes with {} bytes of values", tensor.name,
                     shape_text(tensor.shape), bytes.size());
    }
    return to_float32(type, bytes);
  };
  if (tensor.external) {
    const ExternalData data = external_data(path(), tensor);
    const MappedFile file = open_external(path(), tensor, data.location);
    const std::uint64_t size = file.bytes().size();
    const std::uint64_t length = data.length.value_or(size - std::min(size, data.offset));
    if (data.offset > size || length > size - data.offset) {
      refuse_weights(
          path(),
          "the values of \"{}\" are {} bytes from byte {} of {}, which has only {}: it is "
          "truncated; fetch it again",
          tensor.name, length, data.offset, shown(data.location), size);
    }
    return converted(file.bytes().subspan(data.offset, length));
  }
  const std::vector<std::byte> typed = typed_values(tensor, type);
  if (!tensor.raw_data) return converted(typed);
  if (typed.empty()) return converted(*tensor.raw_data);
  refuse_weights(path(), "\"{}\" has its values twice, as raw_data and as typed data", tensor.name);
} catch (const WireError& error) {
  refuse_incomplete(error);
}

}  // namespace graft
