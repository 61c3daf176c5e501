#include "machine/interpreter.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <thread>

#include "report/environment.h"

namespace vgpu {
namespace {

constexpr std::uint64_t kBlocksWorthThreads = 16;

Dim3 unravel(std::uint64_t n, const Dim3& extent) {
  return {static_cast<std::uint32_t>(n % extent.x),
          static_cast<std::uint32_t>(n / extent.x % extent.y),
          static_cast<std::uint32_t>(n / extent.x / extent.y)};
}

std::uint32_t lane_bit(std::uint32_t thread) {
  return 1U << thread % kLanes;
}

using Thread = std::uint32_t;
using Value = std::uint64_t;
constexpr SpecialRegister kSpecialRegisters[] = {
    {"%tid.x", [](const Block& b, Thread t) -> Value { return t % b.launch->block.x; }},
    {"%tid.y", [](const Block& b, Thread t) -> Value { return unravel(t, b.launch->block).y; }},
    {"%tid.z", [](const Block& b, Thread t) -> Value { return unravel(t, b.launch->block).z; }},
    {"%ctaid.x", [](const Block& b, Thread) -> Value { return b.index.x; }, true},
    {"%ctaid.y", [](const Block& b, Thread) -> Value { return b.index.y; }, true},
    {"%ctaid.z", [](const Block& b, Thread) -> Value { return b.index.z; }, true},
    {"%ntid.x", [](const Block& b, Thread) -> Value { return b.launch->block.x; }},
    {"%ntid.y", [](const Block& b, Thread) -> Value { return b.launch->block.y; }},
    {"%ntid.z", [](const Block& b, Thread) -> Value { return b.launch->block.z; }},
    {"%nctaid.x", [](const Block& b, Thread) -> Value { return b.launch->grid.x; }},
    {"%nctaid.y", [](const Block& b, Thread) -> Value { return b.launch->grid.y; }},
    {"%nctaid.z", [](const Block& b, Thread) -> Value { return b.launch->grid.z; }},
    {"%laneid", [](const Block&, Thread t) -> Value { return t % kLanes; }},
    {"%warpid", [](const Block&, Thread t) -> Value { return t / kLanes; }},
    {"%nwarpid", [](const Block& b, Thread) -> Value { return b.warps.size(); }},
    {"%lanemask_eq", [](const Block&, Thread t) -> Value { return lane_bit(t); }},
    {"%lanemask_lt", [](const Block&, Thread t) -> Value { return lane_bit(t) - 1; }},
    {"%lanemask_le", [](const Block&, Thread t) -> Value { return 2 * lane_bit(t) - 1; }},
    {"%lanemask_gt", [](const Block&, Thread t) -> Value { return -2 * lane_bit(t); }},
    {"%lanemask_ge", [](const Block&, Thread t) -> Value { return -lane_bit(t); }},
    {"%dynamic_smem_size",
     [](const Block& b, Thread) -> Value { return b.launch->dynamic_shared; }}};

void fill(const Warp& warp, const Preset& preset) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::uint64_t value = preset.special == nullptr
                                    ? preset.value
                                    : preset.special->value(*warp.block, warp.thread(lane));
    if (preset.bytes == 0)
      warp.predicate(preset.offset) = value != 0 ? kAllLanes : 0;
    else
      std::memcpy(warp.reg<std::byte>(preset.offset) +
                      std::size_t{preset.bytes} * static_cast<std::size_t>(lane),
                  &value, preset.bytes);
  }
}

// Memory for one block at a time; used again for the next.
std::unique_ptr<Block> make_block(const Launch& launch) {
  auto block = std::make_unique<Block>();
  const Kernel& kernel = *launch.kernel;
  block->launch = &launch;
  block->kernel = &kernel;
  const std::uint64_t threads = launch.block.count();
  const std::uint64_t warps = (threads + kLanes - 1) / kLanes;
  const std::size_t shared = kernel.dynamic_shared_at + launch.dynamic_shared;
  block->shared.resize(shared);
  block->marks.resize(shared);
  block->local.resize(threads * kernel.local_bytes);
  block->registers.resize(warps * kernel.register_bytes + 64);
  auto base = reinterpret_cast<std::uintptr_t>(block->registers.data());
  base = (base + 63) / 64 * 64;
  block->warps.resize(warps);
  for (std::uint32_t w = 0; w < warps; ++w) {
    Warp& warp = block->warps[w];
    warp.block = block.get();
    warp.index = w;
    warp.registers = reinterpret_cast<std::byte*>(base + std::uint64_t{w} * kernel.register_bytes);
    for (const Preset& preset : kernel.presets) fill(warp, preset);
  }
  return block;
}

void start_block(Block& block, std::uint64_t number) {
  block.index = unravel(number, block.launch->grid);
  std::fill(block.marks.begin(), block.marks.end(), SharedMark{});
  std::memset(block.shared.data(), 0xFF, block.shared.size());
  block.epoch = 1;
  const std::uint64_t threads = block.launch->block.count();
  for (Warp& warp : block.warps) {
    const std::uint64_t rest = threads - std::uint64_t{warp.index} * kLanes;
    warp.live = rest >= kLanes ? kAllLanes : (1U << rest) - 1;
    warp.lanes = warp.live;
    warp.pc = 0;
    warp.waiting = 0;
    warp.meet_at = ~0U;
    warp.epoch = 0;
    warp.pending.clear();
    warp.committed_copies.clear();
    warp.committed_groups.clear();
    for (const Preset& preset : block.kernel->presets)
      if (preset.special != nullptr && preset.special->changes_with_block) fill(warp, preset);
  }
}

// Until all live lanes wait at a barrier or have exited.
void run_warp(Warp& warp) {
  const Instruction* code = warp.block->kernel->code.data();
  Counters& counters = warp.block->counters;
  const std::uint64_t limit = counters.warp_instructions + environment().max_instructions;
  while (warp.lanes != 0 || warp.choose_lanes()) {
    const Instruction& instruction = code[warp.pc++];
    std::uint32_t mask = warp.lanes;
    ++counters.warp_instructions;
    counters.thread_instructions += static_cast<std::uint64_t>(std::popcount(mask));
    if (instruction.guard != 0) {
      const std::uint32_t predicate = warp.predicate(instruction.guard);
      mask &= instruction.guard_negated ? ~predicate : predicate;
    }
    if (mask != 0) instruction.run(warp, instruction, mask);
    if (warp.pc >= warp.meet_at) warp.park(warp.lanes, warp.pc);
    if (counters.warp_instructions > limit)
      launch_failed("no_end", cudaErrorLaunchTimeout, warp, instruction,
                    std::countr_zero(mask | 1U << 31U),
                    "a warp ran VGPU_MAX_INSTRUCTIONS instructions without reaching a barrier");
  }
}

// Whether the lanes that wait at this barrier are all that it waits for.
bool barrier_is_complete(const Block& block, std::uint16_t id) {
  std::uint64_t waiting = 0;
  std::uint64_t live = 0;
  std::uint64_t count = 0;
  for (const Warp& warp : block.warps) {
    live += static_cast<std::uint64_t>(std::popcount(warp.live));
    for (const int lane : Lanes{warp.waiting}) {
      if (warp.barrier_id[lane] != id) continue;
      ++waiting;
      count = std::max<std::uint64_t>(count, warp.barrier_count[lane]);
    }
  }
  return waiting != 0 && waiting >= (count == 0 ? live : count);
}

// All waiting lanes should have come by the same barrier instruction.
void check_same_barrier(const Block& block, std::uint16_t id) {
  const Warp* first = nullptr;
  int first_lane = 0;
  for (const Warp& warp : block.warps)
    for (const int lane : Lanes{warp.waiting}) {
      if (warp.barrier_id[lane] != id) continue;
      if (first == nullptr) {
        first = &warp;
        first_lane = lane;
      } else if (warp.lane_pc[lane] != first->lane_pc[first_lane]) {
        const Instruction& here = block.kernel->code[warp.lane_pc[lane] - 1];
        const Instruction& there = block.kernel->code[first->lane_pc[first_lane] - 1];
        found_error("divergent_barrier", warp, here, lane,
                    "waits here while other threads of the block wait at PTX line " +
                        std::to_string(there.line));
        return;
      }
    }
}

bool release_barriers(Block& block) {
  bool released = false;
  for (std::uint16_t id = 0; id < 16; ++id) {
    if (!barrier_is_complete(block, id)) continue;
    check_same_barrier(block, id);
    for (Warp& warp : block.warps)
      for (int lane = 0; lane < kLanes; ++lane)
        if (warp.barrier_id[lane] == id) warp.waiting &= ~(1U << lane);
    released = true;
  }
  if (released) ++block.epoch;
  return released;
}

void run_block(Block& block) {
  for (;;) {
    for (Warp& warp : block.warps) run_warp(warp);
    const bool any_live = std::any_of(block.warps.begin(), block.warps.end(),
                                      [](const Warp& w) { return w.live != 0; });
    if (!any_live) return;
    if (release_barriers(block)) continue;
    for (const Warp& warp : block.warps)
      if (warp.waiting != 0) {
        const int lane = std::countr_zero(warp.waiting);
        launch_failed("divergent_barrier", cudaErrorLaunchTimeout, warp,
                      block.kernel->code[warp.lane_pc[lane] - 1], lane,
                      "waits at a barrier that the other threads never reach");
      }
  }
}

class Workers {
 public:
  explicit Workers(const Launch& launch) : launch_(launch) {}

  Counters run() {
    const std::uint64_t blocks = launch_.grid.count();
    const int threads = launch_.kernel->in_block_order || blocks < kBlocksWorthThreads
                            ? 1
                            : std::max(1, environment().threads);
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back([this] { work(); });
    work();
    for (std::thread& t : others) t.join();
    if (failure_) std::rethrow_exception(failure_);
    return counters_;
  }

 private:
  void work() {
    try {
      const std::unique_ptr<Block> block = make_block(launch_);
      const std::uint64_t blocks = launch_.grid.count();
      for (std::uint64_t n = next_++; n < blocks && !failed_; n = next_++) {
        start_block(*block, n);
        run_block(*block);
      }
      const std::scoped_lock lock(mutex_);
      add(counters_, block->counters);
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      failed_ = true;
      if (!failure_) failure_ = std::current_exception();
    }
  }

  const Launch& launch_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr failure_;
  Counters counters_;
};

}  // namespace

const SpecialRegister* find_special_register(std::string_view name) {
  const auto* found = std::find_if(std::begin(kSpecialRegisters), std::end(kSpecialRegisters),
                                   [&](const SpecialRegister& r) { return r.name == name; });
  return found == std::end(kSpecialRegisters) ? nullptr : found;
}

bool Warp::choose_lanes() {
  const std::uint32_t ready = live & ~waiting;
  if (ready == 0) return false;
  std::uint32_t lowest = ~0U;
  for (const int lane : Lanes{ready}) lowest = std::min(lowest, lane_pc[lane]);
  lanes = 0;
  meet_at = ~0U;
  for (const int lane : Lanes{ready}) {
    if (lane_pc[lane] == lowest)
      lanes |= 1U << lane;
    else
      meet_at = std::min(meet_at, lane_pc[lane]);
  }
  pc = lowest;
  return true;
}

void Warp::park(std::uint32_t mask, std::uint32_t at) {
  for (const int lane : Lanes{mask}) lane_pc[lane] = at;
  lanes &= ~mask;
}

void Warp::retire(std::uint32_t mask) {
  live &= ~mask;
  lanes &= ~mask;
}

std::string place(const Warp& warp, const Instruction& instruction, int lane) {
  const Dim3& b = warp.block->index;
  const Dim3 t = unravel(warp.thread(lane), warp.block->launch->block);
  const auto triple = [](const Dim3& d) {
    return "(" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")";
  };
  const Kernel& kernel = *warp.block->kernel;
  const std::string source = kernel.source_of(instruction.line);
  return "kernel " + readable(kernel.name) + ", block " + triple(b) + ", thread " + triple(t) +
         ", PTX line " + std::to_string(instruction.line) +
         (source.empty() ? "" : " (" + source + ")");
}

void found_error(const char* kind, const Warp& warp, const Instruction& instruction, int lane,
                 const std::string& what) {
  Report::instance().error(kind, warp.block->kernel->name, instruction.line,
                           place(warp, instruction, lane) + ": " + what);
}

void launch_failed(const char* kind, cudaError_t error, const Warp& warp,
                   const Instruction& instruction, int lane, const std::string& what) {
  found_error(kind, warp, instruction, lane, what);
  throw Failure(error, what);
}

Counters run_launch(const Launch& launch) {
  return Workers(launch).run();
}

}  // namespace vgpu
