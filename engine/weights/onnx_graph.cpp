#include "engine/weights/onnx_graph.h"

#include <limits>

#include "engine/weights/refuse.h"

namespace graft {
namespace {

using Type = WireReader::Type;

// Far above any model of this kind, which has 40 nodes. A file full of empty fields cannot take many
// times its own size in memory, nor hours.
constexpr std::size_t most_items = 10'000;        // nodes; initialisers
constexpr std::size_t most_connections = 50'000;  // inputs and outputs of all nodes
constexpr std::size_t most_metadata = 100;
constexpr std::size_t longest_text = 1000;
constexpr std::size_t largest_rank = 16;

void add_dimension(OnnxTensor& tensor, std::uint64_t extent) {
  if (extent > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw WireError("a tensor has a negative dimension");
  }
  if (tensor.shape.size() == largest_rank) throw WireError("a tensor has too many dimensions");
  tensor.shape.push_back(static_cast<std::size_t>(extent));
}

OnnxTensor read_tensor(std::span<const std::byte> message) {
  OnnxTensor tensor;
  tensor.message = message;
  WireReader reader(message);
  while (reader.next()) {
    if (reader.is(1, Type::varint)) {
      add_dimension(tensor, reader.varint());
    } else if (reader.is(1, Type::bytes)) {
      WireReader packed(reader.bytes());
      while (!packed.empty()) add_dimension(tensor, packed.take_varint());
    } else if (reader.is(2, Type::varint)) {
      tensor.data_type = reader.varint();
    } else if (reader.is(8, Type::bytes)) {
      tensor.name = reader.text();
    } else if (reader.is(9, Type::bytes)) {
      tensor.raw_data = reader.bytes();
    } else if (reader.is(13, Type::bytes) ||
               (reader.is(14, Type::varint) && reader.varint() != 0)) {
      tensor.external = true;
    }
  }
  return tensor;
}

// `connections` counts those of all nodes.
OnnxNode read_node(std::span<const std::byte> message, std::size_t& connections) {
  OnnxNode node;
  WireReader reader(message);
  while (reader.next()) {
    if (reader.is(1, Type::bytes)) {
      node.inputs.push_back(reader.text());
      ++connections;
    } else if (reader.is(2, Type::bytes)) {
      node.outputs.push_back(reader.text());
      ++connections;
    } else if (reader.is(4, Type::bytes)) {
      node.operation = reader.text();
    }
    if (connections > most_connections) throw WireError("its nodes have too many connections");
  }
  return node;
}

// The tensor of the attribute `value`, which a Constant node has.
std::optional<OnnxTensor> constant_of(std::span<const std::byte> node) {
  WireReader fields(node);
  while (fields.next()) {
    if (!fields.is(5, Type::bytes)) continue;
    std::string_view name;
    std::span<const std::byte> tensor;
    WireReader attribute(fields.bytes());
    while (attribute.next()) {
      if (attribute.is(1, Type::bytes)) name = attribute.text();
      if (attribute.is(5, Type::bytes)) tensor = attribute.bytes();
    }
    if (name == "value") return read_tensor(tensor);
  }
  return std::nullopt;
}

}  // namespace

OnnxFile::OnnxFile(const std::filesystem::path& path) : file_(path) {
  try {
    read_model(file_.bytes());
  } catch (const WireError& error) {
    refuse_incomplete(error);
  }
}

void OnnxFile::refuse_incomplete(const WireError& error) const {
  refuse_weights(path(), "it is not a complete ONNX file: {}; fetch or export it again",
                 error.what());
}

void OnnxFile::read_model(std::span<const std::byte> model) {
  bool has_graph = false;
  WireReader reader(model);
  while (reader.next()) {
    if (reader.is(7, Type::bytes)) {
      if (has_graph) throw WireError("it holds two graphs");
      has_graph = true;
      read_graph(reader.bytes());
    } else if (reader.is(1, Type::varint)) {
      metadata_.emplace_back("ir_version", std::to_string(reader.varint()));
    } else if (reader.is(2, Type::bytes)) {
      metadata_.emplace_back("producer_name", reader.text().substr(0, longest_text));
    } else if (reader.is(3, Type::bytes)) {
      metadata_.emplace_back("producer_version", reader.text().substr(0, longest_text));
    }
    if (metadata_.size() > most_metadata) throw WireError("it has too many fields");
  }
  if (!has_graph) throw WireError("it holds no graph");
}

void OnnxFile::read_graph(std::span<const std::byte> graph) {
  std::size_t connections = 0;
  WireReader reader(graph);
  while (reader.next()) {
    if (reader.is(1, Type::bytes)) {
      if (nodes_.size() == most_items) throw WireError("its graph has too many nodes");
      const OnnxNode& node = nodes_.emplace_back(read_node(reader.bytes(), connections));
      if (node.operation != "Constant" || node.outputs.size() != 1) continue;
      if (auto tensor = constant_of(reader.bytes())) {
        tensor->name = node.outputs[0];
        add_initialiser(std::move(*tensor));
      }
    } else if (reader.is(5, Type::bytes)) {
      add_initialiser(read_tensor(reader.bytes()));
    }
  }
}

void OnnxFile::add_initialiser(OnnxTensor tensor) {
  if (initialisers_.size() == most_items) throw WireError("its graph has too many initialisers");
  initialisers_.push_back(std::move(tensor));
}

}  // namespace graft
