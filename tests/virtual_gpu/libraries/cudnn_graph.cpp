#include "libraries/cudnn_graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <stdexcept>

#include "libraries/convolution.h"
#include "libraries/matrix_product.h"
#include "runtime/api.h"

namespace vgpu {
namespace {

using nlohmann::json;
using Values = std::vector<float>;  // in the order n, h, w, c

constexpr const char* kWho = "cudnnBackendExecute";

Number number_from(const std::string& name) {
  if (name == "CUDNN_DATA_FLOAT") return Number::f32;
  if (name == "CUDNN_DATA_HALF") return Number::f16;
  if (name == "CUDNN_DATA_BFLOAT16") return Number::bf16;
  throw std::runtime_error("data type " + name);
}

// body(index in n, h, w, c order; offset in elements by the strides), image rows on all threads
template <class F>
void each_element(const Tensor& t, F&& body) {
  const std::int64_t c = t.dims[1];
  const std::int64_t h = t.dims[2];
  const std::int64_t w = t.dims[3];
  in_parallel(t.dims[0] * h, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row)
      for (std::int64_t x = 0; x < w; ++x)
        for (std::int64_t channel = 0; channel < c; ++channel)
          body((row * w + x) * c + channel, row / h * t.strides[0] + channel * t.strides[1] +
                                                row % h * t.strides[2] + x * t.strides[3]);
  });
}

Values load(const Tensor& t) {
  Values values(static_cast<std::size_t>(t.count()));
  const void* data = t.is_by_value ? t.pointer : device_read(kWho, t.pointer, t.span());
  if (t.type == Number::f32 && t.is_dense()) {
    std::memcpy(values.data(), data, t.span());
    return values;
  }
  each_element(t, [&](std::int64_t index, std::int64_t offset) {
    values[static_cast<std::size_t>(index)] = load_number(t.type, data, offset);
  });
  return values;
}

void store(const Tensor& t, const Values& values) {
  void* data = device_write(kWho, t.pointer, t.span());
  if (t.type == Number::f32 && t.is_dense()) {
    std::memcpy(data, values.data(), t.span());
    return;
  }
  each_element(t, [&](std::int64_t index, std::int64_t offset) {
    store_number(t.type, data, offset, values[static_cast<std::size_t>(index)]);
  });
}

Values convolution(const json& node, const Tensor& x, const Tensor& w, const Tensor& y,
                   const Values& xs, const Values& ws) {
  ConvolutionShape d{};
  d.n = x.dims[0], d.c = x.dims[1], d.h = x.dims[2], d.w = x.dims[3];
  d.k = w.dims[0], d.r = w.dims[2], d.s = w.dims[3];
  d.p = y.dims[2], d.q = y.dims[3];
  for (std::size_t n = 0; n < 2; ++n) {
    d.pad[n] = node.at("pad").at(n);
    d.stride[n] = node.at("stride").at(n);
    d.dilation[n] = node.at("dilation").at(n);
  }
  Values ys(static_cast<std::size_t>(y.count()));
  convolve(d, xs.data(), ws.data(), ys.data());
  const float alpha = node.at("alpha");
  if (alpha != 1)
    for (float& v : ys) v *= alpha;
  return ys;
}

// y = f(x, b)
using Pointwise = std::function<float(float x, float b)>;

Pointwise pointwise_function(const json& node) {
  const std::string mode = node.at("pointwiseMode");
  if (mode == "CUDNN_POINTWISE_ADD") {
    if (node.value("alpha1", 1.0F) != 1 || node.value("alpha2", 1.0F) != 1)
      throw std::runtime_error("a scaled addition");
    return [](float x, float b) { return x + b; };
  }
  if (mode == "CUDNN_POINTWISE_RELU_FWD") {
    if (node.value("lowerClip", 0.0) != 0 || node.value("lowerClipSlope", 0.0) != 0 ||
        node.value("upperClip", 1e308) < 3.4e38)
      throw std::runtime_error("a ReLU with other bounds than 0");
    return [](float x, float) { return x <= 0 ? 0 : x; };  // keeps NaN
  }
  throw std::runtime_error("pointwise mode " + mode);
}

// B may have extent 1 where X has more.
Values pointwise(const json& node, const Tensor& x, const Values& xs, const Tensor* b,
                 const Values* bs) {
  const Pointwise function = pointwise_function(node);
  const float nothing = 0;
  Values ys(xs.size());
  const std::int64_t c = x.dims[1];
  const std::int64_t h = x.dims[2];
  const std::int64_t w = x.dims[3];
  in_parallel(x.dims[0] * h * w, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t pixel = first; pixel < last; ++pixel) {
      const float* other = &nothing;
      std::int64_t step = 0;
      if (b != nullptr) {
        const std::int64_t image = b->dims[0] == 1 ? 0 : pixel / (h * w);
        const std::int64_t row = b->dims[2] == 1 ? 0 : pixel / w % h;
        const std::int64_t column = b->dims[3] == 1 ? 0 : pixel % w;
        other = bs->data() + ((image * b->dims[2] + row) * b->dims[3] + column) * b->dims[1];
        step = b->dims[1] == 1 ? 0 : 1;
      }
      for (std::int64_t n = 0; n < c; ++n)
        ys[static_cast<std::size_t>(pixel * c + n)] =
            function(xs[static_cast<std::size_t>(pixel * c + n)], other[n * step]);
    }
  });
  return ys;
}

}  // namespace

CudnnGraph::CudnnGraph(const std::string& plan_json, bool on_tensor_cores,
                       const std::map<std::int64_t, void*>& pointers)
    : on_tensor_cores_(on_tensor_cores) {
  const json graph = json::parse(plan_json).at("operationGraph");
  for (const json& t : graph.at("tensors")) {
    Tensor tensor;
    tensor.type = number_from(t.at("dataType"));
    tensor.dims = t.at("dim").get<std::vector<std::int64_t>>();
    tensor.strides = t.at("stride").get<std::vector<std::int64_t>>();
    tensor.is_virtual = t.at("isVirtual");
    tensor.is_by_value = t.at("isByValue");
    if (tensor.dims.size() != 4) throw std::runtime_error("a tensor that has not four dimensions");
    const std::string name = t.at("name");
    const auto given = pointers.find(std::stoll(name));
    if (given != pointers.end())
      tensor.pointer = given->second;
    else if (!tensor.is_virtual)
      throw std::runtime_error("the variant pack has no pointer for tensor " + name);
    tensors_[name] = tensor;
  }
  for (const json& node : graph.at("nodes")) {
    const std::string operation = node.at("operation");
    if (operation == "CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR")
      pointwise_function(node);
    else if (operation != "CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR")
      throw std::runtime_error("operation " + operation);
    else if (node.at("mode") != "CUDNN_CROSS_CORRELATION" || node.at("beta") != 0.0)
      throw std::runtime_error("a flipped filter, or beta other than 0");
    nodes_.push_back(node);
  }
}

void CudnnGraph::compute(bool saturates) const {
  std::map<std::string, Values> values;
  const auto value_of = [&](const std::string& name) -> const Values& {
    if (values.count(name) == 0) values[name] = load(tensors_.at(name));
    return values.at(name);
  };
  for (const json& node : nodes_) {  // in the order in which they were given: inputs first
    const std::string x = node.at("X");
    const std::string y = node.at("Y");
    if (node.contains("W")) {
      const std::string w = node.at("W");
      Values xs = value_of(x), ws = value_of(w);
      if (on_tensor_cores_)  // half types already have no more bits
        for (Values* factors : {&xs, &ws})
          std::transform(factors->begin(), factors->end(), factors->begin(), rounded_to_tf32);
      values[y] = convolution(node, tensors_.at(x), tensors_.at(w), tensors_.at(y), xs, ws);
    } else if (node.contains("B")) {
      const std::string b = node.at("B");
      values[y] = pointwise(node, tensors_.at(x), value_of(x), &tensors_.at(b), &value_of(b));
    } else {
      values[y] = pointwise(node, tensors_.at(x), value_of(x), nullptr, nullptr);
    }
    if (tensors_.at(y).is_virtual) continue;
    if (saturates)
      for (float& value : values[y]) value = std::clamp(value, -65504.0F, 65504.0F);
    store(tensors_.at(y), values[y]);
  }
}

}  // namespace vgpu
