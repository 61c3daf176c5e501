#pragma once
// A ConvolutionProblem as cuDNN's graph of operations.

#include <cstdint>
#include <deque>
#include <initializer_list>

#include "engine/backend/cuda/cudnn/convolution.h"

namespace graft::cuda {

// Ids of the graph's tensors: a plan takes its pointers by them.
struct TensorId {
  static constexpr std::int64_t x = 1, filters = 2, bias = 3, y = 4;
};

// The graph and its parts.
class Operations {
 public:
  Operations(const CudnnDevice& device, const ConvolutionProblem& problem);
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
