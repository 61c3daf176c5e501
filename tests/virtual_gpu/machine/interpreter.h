#pragma once
// Runs decoded PTX. A warp's 32 lanes go in lock step; each lane has its own program counter, and
// of those that differ the lowest runs first, so that lanes meet again where the code does.
//
// Registers lie lane after lane: 32 values of 2, 4 or 8 bytes per register; a predicate is one word
// with a bit per lane. Constants and special registers are registers that were filled beforehand,
// so that a handler knows only one kind of operand: the byte offset of 32 values.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "report/failure.h"
#include "report/report.h"

namespace vgpu {

constexpr int kLanes = 32;
constexpr std::uint32_t kAllLanes = 0xFFFFFFFF;

struct Block;
struct Warp;
struct Instruction;
using Handler = void (*)(Warp&, const Instruction&, std::uint32_t lanes);

struct Instruction {
  Handler run = nullptr;
  std::uint32_t d = 0, a = 0, b = 0, c = 0;  // register offsets in bytes; 0: none
  std::uint32_t more[4] = {};                // further registers: vector elements, second results
  std::uint32_t guard = 0;                   // offset of the predicate; 0: always
  bool guard_negated = false;
  std::uint8_t flags = 0;    // the handler's own
  std::uint32_t target = 0;  // of a branch: index of an instruction
  std::int64_t offset = 0;   // of an address
  std::uint32_t line = 0;    // in the PTX text
};

// %tid.x, %laneid and the like.
struct SpecialRegister {
  std::string_view name;
  std::uint64_t (*value)(const Block& block, std::uint32_t thread);
  bool changes_with_block = false;
};
const SpecialRegister* find_special_register(std::string_view name);  // nullptr: none of this name

// A register that is filled before a block runs.
struct Preset {
  const SpecialRegister* special = nullptr;  // nullptr: the constant `value`
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;  // 2, 4, 8; 0 for a predicate
  std::uint64_t value = 0;
};

struct Kernel {
  std::string name;
  std::vector<Instruction> code;
  std::vector<Preset> presets;
  std::uint32_t register_bytes = 0;  // of a warp
  std::uint32_t shared_bytes = 0;    // static
  std::uint32_t dynamic_shared_at = 0;
  std::uint32_t local_bytes = 0;  // of a thread
  std::uint32_t parameter_bytes = 0;
  std::vector<std::uint32_t> parameter_offsets, parameter_sizes;
  std::vector<std::vector<std::uint32_t>> branch_tables;  // of brx.idx
  std::vector<std::vector<std::uint32_t>> operand_lists;  // of mma: more registers than fit above
  std::uint32_t max_threads = 1024;
  std::function<std::string(std::uint32_t ptx_line)> source_of;  // "file:line"; "": not known
  bool in_block_order = false;  // has global atomics: blocks run one after the other
};

// Generic addresses below the arena: where shared and local memory appear in them.
constexpr std::uint64_t kSharedWindow = 0x01000000;
constexpr std::uint64_t kLocalWindow = 0x02000000;
constexpr std::uint64_t kParamWindow = 0x03000000;
constexpr std::uint64_t kWindowBytes = 0x01000000;

// Who last touched a shared byte. Epochs order accesses: those with a barrier between
// them are no race.
struct SharedMark {
  std::uint16_t writer = 0;  // thread + 1; 0: none yet
  std::uint16_t reader = 0;
  std::uint32_t writer_epoch = 0, reader_epoch = 0;            // block barriers passed
  std::uint32_t writer_warp_epoch = 0, reader_warp_epoch = 0;  // warp barriers passed
  // Of the reader's epoch: one thread, several of one warp, several of different warps.
  enum class Readers : std::uint8_t { one, warp, block } readers = Readers::one;
  bool atomic_writer = false;
};

struct PendingCopy {  // cp.async that was not waited for yet
  std::uint64_t from;
  std::uint32_t to, bytes, read_bytes, line;
  int lane;
};

struct Launch {
  const Kernel* kernel = nullptr;
  Dim3 grid, block;
  std::uint32_t dynamic_shared = 0;
  std::vector<std::byte> parameters;
  std::uint32_t number = 0;  // for the sector marks
  std::string held_up;       // what a call of the host waits for until this ends; empty: nothing
};

struct Block {
  const Launch* launch = nullptr;
  const Kernel* kernel = nullptr;
  Dim3 index;
  std::vector<std::byte> shared;
  std::vector<SharedMark> marks;  // one per shared byte
  std::vector<std::byte> local;   // threads × local_bytes
  std::vector<Warp> warps;
  std::vector<std::byte> registers;  // of all warps
  std::uint32_t epoch = 1;
  std::uint64_t polled = 0, polls = 0;  // the host's address that is read, and how often in a row
  Counters counters;
};

struct Warp {
  std::byte* registers = nullptr;
  Block* block = nullptr;
  std::uint32_t index = 0;
  std::uint32_t pc = 0;         // of the lanes that run
  std::uint32_t lanes = 0;      // that run now, all at pc
  std::uint32_t live = 0;       // not exited
  std::uint32_t waiting = 0;    // at a block barrier
  std::uint32_t meet_at = ~0U;  // the lowest pc among live lanes that do not run now
  std::array<std::uint32_t, kLanes> lane_pc{};  // of lanes that do not run now
  std::array<std::uint16_t, kLanes> barrier_id{};
  std::array<std::uint32_t, kLanes> barrier_count{};  // 0: all threads
  std::uint32_t epoch = 0;                            // warp barriers passed
  std::vector<PendingCopy> pending, committed_copies;
  std::vector<std::size_t> committed_groups;  // sizes within committed_copies

  template <class T>
  T* reg(std::uint32_t offset) const {
    return reinterpret_cast<T*>(registers + offset);
  }
  std::uint32_t& predicate(std::uint32_t offset) const { return *reg<std::uint32_t>(offset); }
  void assign(std::uint32_t offset, std::uint32_t value, std::uint32_t mask) const {  // a predicate
    predicate(offset) = (predicate(offset) & ~mask) | (value & mask);
  }
  std::uint32_t thread(int lane) const { return index * kLanes + static_cast<std::uint32_t>(lane); }

  // Lets the lanes at the lowest program counter run; false if none can.
  bool choose_lanes();
  void park(std::uint32_t mask, std::uint32_t at);  // these lanes stop running, to go on at `at`
  void retire(std::uint32_t mask);
};

// The lanes of a mask, from the lowest: for (const int lane : Lanes{mask}).
struct Lanes {
  struct Iterator {
    std::uint32_t rest;
    int operator*() const { return std::countr_zero(rest); }
    void operator++() { rest &= rest - 1; }
    bool operator!=(const Iterator& other) const { return rest != other.rest; }
  };
  std::uint32_t mask;
  Iterator begin() const { return {mask}; }
  Iterator end() const { return {0}; }
};

// Calls f(lane) for each lane of the mask. The full mask is a plain loop that vectorises.
template <class F>
inline __attribute__((always_inline)) void each_lane(std::uint32_t mask, F&& f) {
  if (mask == kAllLanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < kLanes; ++lane) f(lane);
  } else {
    for (const int lane : Lanes{mask}) f(lane);
  }
}

// "kernel saxpy, block (3,0,0), thread (7,0,0), PTX line 41"
std::string place(const Warp& warp, const Instruction& instruction, int lane);
void found_error(const char* kind, const Warp& warp, const Instruction& instruction, int lane,
                 const std::string& what);
[[noreturn]] void launch_failed(const char* kind, cudaError_t error, const Warp& warp,
                                const Instruction& instruction, int lane, const std::string& what);

// Runs all blocks and returns the counters. Throws Failure.
Counters run_launch(const Launch& launch);

}  // namespace vgpu
