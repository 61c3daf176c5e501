// VGG16's convolutions in an ONNX graph. Exporters choose names and the order of nodes, so the
// convolutions are ordered by the data flow, and a node names its bias. A file that has initialisers
// but no Conv nodes is read by name and shape.

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/text.h"
#include "engine/weights/convolution_files.h"
#include "engine/weights/onnx_graph.h"
#include "engine/weights/refuse.h"

namespace graft {
namespace {

struct Convolution {
  const OnnxTensor* kernel = nullptr;
  const OnnxTensor* bias = nullptr;
  const OnnxNode* node = nullptr;
  const OnnxNode* predecessor = nullptr;    // the 3×3 convolution that its input comes from
  std::string_view foreign_operation = {};  // before it, one that a plain VGG16 does not have
};

// The operations between the convolutions of a VGG16, and those that exporters add without effect.
bool is_allowed_between(std::string_view operation) {
  return operation == "Relu" || operation == "MaxPool" || operation == "Transpose" ||
         operation == "Identity" || operation == "Dropout";
}

class ConvolutionFinder {
 public:
  explicit ConvolutionFinder(const OnnxFile& file) : file_(file) {
    for (const OnnxTensor& tensor : file.initialisers()) {
      if (!tensors_.emplace(tensor.name, &tensor).second && !tensor.name.empty()) {
        refuse_weights(file.path(), "two initialisers have the name \"{}\"", tensor.name);
      }
    }
    for (const OnnxNode& node : file.nodes()) {
      for (const std::string_view output : node.outputs) producers_.emplace(output, &node);
      if (node.operation == "Add")
        for (const std::string_view input : node.inputs) additions_.emplace(input, &node);
    }
    for (const OnnxNode& node : file.nodes()) {
      if (kernel_of(node) != nullptr) found_.push_back(describe(node));
    }
  }

  bool empty() const { return found_.empty(); }

  // The convolutions of `layers`, each fed by the one before it.
  std::vector<Convolution> chain(std::span<const Vgg16Layer> layers) const {
    std::vector<Convolution> chain;
    for (const Vgg16Layer& layer : layers) {
      chain.push_back(follower(chain.empty() ? nullptr : &chain.back(), layer));
    }
    return chain;
  }

 private:
  const OnnxTensor* initialiser(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

  const OnnxTensor* kernel_of(const OnnxNode& node) const {
    if (node.operation != "Conv" || node.inputs.size() < 2) return nullptr;
    const OnnxTensor* kernel = initialiser(node.inputs[1]);
    return kernel != nullptr && !kernel_layout(kernel->shape).empty() ? kernel : nullptr;
  }

  // The constant of an Add that has one, and what it is added to.
  struct Addition {
    const OnnxTensor* constant = nullptr;
    std::string_view other;
  };
  Addition constant_addition(const OnnxNode& node) const {
    if (node.operation != "Add" || node.inputs.size() != 2) return {};
    if (const auto* constant = initialiser(node.inputs[1])) return {constant, node.inputs[0]};
    if (const auto* constant = initialiser(node.inputs[0])) return {constant, node.inputs[1]};
    return {};
  }

  // The third input of the Conv, or the constant of an Add that follows it.
  const OnnxTensor* bias_of(const OnnxNode& node) const {
    if (node.inputs.size() > 2 && !node.inputs[2].empty()) return initialiser(node.inputs[2]);
    if (node.outputs.empty()) return nullptr;
    const auto addition = additions_.find(node.outputs[0]);
    return addition == additions_.end() ? nullptr : constant_addition(*addition->second).constant;
  }

  Convolution describe(const OnnxNode& node) const {
    Convolution convolution;
    convolution.node = &node;
    convolution.kernel = kernel_of(node);
    convolution.bias = bias_of(node);
    std::string_view name = node.inputs[0];
    // A graph has no cycles, but a file may: no path is longer than the number of nodes.
    for (std::size_t step = 0; step < file_.nodes().size(); ++step) {
      const auto producer = producers_.find(name);
      if (producer == producers_.end()) break;
      const OnnxNode& before = *producer->second;
      if (kernel_of(before) != nullptr) {
        convolution.predecessor = &before;
        break;
      }
      const Addition addition = constant_addition(before);
      if (addition.constant == nullptr && !is_allowed_between(before.operation) &&
          convolution.foreign_operation.empty()) {
        convolution.foreign_operation = before.operation;
      }
      if (before.inputs.empty()) break;
      name = addition.constant != nullptr ? addition.other : before.inputs[0];
    }
    return convolution;
  }

  const Convolution& follower(const Convolution* last, const Vgg16Layer& layer) const {
    const auto expected = oihw_shape(layer);
    const Convolution* next = nullptr;
    const Convolution* other = nullptr;  // of another shape
    for (const Convolution& candidate : found_) {
      if (candidate.predecessor != (last == nullptr ? nullptr : last->node)) continue;
      if (!std::ranges::equal(candidate.kernel->shape, expected)) {
        other = &candidate;
        continue;
      }
      if (next != nullptr) {
        refuse_weights(file_.path(), "both \"{}\" and \"{}\" could be {}: it is not a plain VGG16",
                       next->kernel->name, candidate.kernel->name, layer.name);
      }
      next = &candidate;
    }
    if (next == nullptr) {
      if (other != nullptr)
        require_shape(file_.path(), layer, other->kernel->name, other->kernel->shape, expected);
      refuse_weights(
          file_.path(),
          "there is no 3×3 convolution of {} to {} channels {} for {}: it is not a VGG16",
          layer.input_channels, layer.output_channels,
          last == nullptr ? std::string("at the start")
                          : fmt::format("after \"{}\"", last->kernel->name),
          layer.name);
    }
    if (last != nullptr && !next->foreign_operation.empty()) {
      refuse_weights(file_.path(),
                     "before {} is the operation {}: only a plain VGG16 (no batch normalisation, "
                     "no other activation) is read",
                     layer.name, next->foreign_operation);
    }
    if (next->bias == nullptr) {
      refuse_weights(file_.path(),
                     "the convolution of \"{}\", {}, has no bias among the initialisers",
                     next->kernel->name, layer.name);
    }
    return *next;
  }

  const OnnxFile& file_;
  std::unordered_map<std::string_view, const OnnxTensor*> tensors_;
  std::unordered_map<std::string_view, const OnnxNode*> producers_;  // by output
  std::unordered_map<std::string_view, const OnnxNode*> additions_;  // by input
  std::vector<Convolution> found_;
};

// Without nodes: the 3×3 kernels in natural order of their names. The bias is the unused vector of
// the right length that shares the longest prefix with the kernel's name.
std::vector<Convolution> convolutions_by_name(const OnnxFile& file,
                                              std::span<const Vgg16Layer> layers) {
  std::vector<const OnnxTensor*> kernels;
  std::vector<const OnnxTensor*> vectors;
  for (const OnnxTensor& tensor : file.initialisers()) {
    if (!kernel_layout(tensor.shape).empty()) kernels.push_back(&tensor);
    if (tensor.shape.size() == 1) vectors.push_back(&tensor);
  }
  if (kernels.size() < layers.size()) {
    refuse_weights(file.path(), "it holds {} kernels of 3×3 convolutions, fewer than VGG16's {}",
                   kernels.size(), layers.size());
  }
  std::ranges::stable_sort(kernels, [](const OnnxTensor* a, const OnnxTensor* b) {
    return natural_less(a->name, b->name);
  });
  std::vector<Convolution> found;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string_view name = kernels[i]->name;
    const auto rank = [&](const OnnxTensor* tensor) {
      const auto end = std::ranges::mismatch(name, tensor->name).in1;
      return tensor->shape[0] == layers[i].output_channels ? 1 + (end - name.begin()) : 0;
    };
    const auto best = std::ranges::max_element(vectors, {}, rank);
    if (best == vectors.end() || rank(*best) == 0) {
      refuse_weights(file.path(), "there is no bias of {} values for \"{}\", {}",
                     layers[i].output_channels, name, layers[i].name);
    }
    found.push_back({.kernel = kernels[i], .bias = *best});
    vectors.erase(best);
  }
  return found;
}

ConvolutionWeights read_weights(const OnnxFile& file, const Vgg16Layer& layer,
                                const Convolution& convolution) {
  require_shape(file.path(), layer, convolution.kernel->name, convolution.kernel->shape,
                oihw_shape(layer));
  // An Add may carry its bias as (C, 1, 1): the number of values decides.
  if (value_count(convolution.bias->shape) != layer.output_channels) {
    require_shape(file.path(), layer, convolution.bias->name, convolution.bias->shape,
                  std::array{layer.output_channels});
  }
  return {hwio_from_oihw(layer, file.values(*convolution.kernel)), file.values(*convolution.bias)};
}

}  // namespace

ConvolutionFile read_onnx_convolutions(const std::filesystem::path& path,
                                       std::span<const Vgg16Layer> layers) {
  const OnnxFile file(path);
  const ConvolutionFinder finder(file);
  ConvolutionFile result;
  result.source = fmt::format("ONNX file {}", shown(path.filename()));
  const auto found = finder.empty() ? convolutions_by_name(file, layers) : finder.chain(layers);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    result.convolutions.push_back(read_weights(file, layers[i], found[i]));
  }
  return result;
}

WeightsFileSummary describe_onnx_file(const std::filesystem::path& path) {
  const OnnxFile file(path);
  WeightsFileSummary summary{"ONNX", {}, file.metadata()};
  for (const OnnxTensor& tensor : file.initialisers()) {
    summary.tensors.push_back({std::string(tensor.name), tensor.shape});
  }
  return summary;
}

}  // namespace graft
