#pragma once
// A config's settings as the kernels' constants. All backends use these, so that masks, updates and
// inputs are the same on the CPU and on a GPU.

#include <cstddef>
#include <cstdint>

#include "engine/backend/backend.h"
#include "kernels/dropout.h"
#include "kernels/pixel_tables.h"
#include "kernels/rmsprop.h"

namespace graft {

PixelTables pixel_tables(Preprocess preprocess);

LearningRate learning_rate(const HeadOptions& options);

// Of a training step.
Rmsprop rmsprop_at(const HeadOptions& options, std::uint64_t step);

// The factor of a value that dropout keeps.
float kept_scale(const HeadOptions& options);

// The mask of a hidden layer at a training step. Null (not in training): every value is kept as it
// is.
Dropout dropout_of(const HeadOptions& options, std::size_t layer,
                   const std::uint64_t* training_step);

}  // namespace graft
