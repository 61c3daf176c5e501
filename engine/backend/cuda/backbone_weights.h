#pragma once
// The network's weights as the device keeps them.

#include <cstddef>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/backbone_memory.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::cuda {

// All of weight_layout(options), ready to be copied: filters from HWIO floats to KRSC in the
// storage type, with zeros for the channels that pad; biases; the values of pixel_tables. Throws
// Error(weights) for a layer of the wrong size, and Error(usage) for a value that fp16 does not
// hold.
std::vector<std::byte> packed_weights(const Vgg16Weights& weights, const BackboneOptions& options);

}  // namespace graft::cuda
