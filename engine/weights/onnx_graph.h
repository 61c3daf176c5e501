#pragma once
// ONNX files: the graph's initialisers (dense tensors) and its nodes with their inputs and outputs. The
// value of a Constant node is an initialiser too. Everything borrows from the mapped file.
// Source of the field numbers: onnx/onnx.proto, ModelProto, GraphProto, NodeProto, TensorProto.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/file.h"
#include "engine/weights/wire.h"

namespace graft {

struct OnnxTensor {
  std::string_view name;
  std::vector<std::size_t> shape;
  std::uint64_t data_type = 0;  // TensorProto.DataType
  bool external = false;        // the values are in another file
  std::optional<std::span<const std::byte>> raw_data;
  std::span<const std::byte> message;  // the TensorProto, for typed values and external_data
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

  // The values of an initialiser of float32, float16 or bfloat16. Those of external data are read from a file in
  // the model's folder. Checks type, place and number before it takes memory.
  std::vector<float> values(const OnnxTensor& tensor) const;

 private:
  void read_model(std::span<const std::byte> model);
  void read_graph(std::span<const std::byte> graph);
  void add_initialiser(OnnxTensor tensor);
  [[noreturn]] void refuse_incomplete(const WireError& error) const;

  MappedFile file_;
  std::vector<OnnxTensor> initialisers_;
  std::vector<OnnxNode> nodes_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace graft
