#include "engine/backend/cuda/cudnn/operations.h"

#include <vector>

#include "engine/backend/cuda/cudnn/storage_type.h"

namespace graft::cuda {

Operations::Operations(const CudnnDevice& device, const ConvolutionProblem& problem) {
  const cudnnDataType_t type = cudnn_storage_type(problem.precision).type;
  const std::size_t n = problem.batch, h = problem.height, w = problem.width;
  const std::size_t k = problem.output_channels;
  const Descriptor& x = add_tensor(TensorId::x, type, {n, problem.input_channels, h, w});
  const Descriptor& filters =
      add_tensor(TensorId::filters, type, {k, problem.input_channels, 3, 3});
  const Descriptor& y = add_tensor(TensorId::y, type, {n, k, h, w});

  std::vector<cudnnBackendDescriptor_t> operations;
  if (problem.bias_relu) {
    const Descriptor& bias = add_tensor(TensorId::bias, type, {1, k, 1, 1});
    // Virtual: never in memory.
    const Descriptor& sums = add_tensor(5, CUDNN_DATA_FLOAT, {n, k, h, w}, true);
    const Descriptor& biased = add_tensor(6, CUDNN_DATA_FLOAT, {n, k, h, w}, true);
    operations.push_back(add_convolution(x, filters, sums).get());
    operations.push_back(add_pointwise(CUDNN_POINTWISE_ADD, sums, &bias, biased).get());
    operations.push_back(add_pointwise(CUDNN_POINTWISE_RELU_FWD, biased, nullptr, y).get());
  } else {
    operations.push_back(add_convolution(x, filters, y).get());
  }

  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            static_cast<std::int64_t>(operations.size()), operations.data());
  device.give_handle(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE);
  graph.finalize();
  add(std::move(graph));
}

const Descriptor& Operations::add(Descriptor part) {
  return parts_.emplace_back(std::move(part));
}

// cuDNN takes sizes in the order N, C, H, W. In memory the order is N, H, W, C.
const Descriptor& Operations::add_tensor(std::int64_t id, cudnnDataType_t type,
                                         std::initializer_list<std::size_t> nchw, bool is_virtual) {
  const std::vector<std::int64_t> size(nchw.begin(), nchw.end());
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, {type})
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, size.data())
      .set<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64,
                         {size[1] * size[2] * size[3], 1, size[1] * size[3], size[1]})
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, {id})
      .set<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, {16})
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, {is_virtual})
      .finalize();
  return add(std::move(tensor));
}

const Descriptor& Operations::add_convolution(const Descriptor& x, const Descriptor& filters,
                                              const Descriptor& y) {
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, {CUDNN_DATA_FLOAT})
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, {CUDNN_CROSS_CORRELATION})
      .set<std::int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, {2});
  for (const auto name :
       {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS,
        CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_ATTR_CONVOLUTION_DILATIONS}) {
    convolution.set<std::int64_t>(name, CUDNN_TYPE_INT64, {1, 1});
  }
  convolution.finalize();
  Descriptor forward(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  forward.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, filters)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, add(std::move(convolution)))
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, {1.0F})
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, {0.0F})
      .finalize();
  return add(std::move(forward));
}

// y = x + b, or a function of x alone.
const Descriptor& Operations::add_pointwise(cudnnPointwiseMode_t mode, const Descriptor& x,
                                            const Descriptor* b, const Descriptor& y) {
  Descriptor function(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  function.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, {mode})
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, {CUDNN_DATA_FLOAT});
  if (mode == CUDNN_POINTWISE_RELU_FWD) {
    function.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION,
                 {CUDNN_PROPAGATE_NAN});
  }
  function.finalize();
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, add(std::move(function)))
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  if (b != nullptr) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  operation.finalize();
  return add(std::move(operation));
}

}  // namespace graft::cuda
