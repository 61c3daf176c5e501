#pragma once
// The classifier as weights of Keras' Sequential([Flatten(), Dense, Dropout, …, Dense]), in the HDF5
// format of Keras 2, which Keras 3 reads as head.h5.

#include <cstddef>
#include <vector>

#include "engine/weights/safetensors.h"

namespace graft {

// The content of the file: the same head gives the same bytes. The tensors are NAME/kernel and
// NAME/bias of each Dense, first to last, of `bytes` bytes. Throws std::bad_alloc.
std::vector<std::byte> keras_head_image(const Safetensors& head, std::size_t bytes);

}  // namespace graft
