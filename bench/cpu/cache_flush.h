#pragma once
// Empties the caches of a CPU by writing more memory than they hold: twice the last-level cache, within
// bounds.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/thread_pool.h"

namespace graft::bench {

class CacheFlush {
 public:
  explicit CacheFlush(cpu::ThreadPool& pool) : pool_(pool) {}
  // Takes the memory at the first call. Every thread writes its share.
  void run();

 private:
  cpu::ThreadPool& pool_;
  std::vector<std::uint64_t> memory_;
};

}  // namespace graft::bench
