#pragma once
// A ConvolutionProblem as cuDNN's graph of operations. For the files cudnn_*.cpp alone.

#include <cstdint>
#include <deque>
#include <initializer_list>

#include "engine/backend/cuda/cudnn_device.h"

namespace graft::cuda {

// The names of the graph's tensors, that a plan's pointers are given by.
struct TensorId {
  static constexpr std::int64_t x = 1, filters = 2, bias = 3, y = 4;
};

cudnnDataType_t storage_type(Precision precision);

// The graph, and all that it is made of.
class Operations {
 public:
  Operations(const CudnnDevice::State& device, const ConvolutionProblem& problem);
  const Descriptor& graph() const { return parts_.back(); }

 private:
  const Descriptor& add(Descriptor part);
  const Descriptor& add_tensor(std::int64_t id, cudnnDataType_t type,
                               std::initializer_list<std::size_t> nchw, bool is_virtual = false);
  const Descriptor& add_convolution(const Descriptor& x, const Descriptor& filters,
                                    const Descriptor& y);
  const Descriptor& add_pointwise(cudnnPointwiseMode_t mode, const Descriptor& x,
                                  const Descriptor* b, const Descriptor& y);

  std::deque<Descriptor> parts_;
};

}  // namespace graft::cuda
