#pragma once
// Empties the caches of a CPU by a walk through more memory than they hold.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/thread_pool.h"

namespace graft::bench {

class CacheFlush {
 public:
  // Twice the last-level cache as the system tells it, within bounds.
  explicit CacheFlush(cpu::ThreadPool& pool);
  // Every thread writes its share of the memory.
  void run();

 private:
  cpu::ThreadPool& pool_;
  std::vector<std::uint64_t> memory_;
};

}  // namespace graft::bench
