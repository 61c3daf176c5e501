#pragma once
// The network's weights as the device keeps them.

#include <cstddef>
#include <vector>

#include "engine/backend/cuda/backbone/backbone_spec.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::cuda {

// The block of spec.weights, ready to be copied: filters from HWIO floats to KRSC in the storage
// type, with zeros for the padding channels; biases; the values of pixel_tables. Throws
// Error(weights) for a layer of the wrong size, and Error(usage) for a value that fp16 cannot hold.
std::vector<std::byte> packed_weights(const Vgg16Weights& weights, const BackboneSpec& spec);

}  // namespace graft::cuda
