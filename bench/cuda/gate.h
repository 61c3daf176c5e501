#pragma once
// Holds a stream until the host has put all of a sample's work into it: else short work would be
// measured as slowly as the host launches it. A kernel of one thread looks at a word of pinned host
// memory until the host has written it, but no more than a given number of times: a host that
// itself waits for the device (a full queue, code that is loaded) gets on in the end.
//
// Bytes moved: 4 for each look, from the host's memory.

#include <cuda_runtime_api.h>

#include <cstdint>

namespace graft::bench {

// In pinned host memory.
struct GateWords {
  std::uint32_t open;     // the host writes 1
  std::uint32_t gave_up;  // the kernel writes 1 when it has looked often enough
};

void wait_at_gate(GateWords* words, std::uint32_t most_looks, cudaStream_t stream);

}  // namespace graft::bench
