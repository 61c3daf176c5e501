#include "machine/memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "report/environment.h"

namespace vgpu {
namespace {

constexpr std::size_t kPoisonedBytes = std::size_t{16} << 20U;

std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Address space only: pages appear as they are touched.
void* reserve(std::uint64_t bytes, int protection) {
  void* range =
      mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) {
    std::perror("vgpu: reserving the device's address range");
    std::abort();
  }
  return range;
}

void make_accessible(std::uint64_t from, std::uint64_t bytes) {
  if (mprotect(reinterpret_cast<void*>(from), bytes, PROT_READ | PROT_WRITE) != 0) {
    std::perror("vgpu: mprotect");
    std::abort();
  }
}

// Frees the pages. One mapping with what is inaccessible around it: a process may have 65530.
void make_inaccessible(void* from, std::uint64_t bytes) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  if (bytes != 0 && mmap(from, bytes, PROT_NONE, flags, -1, 0) == MAP_FAILED) {
    std::perror("vgpu: mmap");
    std::abort();
  }
}

}  // namespace

std::string hexadecimal(std::uint64_t address) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

DeviceMemory& DeviceMemory::instance() {
  static auto* memory = new DeviceMemory;  // never destroyed: see Report::instance
  return *memory;
}

DeviceMemory::DeviceMemory() {
  arena_ = reinterpret_cast<std::uint64_t>(reserve(3 * kArenaBytes, PROT_NONE));
  next_ = arena_;
  marks_ = static_cast<SectorMark*>(
      reserve(kArenaBytes / 32 * sizeof(SectorMark), PROT_READ | PROT_WRITE));
  pages_ = static_cast<Page*>(reserve(kArenaBytes / kPageBytes, PROT_READ | PROT_WRITE));
}

std::uint64_t DeviceMemory::total() const {
  return environment().memory;
}

void DeviceMemory::set_pages(const Allocation& allocation, Page state) {
  std::memset(&pages_[(allocation.base - arena_) / kPageBytes], static_cast<int>(state),
              round_up(allocation.bytes, kPageBytes) / kPageBytes);
}

std::uint64_t DeviceMemory::allocate(std::size_t bytes, bool from_program) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t granted = round_up(bytes, 512);
  if (granted > total() - used_ || granted < bytes) return 0;
  const std::uint64_t base = next_ + kPageBytes;
  const std::uint64_t end = base + round_up(bytes, kPageBytes);
  if (end + kPageBytes - arena_ > kArenaBytes) return 0;
  make_accessible(base + kArenaBytes, end - base);
  make_accessible(base + 2 * kArenaBytes, end - base);
  std::memset(shadow(base + bytes), kPastEnd, end - base - bytes);
  // Bytes that were never written are a NaN in every float format, and a large index.
  if (bytes <= kPoisonedBytes) std::memset(data(base), 0xFF, bytes);
  next_ = end;
  used_ += granted;
  const Allocation& made = allocations_[base] = {base, bytes, ++count_, false, from_program};
  set_pages(made, Page::live);
  return base;
}

bool DeviceMemory::release(std::uint64_t base) {
  const std::scoped_lock lock(mutex_);
  const auto found = allocations_.find(base);
  if (found == allocations_.end() || found->second.freed) return false;
  Allocation& a = found->second;
  a.freed = true;
  used_ -= round_up(a.bytes, 512);
  set_pages(a, Page::freed);
  const std::uint64_t pages = round_up(a.bytes, kPageBytes);
  make_inaccessible(data(base), pages);
  make_inaccessible(shadow(base), pages);
  return true;
}

std::optional<Allocation> DeviceMemory::find(std::uint64_t address) const {
  const std::scoped_lock lock(mutex_);
  const auto next = allocations_.upper_bound(address);
  return next == allocations_.begin() ? std::nullopt : std::optional(std::prev(next)->second);
}

bool DeviceMemory::is_live(std::uint64_t address, std::size_t bytes) const {
  const auto a = find(address);
  return a && !a->freed && is_within(address - a->base, bytes, a->bytes);
}

void DeviceMemory::set_initialised(std::uint64_t address, std::size_t bytes) {
  std::memset(shadow(address), kInitialised, bytes);
}

std::string DeviceMemory::describe(std::uint64_t address) const {
  if (!in_arena(address)) return hexadecimal(address) + " is not a device address";
  const auto a = find(address);
  if (!a) return "before the first allocation";
  const std::uint64_t offset = address - a->base;
  const std::string where = offset < a->bytes
                                ? std::to_string(offset) + " bytes in "
                                : std::to_string(offset - a->bytes) + " bytes past the end of ";
  return where + (a->freed ? "freed allocation " : "allocation ") + std::to_string(a->number) +
         " (" + std::to_string(a->bytes) + " bytes)";
}

std::map<std::uint64_t, Allocation> DeviceMemory::allocations() const {
  const std::scoped_lock lock(mutex_);
  return allocations_;
}

void DeviceMemory::add_pinned(const void* host, std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  pinned_[reinterpret_cast<std::uint64_t>(host)] = bytes;
}

bool DeviceMemory::remove_pinned(const void* host) {
  const std::scoped_lock lock(mutex_);
  return pinned_.erase(reinterpret_cast<std::uint64_t>(host)) != 0;
}

bool DeviceMemory::is_pinned(const void* host, std::size_t bytes) const {
  const std::scoped_lock lock(mutex_);
  const auto address = reinterpret_cast<std::uint64_t>(host);
  const auto next = pinned_.upper_bound(address);
  if (next == pinned_.begin()) return false;
  const auto [base, size] = *std::prev(next);
  return is_within(address - base, bytes, size);
}

}  // namespace vgpu
