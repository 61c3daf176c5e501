#pragma once
// Empties the caches of a CPU by a walk through more memory than they hold: twice the last-level
// cache as the system tells it, within bounds.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/thread_pool.h"

namespace graft::bench {

class CacheFlush {
 public:
  explicit CacheFlush(cpu::ThreadPool& pool) : pool_(pool) {}
  // The first time takes the memory. Every thread writes its share of the memory.
  void run();

 private:
  cpu::ThreadPool& pool_;
  std::vector<std::uint64_t> memory_;
};

}  // namespace graft::bench
