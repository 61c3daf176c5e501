#include "engine/backend/cpu/aligned_floats.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace graft::cpu {

namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20U;

}  // namespace

AlignedFloats AlignedFloats::uninitialised(std::size_t count) {
  AlignedFloats floats;
  floats.size_ = count;
  if (count == 0) return floats;
  if (count > (SIZE_MAX - huge_page) / sizeof(float)) throw std::bad_alloc();
  const std::size_t wanted = count * sizeof(float);
  const std::size_t alignment = wanted >= huge_page ? huge_page : cache_line;
  const std::size_t bytes = (wanted + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  if (alignment == huge_page)
    madvise(memory, bytes, MADV_HUGEPAGE);  // advice: small pages work too
  floats.data_.reset(static_cast<float*>(memory));
  return floats;
}

AlignedFloats::AlignedFloats(std::size_t count) : AlignedFloats(uninitialised(count)) {
  if (count != 0) std::memset(data(), 0, count * sizeof(float));
}

void AlignedFloats::Free::operator()(float* data) const {
  std::free(data);
}

}  // namespace graft::cpu
