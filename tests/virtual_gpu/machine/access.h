#pragma once
// Where a warp's addresses lead: every load, store and atomic goes through locate(), which checks
// bounds, liveness, alignment, initialisation and races, counts sectors and bank conflicts, and
// gives host pointers back.

#include <array>
#include <cstdint>

#include "machine/interpreter.h"
#include "ptx/ptx.h"

namespace vgpu {

enum class Use : std::uint8_t { load, store, atomic };

struct Located {
  std::array<std::uint64_t, kLanes> address;  // in: as the program gave them
  std::array<std::byte*, kLanes> pointer;     // out
};

// `bytes`: of a lane's access.
void locate(Warp& warp, const Instruction& instruction, std::uint32_t lanes, Space space, Use use,
            std::uint32_t bytes, Located& located);

}  // namespace vgpu
