#pragma once
// The memory that the process takes, where AddressSanitizer counts it. Elsewhere the peak is 0.

#include <cstdint>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GRAFT_COUNTS_MEMORY
#include <sanitizer/allocator_interface.h>
#endif
#endif

namespace graft::fuzz {

inline std::int64_t bytes_in_use = 0, most_bytes_in_use = 0;

// From here on.
inline void start_memory_peak() {
  bytes_in_use = most_bytes_in_use = 0;
#ifdef GRAFT_COUNTS_MEMORY
  [[maybe_unused]] static const int hooks = __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, std::size_t size) {
        bytes_in_use += static_cast<std::int64_t>(size);
        if (bytes_in_use > most_bytes_in_use) most_bytes_in_use = bytes_in_use;
      },
      [](const volatile void* block) {
        bytes_in_use -=
            static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<void*>(block)));
      });
#endif
}

inline std::uint64_t memory_peak() {
  return static_cast<std::uint64_t>(most_bytes_in_use);
}

}  // namespace graft::fuzz
