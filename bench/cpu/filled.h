#pragma once
// Arrays for the CPU's kernels, filled with ordinary values.

#include <cstddef>
#include <memory>

#include "engine/backend/cpu/aligned_floats.h"

namespace graft::bench {

// Values from −.5 to .5, none of them denormal.
inline cpu::AlignedFloats filled(std::size_t count) {
  cpu::AlignedFloats values = cpu::AlignedFloats::uninitialised(count);
  for (std::size_t i = 0; i < count; ++i)
    values.data()[i] = 0.01F * static_cast<float>(i % 101) - 0.5F;
  return values;
}

// For closures that share it.
inline std::shared_ptr<cpu::AlignedFloats> shared_filled(std::size_t count) {
  return std::make_shared<cpu::AlignedFloats>(filled(count));
}

}  // namespace graft::bench
