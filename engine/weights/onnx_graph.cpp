#include "engine/weights/onnx_graph.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/weights/refuse.h"
#include "engine/weights/wire_reader.h"

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
constexpr std::uint64_t float32_type = 1;

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
      tensor.has_raw_data = true;
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

// Calls `take` with each run of little-endian floats of float_data, packed or one by one.
template <typename Take>
void for_each_float_run(std::span<const std::byte> message, Take take) {
  WireReader reader(message);
  while (reader.next()) {
    if (reader.is(4, Type::bytes) || reader.is(4, Type::fixed32)) take(reader.bytes());
  }
}

}  // namespace

OnnxFile::OnnxFile(const std::filesystem::path& path) : file_(path) {
  try {
    read_model(file_.bytes());
  } catch (const WireError& error) {
    refuse_weights(path, "it is not a complete ONNX file: {}; fetch or export it again",
                   error.what());
  }
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
      nodes_.push_back(read_node(reader.bytes(), connections));
    } else if (reader.is(5, Type::bytes)) {
      if (initialisers_.size() == most_items)
        throw WireError("its graph has too many initialisers");
      initialisers_.push_back(read_tensor(reader.bytes()));
    }
  }
}

std::vector<float> OnnxFile::values(const OnnxTensor& tensor) const {
  if (tensor.external) {
    refuse_weights(path(),
                   "the values of \"{}\" are in another file (external data), which is not read: "
                   "save the model with its weights inside, onnx.save(onnx.load(IN), OUT)",
                   tensor.name);
  }
  if (tensor.data_type != float32_type) {
    refuse_weights(path(), "\"{}\" has ONNX's data type {}; only float32 (1) is read", tensor.name,
                   tensor.data_type);
  }
  std::size_t float_bytes = 0;  // bounded by the file: the runs do not overlap
  for_each_float_run(tensor.message, [&](auto run) { float_bytes += run.size(); });
  if (tensor.has_raw_data && float_bytes != 0) {
    refuse_weights(path(), "\"{}\" has its values twice, as raw_data and as float_data",
                   tensor.name);
  }
  const std::size_t found = tensor.has_raw_data ? tensor.raw_data.size() : float_bytes;
  const auto count = value_count(tensor.shape);
  if (found % sizeof(float) != 0 || count != found / sizeof(float)) {
    refuse_weights(path(), "\"{}\" of shape {} comes with {} bytes of values", tensor.name,
                   shape_text(tensor.shape), found);
  }
  std::vector<float> values(*count);
  auto* to = reinterpret_cast<std::byte*>(values.data());
  const auto append = [&to](std::span<const std::byte> run) {
    to = std::copy(run.begin(), run.end(), to);
  };
  if (tensor.has_raw_data) {
    append(tensor.raw_data);
  } else {
    for_each_float_run(tensor.message, append);
  }
  return values;
}

}  // namespace graft
