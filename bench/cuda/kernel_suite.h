#pragma once
// Every hand-written kernel of kernels/cuda, each at the shapes that it meets in a run at the axes:
// those of planes at each size of image, batch and storage type, those of the head for each batch of
// rows. Shapes of one kernel that are equal stand once. Cost::bytes is what the kernel's header
// promises.

#include "bench/cuda/device_work.h"
#include "bench/suites/case_list.h"
#include "engine/backend/backend.h"

namespace graft::bench {

// `context` outlives what is prepared from the list. Throws Error(usage) for axes that no device
// serves.
CaseList kernel_cases(const DeviceContext& context, const Axes& axes);

// One kernel at one shape.
struct KernelAt {
  std::string_view kernel;                                // "bias_relu"
  std::vector<std::pair<std::string, std::string>> axes;  // {"pixels", "1440000"}
  double bytes = 0.0;                                     // that it must move
  MakeWork make;
};
std::vector<KernelAt> plane_kernels(Precision storage, const BackboneOptions& options);
std::vector<KernelAt> head_kernels(std::size_t rows, std::size_t features);

}  // namespace graft::bench
