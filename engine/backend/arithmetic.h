#pragma once
// What a config's settings become in kernels, once for every backend: that masks, updates and
// inputs are the same on a CPU and on a GPU begins with the same numbers.

#include <cstddef>
#include <cstdint>

#include "engine/backend/backend.h"
#include "kernels/cpu/preprocess.h"
#include "kernels/cpu/relu_dropout.h"
#include "kernels/cpu/rmsprop.h"

namespace graft {

cpu::PixelTables pixel_tables(Preprocess preprocess);

cpu::Rmsprop rmsprop_of(const OptimizerConfig& optimizer);

// What a value that dropout keeps is multiplied by.
float kept_scale(const HeadOptions& options);

// The mask of a hidden layer at a training step. Without a step, not in training, every value is
// kept as it is.
cpu::Dropout dropout_of(const HeadOptions& options, std::size_t layer,
                        const std::uint64_t* training_step);

}  // namespace graft
