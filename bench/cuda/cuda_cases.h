#pragma once
// The cases of the GPU's own suites, kernels and layers. All are timed by CUDA events.

#include "bench/cases/case_list.h"
#include "bench/cuda/device_work.h"
#include "engine/backend/cuda/cudnn/convolution.h"

namespace graft::bench {

// Every hand-written kernel of kernels/cuda, at the shapes of a run at the axes: those of the
// backbone for each image size, batch and storage type, those of the head for each batch.
// Cost::bytes is what the kernel's header states. `context` outlives what is prepared from the
// list. Throws Error(usage) for axes that no GPU supports.
std::vector<Case> kernel_cases(const DeviceContext& context, const Axes& axes);

// The 13 convolutions at each image size, batch and precision, by every engine that cuDNN has. Bias
// and ReLU are part of the engine ("fused"), or of the kernel after it ("bias_relu", and at the end
// of a block "bias_relu_max_pool"). One execution is the convolution and that kernel. The cost is
// that of the layer (layer_cost() in bench/cases/case_list.h), so that the shares of all engines compare.
//
// Builds cuDNN's execution plans, which takes a moment for each shape, and keeps them as text,
// without GPU memory. `context` and `cudnn` outlive what is prepared from the list. Throws
// Error(usage) for axes that no GPU supports, Error(device) for a precision that this one lacks.
std::vector<Case> layer_cases(const DeviceContext& context, const cuda::CudnnDevice& cudnn,
                              const Axes& axes);

// A kernel at one shape.
struct KernelWork {
  std::string_view kernel;  // "bias_relu"
  AxisValues axes;          // {"pixels", "1440000"}
  double bytes = 0.0;       // moved by one execution
  MakeWork make;
};
std::vector<KernelWork> head_kernels(std::size_t rows, std::size_t features);

// {"precision", "fp32"}, then the sizes.
AxisValues kernel_axes(Precision storage,
                       std::initializer_list<std::pair<const char*, std::size_t>> sizes);

}  // namespace graft::bench
