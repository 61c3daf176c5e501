#pragma once
// The blocking kernel: one thread that polls a flag in pinned host memory, and so holds the stream
// until the host has enqueued all the work of a sample. Otherwise short work would be as slow as
// its launches. The number of polls is limited, because the host can itself wait for the device (a
// full queue, lazy loading of code).
//
// Bytes moved: 4 a poll, from host memory.

#include <cuda_runtime_api.h>

#include <cstdint>

namespace graft::bench {

// In pinned host memory.
struct BlockingFlags {
  std::uint32_t open;       // the host writes 1
  std::uint32_t timed_out;  // the kernel writes 1 after the last poll
};

void block_stream(BlockingFlags* flags, std::uint32_t most_polls, cudaStream_t stream);

}  // namespace graft::bench
