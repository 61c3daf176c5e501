#include "engine/head/dense_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/base/error.h"

namespace graft {
namespace {

constexpr std::size_t most_layers = 256;

void check_shape(const DenseShape& shape, std::size_t layer) {
  if (shape.inputs == 0 || shape.outputs == 0) {
    throw Error(ErrorKind::usage,
                fmt::format("Layer {} of the head is {} × {}; both sizes must be at "
                            "least 1.",
                            dense_name(layer), shape.inputs, shape.outputs));
  }
  if (shape.outputs > std::numeric_limits<std::size_t>::max() / sizeof(float) / shape.inputs) {
    throw Error(ErrorKind::usage,
                fmt::format("Layer {} of the head is {} × {}: no memory holds that; "
                            "make head.hidden smaller.",
                            dense_name(layer), shape.inputs, shape.outputs));
  }
}

std::vector<float> read_tensor(const SafetensorsFile& file, const std::filesystem::path& path,
                               const std::string& name, const std::vector<std::size_t>& shape) {
  const TensorView* tensor = file.find(name);
  if (tensor == nullptr) {
    throw Error(ErrorKind::weights,
                fmt::format("{}: the tensor {} is missing.", path.string(), name));
  }
  if (tensor->shape != shape) {
    throw Error(ErrorKind::weights,
                fmt::format("{}: the tensor {} has the shape [{}], expected [{}].", path.string(),
                            name, fmt::join(tensor->shape, ", "), fmt::join(shape, ", ")));
  }
  if (!std::all_of(tensor->data.begin(), tensor->data.end(),
                   [](float v) { return std::isfinite(v); })) {
    throw Error(
        ErrorKind::weights,
        fmt::format("{}: the tensor {} holds a value that is not finite.", path.string(), name));
  }
  return {tensor->data.begin(), tensor->data.end()};
}

}  // namespace

std::vector<DenseShape> dense_shapes(const HeadOptions& options) {
  if (options.hidden.size() >= most_layers) {
    throw Error(ErrorKind::usage,
                fmt::format("head.hidden names {} layers; at most {} are possible.",
                            options.hidden.size(), most_layers - 1));
  }
  std::vector<DenseShape> shapes;
  std::size_t inputs = options.inputs;
  for (const std::size_t units : options.hidden) {
    shapes.push_back({inputs, units});
    inputs = units;
  }
  shapes.push_back({inputs, options.outputs()});
  for (std::size_t layer = 0; layer < shapes.size(); ++layer) check_shape(shapes[layer], layer);
  return shapes;
}

std::string dense_name(std::size_t layer) {
  return layer == 0 ? "dense" : "dense_" + std::to_string(layer);
}

void append_tensors(const std::vector<DenseParameters>& parameters, const std::string& prefix,
                    std::vector<TensorView>& tensors) {
  for (std::size_t layer = 0; layer < parameters.size(); ++layer) {
    const DenseParameters& dense = parameters[layer];
    const std::string name = prefix + dense_name(layer);
    tensors.push_back({name + "/kernel", {dense.inputs, dense.outputs}, dense.kernel});
    tensors.push_back({name + "/bias", {dense.outputs}, dense.bias});
  }
}

std::vector<DenseParameters> read_tensors(const SafetensorsFile& file,
                                          const std::filesystem::path& path,
                                          const std::string& prefix,
                                          const std::vector<DenseShape>& shapes) {
  std::vector<DenseParameters> parameters;
  for (std::size_t layer = 0; layer < shapes.size(); ++layer) {
    const auto [inputs, outputs] = shapes[layer];
    const std::string name = prefix + dense_name(layer);
    parameters.push_back({inputs, outputs,
                          read_tensor(file, path, name + "/kernel", {inputs, outputs}),
                          read_tensor(file, path, name + "/bias", {outputs})});
  }
  return parameters;
}

}  // namespace graft
