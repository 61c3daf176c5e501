#pragma once
// Writes small ONNX files for the tests, field by field. Numbers of fields: onnx/onnx.proto.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/weights/wire.h"
#include "tests/weights/small_vgg16.h"

namespace graft::test {

using graft::bytes_field;
using graft::number_field;
using graft::varint;

inline std::string float_bytes(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

enum class OnnxValues { raw, packed_floats, single_floats };

inline std::string onnx_tensor(std::string_view name, std::span<const std::size_t> shape,
                               std::span<const float> values, OnnxValues how = OnnxValues::raw) {
  std::string tensor;
  for (const std::size_t extent : shape) tensor += number_field(1, extent);
  tensor += number_field(2, 1);
  if (how == OnnxValues::packed_floats) tensor += bytes_field(4, float_bytes(values));
  if (how == OnnxValues::single_floats) {
    for (const float value : values) tensor += varint((4U << 3U) | 5U) + float_bytes({&value, 1});
  }
  tensor += bytes_field(8, name);
  if (how == OnnxValues::raw) tensor += bytes_field(9, float_bytes(values));
  return tensor;
}

inline std::string onnx_node(std::string_view operation, const std::vector<std::string>& inputs,
                             const std::vector<std::string>& outputs) {
  std::string node;
  for (const std::string& input : inputs) node += bytes_field(1, input);
  for (const std::string& output : outputs) node += bytes_field(2, output);
  return node + bytes_field(4, operation);
}

struct OnnxGraph {
  std::vector<std::string> nodes;
  std::vector<std::string> initialisers;

  std::string file() const {
    std::string graph;
    for (const std::string& node : nodes) graph += bytes_field(1, node);
    graph += bytes_field(2, "main_graph");
    for (const std::string& tensor : initialisers) graph += bytes_field(5, tensor);
    return number_field(1, 8) + bytes_field(2, "onnx_writer") + bytes_field(7, graph);
  }
};

struct OnnxOptions {
  OnnxValues values = OnnxValues::raw;
  bool bias_by_add = false;      // Conv without a bias, then Add of a (C, 1, 1) constant
  std::string between = "Relu";  // the operation after each convolution
};

// Names tell nothing: kernels and biases are numbered backwards.
inline OnnxGraph onnx_vgg16(std::span<const Vgg16Layer> layers, const Convolutions& weights,
                            const OnnxOptions& options = {}) {
  OnnxGraph graph;
  std::string previous = "input";
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string rank = std::to_string(layers.size() - i);
    const std::string kernel = "tensor_" + rank;
    const std::string bias = "vector_" + rank;
    std::string output = "conv_out_" + rank;
    graph.initialisers.push_back(onnx_tensor(kernel, oihw_shape(layers[i]),
                                             oihw_reference(layers[i], weights[i].kernel),
                                             options.values));
    std::vector<std::size_t> bias_shape = {layers[i].output_channels};
    if (options.bias_by_add) {
      bias_shape = {layers[i].output_channels, 1, 1};
      graph.nodes.push_back(onnx_node("Conv", {previous, kernel}, {output}));
      graph.nodes.push_back(onnx_node("Add", {bias, output}, {output + "_biased"}));
      output += "_biased";
    } else {
      graph.nodes.push_back(onnx_node("Conv", {previous, kernel, bias}, {output}));
    }
    graph.initialisers.push_back(onnx_tensor(bias, bias_shape, weights[i].bias, options.values));
    graph.nodes.push_back(onnx_node(options.between, {output}, {"relu_out_" + rank}));
    previous = "relu_out_" + rank;
    if (layers[i].pool_after) {
      graph.nodes.push_back(onnx_node("MaxPool", {previous}, {"pool_out_" + rank}));
      previous = "pool_out_" + rank;
    }
  }
  return graph;
}

}  // namespace graft::test
