#pragma once
// The memory that this thread takes by malloc and its relatives, C++ and libraries alike: the
// program's own definitions take the place of the C library's.

#include <cstddef>
#include <cstdint>
#include <limits>

namespace graft::test {

struct Allocations {
  std::int64_t peak = 0;  // bytes in use at one time, beyond those at the start
  std::size_t calls = 0;
};

// Counts from here on. Call number `failing` of those of at least `least` bytes, and no other, returns
// no memory; Allocations::calls are those of at least `least` bytes.
void start_counting(std::size_t failing = std::numeric_limits<std::size_t>::max(),
                    std::size_t least = 0);
Allocations stop_counting();

}  // namespace graft::test
