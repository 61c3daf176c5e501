#include "tests/image/counted_allocations.h"

#include <malloc.h>

#include <algorithm>
#include <cerrno>

namespace graft::test {
namespace {

struct Counter {
  bool counts;
  std::int64_t in_use, peak;
  std::size_t calls, failing, least;
};
thread_local Counter counter;

bool refuses(std::size_t size) {
  if (!counter.counts || size < counter.least || counter.calls++ != counter.failing) return false;
  errno = ENOMEM;
  return true;
}

void* taken(void* block) {
  if (counter.counts) counter.in_use += static_cast<std::int64_t>(malloc_usable_size(block));
  counter.peak = std::max(counter.peak, counter.in_use);
  return block;
}

void returned(void* block) {
  if (counter.counts) counter.in_use -= static_cast<std::int64_t>(malloc_usable_size(block));
}

}  // namespace

void start_counting(std::size_t failing, std::size_t least) {
  counter = {true, 0, 0, 0, failing, least};
}

Allocations stop_counting() {
  counter.counts = false;
  return {counter.peak, counter.calls};
}

}  // namespace graft::test

using graft::test::refuses;
using graft::test::returned;
using graft::test::taken;

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);

void* malloc(std::size_t size) {
  return refuses(size) ? nullptr : taken(__libc_malloc(size));
}
void* calloc(std::size_t count, std::size_t size) {
  return refuses(count * size) ? nullptr : taken(__libc_calloc(count, size));
}
void* realloc(void* block, std::size_t size) {
  if (refuses(size)) return nullptr;
  // A copy has both blocks for a moment.
  const void* before = block;
  void* const grown = __libc_malloc(size);
  const std::size_t old = malloc_usable_size(block);
  taken(grown);
  std::copy_n(static_cast<const char*>(before), std::min(old, size), static_cast<char*>(grown));
  returned(block);
  __libc_free(block);
  return grown;
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return refuses(size) ? nullptr : taken(__libc_memalign(alignment, size));
}
void free(void* block) {
  returned(block);
  __libc_free(block);
}
}
