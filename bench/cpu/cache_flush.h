#pragma once
// Empties the caches of a CPU by writing more memory than they hold: twice the last-level cache,
// within bounds.

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/thread_pool.h"

namespace graft::bench {

class CacheFlush {
 public:
  explicit CacheFlush(cpu::ThreadPool& pool) : pool_(pool) {}

  // Takes the memory at the first call. Every thread writes its share.
  void operator()() {
    if (memory_.empty()) memory_.resize(bytes() / sizeof(std::uint64_t));
    const std::size_t share = memory_.size() / pool_.threads();
    pool_.parallel_for(pool_.threads(), [&](std::size_t piece, std::size_t) {
      for (std::size_t i = piece * share; i < (piece + 1) * share; ++i) ++memory_[i];
    });
  }

 private:
  // The minimum where the size is not known. Caches of hundreds of MiB belong to many cores.
  static std::size_t bytes() {
    constexpr std::size_t mib = std::size_t{1} << 20U;
    const long last_level = sysconf(_SC_LEVEL3_CACHE_SIZE);
    return std::clamp(2 * static_cast<std::size_t>(std::max(last_level, 0L)), 64 * mib, 512 * mib);
  }

  cpu::ThreadPool& pool_;
  std::vector<std::uint64_t> memory_;
};

}  // namespace graft::bench
