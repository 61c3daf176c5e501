#pragma once
// A convolution with optional bias and ReLU through cuDNN's backend API, in the ordinary way: with
// a handle. Just what a test needs; any error throws.

#include <cuda_runtime.h>
#include <cudnn.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace cudnn_test {

inline void check(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS)
    throw std::runtime_error(std::string(what) + ": " + cudnnGetErrorString(status));
}
#define CUDNN_CHECKED(call) ::cudnn_test::check((call), #call)

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    CUDNN_CHECKED(cudnnBackendCreateDescriptor(type, &descriptor_));
  }
  ~Descriptor() { cudnnBackendDestroyDescriptor(descriptor_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const std::vector<T>& values) {
    CUDNN_CHECKED(cudnnBackendSetAttribute(
        descriptor_, name, type, static_cast<std::int64_t>(values.size()), values.data()));
    return *this;
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR,
               std::vector<cudnnBackendDescriptor_t>{other.descriptor_});
  }
  Descriptor& finalize() {
    CUDNN_CHECKED(cudnnBackendFinalize(descriptor_));
    return *this;
  }
  cudnnBackendDescriptor_t get() const { return descriptor_; }

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

struct Shape {
  std::int64_t n, c, h, w, k, r, s, pad, stride;
  std::int64_t p() const { return (h + 2 * pad - r) / stride + 1; }
  std::int64_t q() const { return (w + 2 * pad - s) / stride + 1; }
};

// NHWC: dims are given as n, c, h, w.
inline void tensor(Descriptor& t, std::int64_t uid, cudnnDataType_t type,
                   std::vector<std::int64_t> dims, bool is_virtual = false) {
  const std::vector<std::int64_t> strides = {dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3],
                                             dims[1]};
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector<cudnnDataType_t>{type})
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, dims)
      .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides)
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, std::vector<std::int64_t>{uid})
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::vector<std::int64_t>{16})
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, std::vector<char>{is_virtual})
      .finalize();
}

// y = conv(x, w), or relu(conv(x, w) + b) where `fused`. Pointers are on the device.
inline void convolve(cudnnHandle_t handle, const Shape& s, cudnnDataType_t type, bool fused,
                     void* x, void* w, void* b, void* y) {
  Descriptor tx(CUDNN_BACKEND_TENSOR_DESCRIPTOR), tw(CUDNN_BACKEND_TENSOR_DESCRIPTOR),
      tb(CUDNN_BACKEND_TENSOR_DESCRIPTOR), ty(CUDNN_BACKEND_TENSOR_DESCRIPTOR),
      sum(CUDNN_BACKEND_TENSOR_DESCRIPTOR), biased(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor(tx, 'x', type, {s.n, s.c, s.h, s.w});
  tensor(tw, 'w', type, {s.k, s.c, s.r, s.s});
  tensor(tb, 'b', type, {1, s.k, 1, 1});
  tensor(ty, 'y', type, {s.n, s.k, s.p(), s.q()});
  tensor(sum, 's', CUDNN_DATA_FLOAT, {s.n, s.k, s.p(), s.q()}, true);
  tensor(biased, 'a', CUDNN_DATA_FLOAT, {s.n, s.k, s.p(), s.q()}, true);

  Descriptor conv(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  conv.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{CUDNN_DATA_FLOAT})
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
           std::vector{CUDNN_CROSS_CORRELATION})
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::vector<std::int64_t>{2})
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64,
           std::vector<std::int64_t>{s.pad, s.pad})
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64,
           std::vector<std::int64_t>{s.pad, s.pad})
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64,
           std::vector<std::int64_t>{s.stride, s.stride})
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, std::vector<std::int64_t>{1, 1})
      .finalize();
  Descriptor forward(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  forward.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, tx)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, tw)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, fused ? sum : ty)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, conv)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, std::vector<float>{1})
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, std::vector<float>{0})
      .finalize();

  Descriptor add(CUDNN_BACKEND_POINTWISE_DESCRIPTOR), relu(CUDNN_BACKEND_POINTWISE_DESCRIPTOR),
      add_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR),
      relu_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  std::vector<cudnnBackendDescriptor_t> operations = {forward.get()};
  if (fused) {
    add.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, std::vector{CUDNN_POINTWISE_ADD})
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, std::vector{CUDNN_DATA_FLOAT})
        .finalize();
    relu.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE,
             std::vector{CUDNN_POINTWISE_RELU_FWD})
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, std::vector{CUDNN_DATA_FLOAT})
        .finalize();
    add_operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, add)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, sum)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, tb)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, biased)
        .finalize();
    relu_operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, relu)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, biased)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, ty)
        .finalize();
    operations.push_back(add_operation.get());
    operations.push_back(relu_operation.get());
  }

  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations)
      .set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, std::vector<cudnnHandle_t>{handle})
      .finalize();
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, std::vector{CUDNN_HEUR_MODE_A})
      .finalize();
  Descriptor config(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  cudnnBackendDescriptor_t first = config.get();
  std::int64_t found = 0;
  CUDNN_CHECKED(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &found, &first));
  if (found < 1) throw std::runtime_error("cuDNN's heuristics give no engine");

  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, std::vector<cudnnHandle_t>{handle})
      .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config)
      .finalize();
  std::int64_t workspace_bytes = 0;
  CUDNN_CHECKED(cudnnBackendGetAttribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                         CUDNN_TYPE_INT64, 1, &found, &workspace_bytes));
  void* workspace = nullptr;
  if (workspace_bytes > 0) cudaMalloc(&workspace, static_cast<std::size_t>(workspace_bytes));

  std::vector<void*> pointers = {x, w, y};
  std::vector<std::int64_t> uids = {'x', 'w', 'y'};
  if (fused) {
    pointers.push_back(b);
    uids.push_back('b');
  }
  Descriptor variant(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  variant.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers)
      .set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, uids)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, std::vector<void*>{workspace})
      .finalize();
  const cudnnStatus_t status = cudnnBackendExecute(handle, plan.get(), variant.get());
  cudaFree(workspace);
  CUDNN_CHECKED(status);
}

}  // namespace cudnn_test
