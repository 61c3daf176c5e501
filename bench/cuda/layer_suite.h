#pragma once
// The 13 convolutions of VGG16 at each size of image, batch and precision, each by every engine that
// cuDNN has for it: with bias and ReLU in the engine ("fused"), or by the hand-written kernel that
// follows it in the network ("bias_relu", and at the end of a block "bias_relu_max_pool", which no
// engine takes in). One execution is the convolution with what follows; its cost is that of the layer
// (bench/suites/vgg16_work.h), the same for every way, so that shares of the ceilings compare.

#include "bench/cuda/device_work.h"
#include "bench/suites/case_list.h"
#include "engine/backend/cuda/cudnn_convolution.h"

namespace graft::bench {

// Asks cuDNN for its plans, which takes a moment for each shape, and keeps them as text: no memory
// of the GPU is held. `context` and `cudnn` outlive what is prepared from the list. Throws
// Error(usage) for axes that no device serves, Error(device) for a precision that this one lacks.
CaseList layer_cases(const DeviceContext& context, const cuda::CudnnDevice& cudnn,
                     const Axes& axes);

}  // namespace graft::bench
