// cuDNN's backend API with a handle, on a machine without a device. The real library builds real
// plans for the virtual GPU's properties; executing a plan reads its JSON and computes the graph on
// the host.

#include <cudnn.h>
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "api.h"
#include "convolution.h"
#include "device.h"
#include "device_numbers.h"
#include "interpreter.h"
#include "leaks.h"
#include "matrix_product.h"
#include "memory.h"
#include "report.h"

using namespace vgpu;
using nlohmann::json;

namespace {

struct Handle {
  cudaStream_t stream = nullptr;
};
struct VariantPack {
  std::vector<void*> pointers;
  std::vector<std::int64_t> uids;
  void* workspace = nullptr;
};

std::mutex g_mutex;  // of the sets and the map below; they are never destroyed
std::set<Handle*>& handles() {
  static auto* set = new std::set<Handle*>;
  return *set;
}
std::map<cudnnBackendDescriptor_t, VariantPack>& variant_packs() {
  static auto* map = new std::map<cudnnBackendDescriptor_t, VariantPack>;
  return *map;
}

std::set<cudnnBackendDescriptor_t>& descriptors() {
  static auto* set = new std::set<cudnnBackendDescriptor_t>;
  return *set;
}
// Those that the program has given a description of a device, which need not be this one.
std::set<cudnnBackendDescriptor_t>& described() {
  static auto* set = new std::set<cudnnBackendDescriptor_t>;
  return *set;
}

// cuDNN itself: behind this library in the order of loading or, where the program has loaded it
// with dlopen for some library alone, by its name.
void* symbol(const char* name) {
  if (void* found = dlsym(RTLD_NEXT, name)) return found;
  void* library = dlopen("libcudnn.so.9", RTLD_LAZY | RTLD_NOLOAD);
  return library == nullptr ? nullptr : dlsym(library, name);
}

template <class F>
F* real(F*, const char* name) {
  auto* function = reinterpret_cast<F*>(symbol(name));
  if (function == nullptr) {
    std::fprintf(stderr, "vgpu: the program uses %s but has not loaded libcudnn\n", name);
    std::abort();
  }
  return function;
}
#define REAL(name) real(&(name), #name)

// The virtual GPU as a cuDNN descriptor; made once, for good.
cudnnBackendDescriptor_t device_properties() {
  static cudnnBackendDescriptor_t properties = [] {
    const std::string text = cudnn_device_json();
    cudnnBackendDescriptor_t d = nullptr;
    const auto failed = [](cudnnStatus_t status) { return status != CUDNN_STATUS_SUCCESS; };
    if (failed(REAL(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &d)) ||
        failed(REAL(cudnnBackendSetAttribute)(
            d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
            static_cast<std::int64_t>(text.size()) + 1, text.c_str())) ||
        failed(REAL(cudnnBackendFinalize)(d)))
      std::fprintf(stderr, "vgpu: cuDNN does not take the device's properties\n");
    return d;
  }();
  return properties;
}

std::string plan_json(cudnnBackendDescriptor_t plan) {
  std::string text(std::size_t{1} << 20U, '\0');
  std::int64_t count = 0;
  const cudnnStatus_t status = REAL(cudnnBackendGetAttribute)(
      plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
      static_cast<std::int64_t>(text.size()), &count, text.data());
  if (status != CUDNN_STATUS_SUCCESS) throw std::runtime_error("the plan has no JSON");
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

std::int64_t workspace_bytes(cudnnBackendDescriptor_t plan) {
  std::int64_t bytes = 0;
  std::int64_t count = 0;
  REAL(cudnnBackendGetAttribute)
  (plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes);
  return bytes;
}

// ---- The graph ----

struct Tensor {
  Number type = Number::f32;
  std::vector<std::int64_t> dims, strides;  // n, c, h, w
  bool is_virtual = false, is_by_value = false;
  void* pointer = nullptr;

  bool is_dense() const {  // in the order n, h, w, c without gaps
    const std::int64_t c = dims[1];
    return strides == std::vector<std::int64_t>{c * dims[2] * dims[3], 1, c * dims[3], c};
  }
  std::int64_t count() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  std::size_t span() const {  // bytes from the first to the last element
    std::int64_t last = 0;
    for (int n = 0; n < 4; ++n) last += (dims[n] - 1) * strides[n];
    return static_cast<std::size_t>(last + 1) * bytes_of(type);
  }
};
using Values = std::vector<float>;  // in the order n, h, w, c

Number number_from(const std::string& name) {
  if (name == "CUDNN_DATA_FLOAT") return Number::f32;
  if (name == "CUDNN_DATA_HALF") return Number::f16;
  if (name == "CUDNN_DATA_BFLOAT16") return Number::bf16;
  throw std::runtime_error("data type " + name);
}

struct GraphRun {
  std::map<std::string, Tensor> tensors;
  std::vector<json> nodes;
};

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
  const void* data =
      t.is_by_value ? t.pointer : device_read("cudnnBackendExecute", t.pointer, t.span());
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
  void* data = device_write("cudnnBackendExecute", t.pointer, t.span());
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

// max and min that keep NaN, as the device's.
float relu(float v, float lower, float slope, float upper) {
  if (v != v) return v;
  return v <= lower ? lower + slope * (v - lower) : std::min(v, upper);
}

// y[n] = f(x[n], b[n · step]) along a pixel's channels.
using RowFunction = std::function<void(std::int64_t count, const float* x, const float* b,
                                       std::int64_t step, float* y)>;
template <class F>
RowFunction over_row(F f) {
  return [f](std::int64_t count, const float* x, const float* b, std::int64_t step, float* y) {
    for (std::int64_t n = 0; n < count; ++n) y[n] = f(x[n], b[n * step]);
  };
}

RowFunction pointwise_function(const json& node) {
  const std::string mode = node.at("pointwiseMode");
  const float a = node.value("alpha1", 1.0F);
  const float b = node.value("alpha2", 1.0F);
  if (mode == "CUDNN_POINTWISE_ADD")
    return over_row([=](float x, float y) { return a * x + b * y; });
  if (mode == "CUDNN_POINTWISE_SUB")
    return over_row([=](float x, float y) { return a * x - b * y; });
  if (mode == "CUDNN_POINTWISE_MUL")
    return over_row([=](float x, float y) { return a * x * b * y; });
  if (mode == "CUDNN_POINTWISE_MAX")
    return over_row([=](float x, float y) { return std::fmax(a * x, b * y); });
  if (mode == "CUDNN_POINTWISE_MIN")
    return over_row([=](float x, float y) { return std::fmin(a * x, b * y); });
  if (mode == "CUDNN_POINTWISE_IDENTITY") return over_row([=](float x, float) { return a * x; });
  if (mode == "CUDNN_POINTWISE_TANH_FWD")
    return over_row([](float x, float) { return std::tanh(x); });
  if (mode == "CUDNN_POINTWISE_SIGMOID_FWD")
    return over_row([](float x, float) { return 1 / (1 + std::exp(-x)); });
  if (mode == "CUDNN_POINTWISE_RELU_FWD") {
    const auto lower = static_cast<float>(node.value("lowerClip", 0.0));
    const auto slope = static_cast<float>(node.value("lowerClipSlope", 0.0));
    const double upper = node.value("upperClip", 1.7976931348623157e308);
    const float bound = upper > 3.4e38 ? HUGE_VALF : static_cast<float>(upper);
    return over_row([=](float x, float) { return relu(x, lower, slope, bound); });
  }
  throw std::runtime_error("pointwise mode " + mode);
}

// B may have extent 1 where X has more.
Values pointwise(const json& node, const Tensor& x, const Values& xs, const Tensor* b,
                 const Values* bs) {
  const auto function = pointwise_function(node);
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
      function(c, xs.data() + pixel * c, other, step, ys.data() + pixel * c);
    }
  });
  return ys;
}

// Refuses at the call what it could not compute later.
GraphRun read_graph(const std::string& text, const VariantPack& pack) {
  const json graph = json::parse(text).at("operationGraph");
  GraphRun run;
  for (const json& t : graph.at("tensors")) {
    Tensor tensor;
    tensor.type = number_from(t.at("dataType"));
    tensor.dims = t.at("dim").get<std::vector<std::int64_t>>();
    tensor.strides = t.at("stride").get<std::vector<std::int64_t>>();
    tensor.is_virtual = t.at("isVirtual");
    tensor.is_by_value = t.at("isByValue");
    if (tensor.dims.size() != 4) throw std::runtime_error("a tensor that has not four dimensions");
    const std::string name = t.at("name");
    const auto uid = std::find(pack.uids.begin(), pack.uids.end(), std::stoll(name));
    if (uid != pack.uids.end())
      tensor.pointer = pack.pointers.at(static_cast<std::size_t>(uid - pack.uids.begin()));
    else if (!tensor.is_virtual)
      throw std::runtime_error("the variant pack has no pointer for tensor " + name);
    run.tensors[name] = tensor;
  }
  for (const json& node : graph.at("nodes")) {
    const std::string operation = node.at("operation");
    if (operation == "CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR")
      pointwise_function(node);
    else if (operation != "CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR")
      throw std::runtime_error("operation " + operation);
    else if (node.at("mode") != "CUDNN_CROSS_CORRELATION" || node.at("beta") != 0.0)
      throw std::runtime_error("a flipped filter, or beta other than 0");
    run.nodes.push_back(node);
  }
  return run;
}

void compute(const GraphRun& run) {
  std::map<std::string, Values> values;
  const auto value_of = [&](const std::string& name) -> const Values& {
    if (values.count(name) == 0) values[name] = load(run.tensors.at(name));
    return values.at(name);
  };
  for (const json& node : run.nodes) {  // in the order in which they were given: inputs first
    const std::string x = node.at("X");
    const std::string y = node.at("Y");
    if (node.contains("W")) {
      const std::string w = node.at("W");
      values[y] = convolution(node, run.tensors.at(x), run.tensors.at(w), run.tensors.at(y),
                              value_of(x), value_of(w));
    } else if (node.contains("B")) {
      const std::string b = node.at("B");
      values[y] = pointwise(node, run.tensors.at(x), value_of(x), &run.tensors.at(b), &value_of(b));
    } else {
      values[y] = pointwise(node, run.tensors.at(x), value_of(x), nullptr, nullptr);
    }
    if (!run.tensors.at(y).is_virtual) store(run.tensors.at(y), values[y]);
  }
}

cudnnStatus_t enqueue(Handle& handle, GraphRun run, void* workspace, std::int64_t bytes) {
  const cudaError_t error = guarded(nullptr, [&]() -> cudaError_t {
    Stream* stream = stream_from(handle.stream);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    Scheduler::instance().enqueue(*stream, [run = std::move(run), workspace, bytes] {
      try {
        const auto address = reinterpret_cast<std::uint64_t>(workspace);
        if (bytes > 0 &&
            !DeviceMemory::instance().is_live(address, static_cast<std::size_t>(bytes)))
          device_read("cudnnBackendExecute (workspace)", workspace,
                      static_cast<std::size_t>(bytes));
        compute(run);
      } catch (const LaunchFailure& failure) {
        return failure.code;
      }
      return 0;
    });
    return cudaSuccess;
  });
  return error == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

bool is_handle(cudnnHandle_t handle) {
  const std::scoped_lock lock(g_mutex);
  return handles().count(reinterpret_cast<Handle*>(handle)) != 0;
}

int fault(const char* name) {
  return Faults::instance().next(name);
}

}  // namespace

namespace vgpu {
std::size_t live_cudnn_handles() {
  const std::scoped_lock lock(g_mutex);
  return handles().size();
}
std::size_t live_cudnn_descriptors() {
  const std::scoped_lock lock(g_mutex);
  return descriptors().size();
}
}  // namespace vgpu

VGPU_EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  if (const int error = fault("cudnnCreate"); error != 0) return static_cast<cudnnStatus_t>(error);
  const std::scoped_lock lock(g_mutex);
  auto* made = new Handle;
  handles().insert(made);
  *handle = reinterpret_cast<cudnnHandle_t>(made);
  return CUDNN_STATUS_SUCCESS;
}
VGPU_EXPORT cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  if (!is_handle(handle)) return CUDNN_STATUS_BAD_PARAM;
  const std::scoped_lock lock(g_mutex);
  handles().erase(reinterpret_cast<Handle*>(handle));
  delete reinterpret_cast<Handle*>(handle);
  return CUDNN_STATUS_SUCCESS;
}
VGPU_EXPORT cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  if (const int error = fault("cudnnSetStream"); error != 0)
    return static_cast<cudnnStatus_t>(error);
  if (!is_handle(handle)) return CUDNN_STATUS_BAD_PARAM;
  reinterpret_cast<Handle*>(handle)->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
VGPU_EXPORT cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  if (!is_handle(handle)) return CUDNN_STATUS_BAD_PARAM;
  *stream = reinterpret_cast<Handle*>(handle)->stream;
  return CUDNN_STATUS_SUCCESS;
}

VGPU_EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                                   cudnnBackendAttributeName_t name,
                                                   cudnnBackendAttributeType_t type,
                                                   std::int64_t count, const void* values) {
  if (const int error = fault("cudnnBackendSetAttribute"); error != 0)
    return static_cast<cudnnStatus_t>(error);
  if (type == CUDNN_TYPE_HANDLE) return CUDNN_STATUS_SUCCESS;  // the device is given at finalize
  if (name == CUDNN_ATTR_ENGINEHEUR_DEVICEPROP || name == CUDNN_ATTR_ENGINE_DEVICEPROP ||
      name == CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP) {
    const std::scoped_lock lock(g_mutex);
    described().insert(descriptor);
  }
  if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS || name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS ||
      name == CUDNN_ATTR_VARIANT_PACK_WORKSPACE) {
    const std::scoped_lock lock(g_mutex);
    VariantPack& pack = variant_packs()[descriptor];
    if (name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)
      pack.uids.assign(static_cast<const std::int64_t*>(values),
                       static_cast<const std::int64_t*>(values) + count);
    else if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)
      pack.pointers.assign(static_cast<void* const*>(values),
                           static_cast<void* const*>(values) + count);
    else
      pack.workspace = *static_cast<void* const*>(values);
  }
  return REAL(cudnnBackendSetAttribute)(descriptor, name, type, count, values);
}

VGPU_EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  if (const int error = fault("cudnnBackendFinalize"); error != 0)
    return static_cast<cudnnStatus_t>(error);
  bool has_device = false;
  {
    const std::scoped_lock lock(g_mutex);
    has_device = described().count(descriptor) != 0;
  }
  if (has_device) return REAL(cudnnBackendFinalize)(descriptor);
  cudnnBackendDescriptor_t properties = device_properties();
  // Each kind of descriptor takes its own and refuses the others.
  for (const auto name : {CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_ATTR_ENGINE_DEVICEPROP,
                          CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP})
    REAL(cudnnBackendSetAttribute)(descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &properties);
  return REAL(cudnnBackendFinalize)(descriptor);
}

VGPU_EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                       cudnnBackendDescriptor_t* descriptor) {
  if (const int error = fault("cudnnBackendCreateDescriptor"); error != 0)
    return static_cast<cudnnStatus_t>(error);
  const cudnnStatus_t status = REAL(cudnnBackendCreateDescriptor)(type, descriptor);
  if (status == CUDNN_STATUS_SUCCESS) {
    const std::scoped_lock lock(g_mutex);
    descriptors().insert(*descriptor);
  }
  return status;
}

VGPU_EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                                   cudnnBackendAttributeName_t name,
                                                   cudnnBackendAttributeType_t type,
                                                   std::int64_t room, std::int64_t* count,
                                                   void* values) {
  if (const int error = fault("cudnnBackendGetAttribute"); error != 0)
    return static_cast<cudnnStatus_t>(error);
  return REAL(cudnnBackendGetAttribute)(descriptor, name, type, room, count, values);
}

VGPU_EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  {
    const std::scoped_lock lock(g_mutex);
    variant_packs().erase(descriptor);
    descriptors().erase(descriptor);
    described().erase(descriptor);
  }
  return REAL(cudnnBackendDestroyDescriptor)(descriptor);
}

VGPU_EXPORT cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                              cudnnBackendDescriptor_t variant) {
  if (const int error = fault("cudnnBackendExecute"); error != 0)
    return static_cast<cudnnStatus_t>(error);
  if (!is_handle(handle)) return CUDNN_STATUS_BAD_PARAM;
  VariantPack pack;
  {
    const std::scoped_lock lock(g_mutex);
    const auto found = variant_packs().find(variant);
    if (found == variant_packs().end()) return CUDNN_STATUS_BAD_PARAM;
    pack = found->second;
  }
  try {
    return enqueue(*reinterpret_cast<Handle*>(handle), read_graph(plan_json(plan), pack),
                   pack.workspace, workspace_bytes(plan));
  } catch (const std::exception& error) {
    Report::instance().error(
        "cudnn", "", 0,
        std::string("cudnnBackendExecute: not known to this virtual GPU: ") + error.what());
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
}
