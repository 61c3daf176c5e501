#pragma once
// One ONNX graph as a file, opset 17. The values of weights are borrowed until save() writes them.
// Source of the field numbers: onnx/onnx.proto.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/json.h"

namespace graft {

inline constexpr std::int64_t onnx_float = 1, onnx_uint8 = 2;      // TensorProto.DataType
inline constexpr std::uint32_t onnx_input = 11, onnx_output = 12;  // fields of GraphProto
using OnnxShape = std::vector<std::size_t>;

// An attribute of a node. Several are joined with +.
std::string onnx_attribute(std::string_view name, std::int64_t value);
std::string onnx_attribute(std::string_view name, const std::vector<std::int64_t>& values);

class OnnxWriter {
 public:
  // half: weights are stored as fp16, each with a Cast to float after it.
  explicit OnnxWriter(bool half) : half_(half) {}

  // These return the name of a value: of the node's output, of the constant.
  std::string node(std::string_view operation, const std::vector<std::string>& inputs,
                   const std::string& output, const std::string& attributes = {});
  std::string floats(const std::string& name, const OnnxShape& shape,
                     std::span<const float> values);
  std::string integers(const std::string& name, const std::vector<std::int64_t>& values);
  // A shape of four is that of a 3×3 kernel, HWIO: it is stored as OIHW.
  std::string weights(const std::string& name, OnnxShape shape, std::span<const float> values);

  // Of the graph. The first dimension is free and has the name `rows`.
  void declare(std::uint32_t field, std::string_view name, std::int64_t type, std::string_view rows,
               const OnnxShape& shape);

  // Returns the size of the file. Throws Error(usage) for more than the 2 GB of a protobuf message,
  // before it takes space, and for a weight that fp16 cannot hold; Error(io).
  std::uint64_t save(const std::filesystem::path& path, const JsonStrings& properties) const;

 private:
  struct Tensor {
    std::string start;                    // the bytes of the initialiser before the values
    std::size_t inputs = 0, outputs = 0;  // of a kernel; 0: its values have the file's order
    std::span<const float> values;
    std::uint64_t bytes;
  };

  const bool half_;
  std::string nodes_, constants_, declarations_;
  std::vector<Tensor> tensors_;
};

}  // namespace graft
