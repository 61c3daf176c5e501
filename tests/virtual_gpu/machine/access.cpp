#include "machine/access.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "machine/memory.h"

namespace vgpu {
namespace {

constexpr std::uint32_t kSectorBytes = 32;
constexpr std::uint32_t kBanks = 32;
// In a row, of one host address: a read over PCIe takes about a microsecond.
constexpr std::uint64_t kPollsOfDeadlock = 1U << 18U;

std::string verb(Use use) {
  return use == Use::load ? "reads" : use == Use::store ? "writes" : "updates";
}

std::string access_text(Use use, std::uint32_t bytes, const std::string& space,
                        std::uint64_t address) {
  return verb(use) + " " + std::to_string(bytes) + " bytes of " + space + " memory at " +
         hexadecimal(address);
}

void check_alignment(const Warp& w, const Instruction& i, int lane, Use use, const char* space,
                     std::uint64_t address, std::uint32_t bytes) {
  if ((address & (bytes - 1)) != 0)
    launch_failed(
        "misaligned", cudaErrorMisalignedAddress, w, i, lane,
        access_text(use, bytes, space, address) + ", not a multiple of " + std::to_string(bytes));
}

// ---- Global ----

bool all_initialised(const std::uint8_t* shadow, std::uint32_t bytes) {
  for (std::uint32_t n = 0; n < bytes; ++n)
    if (shadow[n] != kInitialised) return false;
  return true;
}

[[noreturn]] void bad_global(const Warp& w, const Instruction& i, int lane, Use use,
                             std::uint64_t address, std::uint32_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  const bool freed = memory.in_arena(address) && memory.page(address) == Page::freed;
  launch_failed(freed ? "use_after_free" : "out_of_bounds", cudaErrorIllegalAddress, w, i, lane,
                access_text(use, bytes, "global", address) + ": " + memory.describe(address));
}

// A kernel that polls the host's memory while the host waits for it, or for what comes after it.
void check_poll(const Warp& w, const Instruction& i, int lane, std::uint64_t address) {
  Block& block = *w.block;
  block.polls = address == block.polled ? block.polls + 1 : 1;
  block.polled = address;
  if (block.polls > kPollsOfDeadlock && !block.launch->held_up.empty())
    launch_failed("deadlock", cudaErrorLaunchTimeout, w, i, lane,
                  "polls host memory, but the host waits in a call for " + block.launch->held_up);
}

std::byte* global_pointer(const Warp& w, const Instruction& i, int lane, Use use,
                          std::uint64_t address, std::uint32_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  check_alignment(w, i, lane, use, "global", address, bytes);
  if (!memory.in_arena(address)) {
    auto* host = reinterpret_cast<std::byte*>(address);
    if (!memory.is_pinned(host, bytes)) bad_global(w, i, lane, use, address, bytes);
    if (use == Use::load) check_poll(w, i, lane, address);
    return host;
  }
  if (memory.page(address) != Page::live) bad_global(w, i, lane, use, address, bytes);
  std::uint8_t* shadow = memory.shadow(address);
  if (all_initialised(shadow, bytes)) return memory.data(address);
  if (std::find(shadow, shadow + bytes, kPastEnd) != shadow + bytes)
    bad_global(w, i, lane, use, address, bytes);
  if (use != Use::store)
    found_error("uninitialised_read", w, i, lane,
                access_text(use, bytes, "global", address) +
                    " that were never written: " + memory.describe(address));
  if (use != Use::load) std::memset(shadow, kInitialised, bytes);
  return memory.data(address);
}

// Distinct values in the order in which they come, mostly ascending.
struct Distinct {
  std::array<std::uint64_t, kLanes> value{};
  std::uint32_t count = 0;
  bool add(std::uint64_t v) {
    if (count == 0 || v > value[count - 1]) {
      value[count++] = v;
      return true;
    }
    if (v == value[count - 1]) return false;
    const auto end = value.begin() + count;
    const auto at = std::lower_bound(value.begin(), end, v);
    if (*at == v) return false;
    std::move_backward(at, end, end + 1);
    *at = v;
    ++count;
    return true;
  }
};

void mark_sector(std::uint32_t& mark, std::uint32_t launch, std::uint64_t& count) {
  std::atomic_ref<std::uint32_t> shared(mark);
  if (shared.load(std::memory_order_relaxed) == launch) return;
  if (shared.exchange(launch, std::memory_order_relaxed) != launch) ++count;
}

void count_sectors(Warp& w, std::uint32_t lanes, Use use, std::uint32_t bytes, const Located& at) {
  Distinct sectors;
  Distinct addresses;
  for (const int lane : Lanes{lanes})
    if (addresses.add(at.address[lane])) sectors.add(at.address[lane] / kSectorBytes);
  const std::uint64_t minimum =
      (std::uint64_t{addresses.count} * bytes + kSectorBytes - 1) / kSectorBytes;
  Counters& c = w.block->counters;
  const DeviceMemory& memory = DeviceMemory::instance();
  const std::uint32_t launch = w.block->launch->number;
  const auto mark = [&](std::uint32_t n) -> SectorMark* {
    const std::uint64_t address = sectors.value[n] * kSectorBytes;
    return memory.in_arena(address) ? &memory.mark(address) : nullptr;
  };
  if (use != Use::store) {
    c.sectors_loaded += sectors.count;
    c.sectors_loaded_minimum += minimum;
    for (std::uint32_t n = 0; n < sectors.count; ++n)
      if (SectorMark* m = mark(n)) mark_sector(m->read_by, launch, c.distinct_sectors_read);
  }
  if (use != Use::load) {
    c.sectors_stored += sectors.count;
    c.sectors_stored_minimum += minimum;
    for (std::uint32_t n = 0; n < sectors.count; ++n)
      if (SectorMark* m = mark(n)) mark_sector(m->written_by, launch, c.distinct_sectors_written);
  }
}

// ---- Shared ----

// Whether an earlier access of `other` (thread + 1) can run at the same time as this lane's.
bool unordered(const Warp& w, int lane, std::uint16_t other, std::uint32_t epoch,
               std::uint32_t warp_epoch) {
  if (other == 0 || other == w.thread(lane) + 1 || epoch != w.block->epoch) return false;
  const bool same_warp = (other - 1U) / kLanes == w.index;
  return !(same_warp && warp_epoch < w.epoch);
}

bool unordered_readers(const Warp& w, int lane, const SharedMark& mark) {
  if (mark.reader_epoch != w.block->epoch || mark.reader == 0) return false;
  if (mark.readers == SharedMark::Readers::block) return true;
  const bool same_warp = (mark.reader - 1U) / kLanes == w.index;
  if (mark.readers == SharedMark::Readers::warp)
    return !same_warp || mark.reader_warp_epoch == w.epoch;
  return unordered(w, lane, mark.reader, mark.reader_epoch, mark.reader_warp_epoch);
}

void note_reader(const Warp& w, std::uint16_t me, SharedMark& mark) {
  using Readers = SharedMark::Readers;
  if (mark.reader_epoch != w.block->epoch || mark.reader == 0) {
    mark.readers = Readers::one;
  } else if (mark.reader != me && mark.readers != Readers::block) {
    const bool same_warp = (mark.reader - 1U) / kLanes == w.index;
    if (!same_warp)
      mark.readers = Readers::block;
    else
      mark.readers = mark.reader_warp_epoch == w.epoch ? Readers::warp : Readers::one;
  }
  mark.reader = me;
  mark.reader_epoch = w.block->epoch;
  mark.reader_warp_epoch = w.epoch;
}

void race(const Warp& w, const Instruction& i, int lane, Use use, std::uint64_t at,
          std::uint32_t other, const char* did) {
  found_error("shared_race", w, i, lane,
              verb(use) + " shared byte " + std::to_string(at) + ", which thread " +
                  std::to_string(other) + " of the block (linear index) " + did +
                  " with no barrier between");
}

// Returns false for a byte that was never written.
bool check_byte(const Warp& w, const Instruction& i, int lane, Use use, std::uint64_t at,
                SharedMark& mark) {
  const auto me = static_cast<std::uint16_t>(w.thread(lane) + 1);
  const bool initialised = mark.writer != 0;
  const bool both_atomic = use == Use::atomic && mark.atomic_writer;
  if (!both_atomic && unordered(w, lane, mark.writer, mark.writer_epoch, mark.writer_warp_epoch))
    race(w, i, lane, use, at, mark.writer - 1U, "wrote");
  if (use != Use::load && unordered_readers(w, lane, mark))
    race(w, i, lane, use, at, mark.reader - 1U, "read");
  if (use == Use::load) {
    note_reader(w, me, mark);
  } else {
    mark.writer = me;
    mark.writer_epoch = w.block->epoch;
    mark.writer_warp_epoch = w.epoch;
    mark.atomic_writer = use == Use::atomic;
  }
  return initialised;
}

// A pass serves 128 bytes: 32 lanes of 4 bytes, 16 of 8 or 8 of 16; each bank gives one word in it.
void count_wavefronts(Warp& w, std::uint32_t lanes, std::uint32_t bytes, const Located& at) {
  const std::uint32_t lanes_per_pass = bytes <= 4 ? kLanes : (bytes == 8 ? 16 : 8);
  Counters& c = w.block->counters;
  ++c.shared_accesses;
  for (std::uint32_t from = 0; from < kLanes; from += lanes_per_pass) {
    Distinct words;
    for (std::uint32_t lane = from; lane < from + lanes_per_pass; ++lane)
      if ((lanes >> lane & 1U) != 0)
        for (std::uint32_t n = 0; n < std::max(bytes, 4U); n += 4) {
          if (words.count == kLanes) break;  // a full pass: cannot be more than 32 words
          words.add((at.address[lane] + n) / 4);
        }
    if (words.count == 0) continue;
    std::array<std::uint32_t, kBanks> in_bank{};
    std::uint32_t most = 0;
    for (std::uint32_t n = 0; n < words.count; ++n)
      most = std::max(most, ++in_bank[words.value[n] % kBanks]);
    c.shared_wavefronts += most;
    ++c.shared_wavefronts_minimum;
  }
}

void locate_shared(Warp& w, const Instruction& i, std::uint32_t lanes, Use use, std::uint32_t bytes,
                   Located& at) {
  Block& block = *w.block;
  for (const int lane : Lanes{lanes}) {
    const std::uint64_t address = at.address[lane];
    if (!is_within(address, bytes, block.shared.size()))
      launch_failed("out_of_bounds", cudaErrorIllegalAddress, w, i, lane,
                    access_text(use, bytes, "shared", address) + ": the block has " +
                        std::to_string(block.shared.size()) + " bytes");
    check_alignment(w, i, lane, use, "shared", address, bytes);
    bool initialised = true;
    for (std::uint32_t n = 0; n < bytes; ++n)
      initialised &= check_byte(w, i, lane, use, address + n, block.marks[address + n]);
    if (!initialised && use != Use::store)
      found_error("uninitialised_read", w, i, lane,
                  access_text(use, bytes, "shared", address) + " that were never written");
    at.pointer[lane] = block.shared.data() + address;
  }
  count_wavefronts(w, lanes, bytes, at);
}

// ---- Local, parameters, generic ----

void locate_local(const Warp& w, const Instruction& i, std::uint32_t lanes, Use use,
                  std::uint32_t bytes, Located& at) {
  const std::uint64_t size = w.block->kernel->local_bytes;
  for (const int lane : Lanes{lanes}) {
    const std::uint64_t address = at.address[lane];
    if (!is_within(address, bytes, size))
      launch_failed("out_of_bounds", cudaErrorIllegalAddress, w, i, lane,
                    access_text(use, bytes, "local", address) + ": the thread has " +
                        std::to_string(size) + " bytes");
    check_alignment(w, i, lane, use, "local", address, bytes);
    at.pointer[lane] = w.block->local.data() + w.thread(lane) * size + address;
  }
}

void locate_parameters(const Warp& w, const Instruction& i, std::uint32_t lanes, Use use,
                       std::uint32_t bytes, Located& at) {
  const auto& parameters = w.block->launch->parameters;
  for (const int lane : Lanes{lanes}) {
    if (use != Use::load || !is_within(at.address[lane], bytes, parameters.size()))
      launch_failed("out_of_bounds", cudaErrorIllegalAddress, w, i, lane,
                    access_text(use, bytes, "parameter", at.address[lane]));
    at.pointer[lane] = const_cast<std::byte*>(parameters.data()) + at.address[lane];
  }
}

Space window_of(std::uint64_t address) {
  if (address - kSharedWindow < kWindowBytes) return Space::shared;
  if (address - kLocalWindow < kWindowBytes) return Space::local;
  if (address - kParamWindow < kWindowBytes) return Space::param;
  return Space::global;
}

void locate_generic(Warp& w, const Instruction& i, std::uint32_t lanes, Use use,
                    std::uint32_t bytes, Located& at) {
  for (const Space space : {Space::global, Space::shared, Space::local, Space::param}) {
    std::uint32_t mine = 0;
    for (const int lane : Lanes{lanes}) {
      if (window_of(at.address[lane]) == space) mine |= 1U << static_cast<unsigned>(lane);
    }
    if (mine == 0) continue;
    lanes &= ~mine;
    if (space != Space::global)
      for (const int lane : Lanes{mine}) at.address[lane] %= kWindowBytes;
    locate(w, i, mine, space, use, bytes, at);
  }
}

}  // namespace

void locate(Warp& w, const Instruction& i, std::uint32_t lanes, Space space, Use use,
            std::uint32_t bytes, Located& at) {
  switch (space) {
    case Space::global:
    case Space::constant:
      for (const int lane : Lanes{lanes}) {
        at.pointer[lane] = global_pointer(w, i, lane, use, at.address[lane], bytes);
      }
      if (space == Space::global) count_sectors(w, lanes, use, bytes, at);
      return;
    case Space::shared:
      return locate_shared(w, i, lanes, use, bytes, at);
    case Space::local:
      return locate_local(w, i, lanes, use, bytes, at);
    case Space::param:
      return locate_parameters(w, i, lanes, use, bytes, at);
    case Space::generic:
      return locate_generic(w, i, lanes, use, bytes, at);
  }
}

}  // namespace vgpu
