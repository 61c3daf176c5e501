#pragma once
// Device memory: one range of addresses that is never used twice, so that a stale pointer stays
// stale.
//
//   arena   addresses that a program sees; unmapped, so that host code that follows one faults
//   data    the bytes, at address + kArenaBytes
//   shadow  one byte per byte, at address + 2 · kArenaBytes: kUninitialised …
//   marks   per 32-byte sector, the launches that last read and wrote it
//   pages   per 4096 bytes, whether an allocation is or was there
//
// All are mapped lazily: a large allocation costs nothing until it is written. Allocations begin on
// a page, with an empty page before each. Pinned host memory is listed here too: kernels may use it,
// and copies need not stage it.

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace vgpu {

enum class Page : std::uint8_t { none, live, freed };

// Values of a shadow byte on a live page.
enum : std::uint8_t { kUninitialised = 0, kInitialised = 1, kPastEnd = 2 };

struct Allocation {
  std::uint64_t base = 0;
  std::size_t bytes = 0;
  std::uint64_t number = 0;  // from 1, in the order of the calls
  bool freed = false;
  bool from_program = true;  // false for module variables, which are no leak
};

struct SectorMark {
  std::uint32_t read_by = 0;  // launch numbers
  std::uint32_t written_by = 0;
};

// Whether [offset, offset + bytes) lies in [0, size).
inline bool is_within(std::uint64_t offset, std::uint64_t bytes, std::uint64_t size) {
  return offset <= size && bytes <= size - offset;
}
std::string hexadecimal(std::uint64_t address);

class DeviceMemory {
 public:
  static DeviceMemory& instance();

  std::uint64_t allocate(std::size_t bytes, bool from_program = true);  // 0: out of memory
  bool release(std::uint64_t base);  // false: no live allocation begins there

  bool in_arena(std::uint64_t address) const { return address - arena_ < kArenaBytes; }
  std::byte* data(std::uint64_t address) const {
    return reinterpret_cast<std::byte*>(address + kArenaBytes);
  }
  std::uint8_t* shadow(std::uint64_t address) const {
    return reinterpret_cast<std::uint8_t*>(address + 2 * kArenaBytes);
  }
  Page page(std::uint64_t address) const { return pages_[(address - arena_) / kPageBytes]; }
  SectorMark& mark(std::uint64_t address) const { return marks_[(address - arena_) / 32]; }

  // Live allocation that holds all of [address, address + bytes).
  bool is_live(std::uint64_t address, std::size_t bytes) const;
  void set_initialised(std::uint64_t address, std::size_t bytes);
  // "4 bytes past the end of allocation 3 (1024 bytes)"
  std::string describe(std::uint64_t address) const;

  std::uint64_t used() const { return used_; }
  std::uint64_t total() const;
  std::map<std::uint64_t, Allocation> allocations() const;
  std::optional<Allocation> find(std::uint64_t address) const;  // begins at or below the address

  void add_pinned(const void* host, std::size_t bytes);
  bool remove_pinned(const void* host);
  bool is_pinned(const void* host, std::size_t bytes) const;

 private:
  static constexpr std::uint64_t kArenaBytes = std::uint64_t{1} << 38U;
  static constexpr std::uint64_t kPageBytes = 4096;

  DeviceMemory();
  void set_pages(const Allocation& allocation, Page state);

  mutable std::mutex mutex_;
  std::uint64_t arena_ = 0;
  SectorMark* marks_ = nullptr;
  Page* pages_ = nullptr;
  std::uint64_t next_ = 0;
  std::uint64_t used_ = 0;
  std::uint64_t count_ = 0;
  std::map<std::uint64_t, Allocation> allocations_;
  std::map<std::uint64_t, std::size_t> pinned_;
};

}  // namespace vgpu
