#pragma once
// ONNX files: the graph's initialisers (dense tensors) and its nodes with their inputs and outputs.
// Everything borrows from the mapped file.
// Source of the field numbers: onnx/onnx.proto, ModelProto, GraphProto, NodeProto, TensorProto.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/file.h"

namespace graft {

struct OnnxTensor {
  std::string_view name;
  std::vector<std::size_t> shape;
  std::uint64_t data_type = 0;  // TensorProto.DataType; 1 is float32
  bool external = false;        // the values are in another file
  bool has_raw_data = false;
  std::span<const std::byte> raw_data;
  std::span<const std::byte> message;  // the TensorProto, for float_data
};

struct OnnxNode {
  std::string_view operation;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
};

class OnnxFile {
 public:
  // Throws Error(weights) that names the file when it is not a well-formed ONNX model.
  explicit OnnxFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::vector<OnnxTensor>& initialisers() const { return initialisers_; }
  const std::vector<OnnxNode>& nodes() const { return nodes_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }

  // The values of a float32 initialiser. Checks type, place and number before it takes memory.
  std::vector<float> values(const OnnxTensor& tensor) const;

 private:
  void read_model(std::span<const std::byte> model);
  void read_graph(std::span<const std::byte> graph);

  MappedFile file_;
  std::vector<OnnxTensor> initialisers_;
  std::vector<OnnxNode> nodes_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace graft
