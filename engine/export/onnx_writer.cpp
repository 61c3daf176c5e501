#include "engine/export/onnx_writer.h"

#include <cmath>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/weights/float_values.h"
#include "engine/weights/wire.h"

namespace graft {
namespace {

constexpr std::uint64_t largest_file = 2'147'483'647;
constexpr std::uint64_t ir_version = 8, opset = 17;
constexpr std::int64_t onnx_int64 = 7, onnx_half = 10;
constexpr std::uint64_t int_attribute = 2, ints_attribute = 7;  // AttributeProto.AttributeType

// A TensorProto without its values.
std::string tensor(std::string_view name, const OnnxShape& shape, std::int64_t type) {
  std::string message;
  for (const std::size_t extent : shape) message += number_field(1, extent);
  return message + number_field(2, type) + bytes_field(8, name);
}

Half half_of(float value) {
  const auto half = static_cast<Half>(value);
  if (std::isfinite(static_cast<float>(half))) return half;
  throw Error(ErrorKind::usage,
              "a kernel has the value {}, and fp16 ends at 65504; export it without --half", value);
}

}  // namespace

std::string onnx_attribute(std::string_view name, std::int64_t value) {
  return bytes_field(
      5, bytes_field(1, name) + number_field(3, value) + number_field(20, int_attribute));
}

std::string onnx_attribute(std::string_view name, const std::vector<std::int64_t>& values) {
  std::string message = bytes_field(1, name);
  for (const std::int64_t value : values) message += number_field(8, value);
  return bytes_field(5, message + number_field(20, ints_attribute));
}

std::string OnnxWriter::node(std::string_view operation, const std::vector<std::string>& inputs,
                             const std::string& output, const std::string& attributes) {
  std::string message;
  for (const std::string& input : inputs) message += bytes_field(1, input);
  message += bytes_field(2, output) + bytes_field(3, output) + bytes_field(4, operation);
  nodes_ += bytes_field(1, message + attributes);
  return output;
}

std::string OnnxWriter::floats(const std::string& name, const OnnxShape& shape,
                               std::span<const float> values) {
  const std::string_view raw(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  constants_ += bytes_field(5, tensor(name, shape, onnx_float) + bytes_field(9, raw));
  return name;
}

std::string OnnxWriter::integers(const std::string& name, const std::vector<std::int64_t>& values) {
  std::string message = tensor(name, {values.size()}, onnx_int64);
  for (const std::int64_t value : values) message += number_field(7, value);
  constants_ += bytes_field(5, message);
  return name;
}

std::string OnnxWriter::weights(const std::string& name, OnnxShape shape,
                                std::span<const float> values) {
  const std::string stored = half_ ? name + "_fp16" : name;
  Tensor added{{}, 0, 0, values, half_ ? 2U : 4U};
  for (const std::size_t extent : shape) added.bytes *= extent;
  if (shape.size() == 4) {
    added.inputs = shape[2];
    added.outputs = shape[3];
    shape = {shape[3], shape[2], shape[0], shape[1]};
  }
  const std::string start =
      tensor(stored, shape, half_ ? onnx_half : onnx_float) + bytes_start(9, added.bytes);
  added.start = bytes_start(5, start.size() + added.bytes) + start;
  tensors_.push_back(added);
  return half_ ? node("Cast", {stored}, name, onnx_attribute("to", onnx_float)) : name;
}

void OnnxWriter::declare(std::uint32_t field, std::string_view name, std::int64_t type,
                         std::string_view rows, const OnnxShape& shape) {
  std::string dimensions = bytes_field(1, bytes_field(2, rows));
  for (const std::size_t extent : shape) dimensions += bytes_field(1, number_field(1, extent));
  const std::string value = bytes_field(1, number_field(1, type) + bytes_field(2, dimensions));
  declarations_ += bytes_field(field, bytes_field(1, name) + bytes_field(2, value));
}

std::uint64_t OnnxWriter::save(const std::filesystem::path& path,
                               const JsonStrings& properties) const {
  std::uint64_t weights = 0;
  for (const Tensor& one : tensors_) weights += one.start.size() + one.bytes;
  const std::string before = nodes_ + bytes_field(2, "graft") + constants_;
  std::string start = number_field(1, ir_version) + bytes_field(2, "graft");
  start += bytes_start(7, before.size() + weights + declarations_.size()) + before;
  std::string end = declarations_ + bytes_field(8, number_field(2, opset));
  for (const auto& [key, value] : properties)
    end += bytes_field(14, bytes_field(1, key) + bytes_field(2, value));
  const std::uint64_t size = start.size() + weights + end.size();
  if (size > largest_file) {
    throw Error(ErrorKind::usage,
                "{} would have {} bytes, and an ONNX file has at most {}; export with --half or "
                "--head-only, or train with features.pooling",
                shown(path), grouped(size), grouped(largest_file));
  }
  write_durably(path, [&](File& file) {
    constexpr std::size_t largest_piece = std::size_t{1} << 20U;
    std::string piece = start;
    const auto add = [&](const auto value) {
      piece.append(reinterpret_cast<const char*>(&value), sizeof value);
      if (piece.size() < largest_piece) return;
      file.append(as_bytes(piece));
      piece.clear();
    };
    for (const auto& [head, inputs, outputs, values, bytes] : tensors_) {
      piece += head;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t tap = i % 9, map = i / 9;  // of OIHW
        const std::size_t at =
            outputs == 0 ? i : (tap * inputs + map % inputs) * outputs + map / inputs;
        half_ ? add(half_of(values[at])) : add(values[at]);
      }
    }
    file.append(as_bytes(piece + end));
  });
  return size;
}

}  // namespace graft
