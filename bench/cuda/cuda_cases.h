#pragma once
// The cases of the GPU's own suites, kernels and layers, timed by CUDA events. Its ceilings.

#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "bench/cases/case_list.h"
#include "bench/cuda/device_work.h"
#include "engine/backend/cuda/cudnn/convolution.h"
#include "kernels/cuda/moved_bytes.h"

namespace graft::bench {

// Every hand-written kernel of kernels/cuda, at the shapes of a run at the axes: those of the
// backbone for each image size, batch and storage type, those of the head for each batch.
// Cost::bytes is what the kernel's header states. `context` outlives what is prepared from the
// list. Throws Error(usage) for axes that no GPU supports.
std::vector<Case> kernel_cases(const DeviceContext& context, const Axes& axes);

// The time that a launch takes the host, by the host's clock: an empty kernel, and a CUDA graph of
// empty kernels. They are part of kernel_cases().
std::vector<Case> launch_cases(const DeviceContext& context);

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

// The ceilings of the GPU: the best of many short runs of the kernels in peaks.h, with checked
// outputs. fp32 is always measured. Without a timer each kernel runs once, and is checked. Throws
// Error(device) for wrong outputs, and Error(interrupted). Call it inside Device::run.
Ceilings measure_ceilings(const DeviceContext& context, std::span<const Precision> precisions,
                          const std::stop_token& stop);

// A kernel at one shape.
struct KernelWork {
  std::string_view kernel;  // "bias_relu"
  AxisValues axes;          // {"pixels", "1440000"}, without the precision
  cuda::MovedBytes bytes;   // by one execution
  MakeWork make;
};
std::vector<KernelWork> head_kernels(std::size_t rows, std::size_t features);

}  // namespace graft::bench
