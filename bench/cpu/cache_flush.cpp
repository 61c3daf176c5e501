#include "bench/cpu/cache_flush.h"

#include <unistd.h>

#include <algorithm>

namespace graft::bench {
namespace {

constexpr std::size_t mib = std::size_t{1} << 20U;

// The minimum where the size is not known. Caches of hundreds of MiB belong to many cores.
std::size_t bytes_to_walk() {
  const long last_level = sysconf(_SC_LEVEL3_CACHE_SIZE);
  const std::size_t twice = last_level > 0 ? 2 * static_cast<std::size_t>(last_level) : 0;
  return std::clamp(twice, 64 * mib, 512 * mib);
}

}  // namespace

void CacheFlush::run() {
  if (memory_.empty()) memory_.resize(bytes_to_walk() / sizeof(std::uint64_t));
  const std::size_t share = memory_.size() / pool_.threads();
  pool_.parallel_for(pool_.threads(), [&](std::size_t piece, std::size_t) {
    const auto first = memory_.begin() + static_cast<std::ptrdiff_t>(piece * share);
    std::for_each(first, first + static_cast<std::ptrdiff_t>(share),
                  [](std::uint64_t& value) { ++value; });
  });
}

}  // namespace graft::bench
