// Branches, the end of threads, barriers, and what lanes tell each other: shfl, vote, redux, match.

#include <algorithm>

#include "ops/handlers.h"

namespace vgpu {
namespace {

void branch(Warp& w, const Instruction& i, std::uint32_t lanes) {
  if (lanes == w.lanes) {
    w.pc = i.target;
    return;
  }
  w.park(w.lanes & ~lanes, w.pc);
  w.park(lanes, i.target);
}

void branch_indexed(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const auto& table = w.block->kernel->branch_tables[i.target];
  const auto* index = w.reg<std::uint32_t>(i.a);
  w.park(w.lanes & ~lanes, w.pc);
  for (const int l : Lanes{lanes}) {
    if (index[l] >= table.size())
      launch_failed(
          "bad_branch", cudaErrorLaunchFailure, w, i, l,
          "brx.idx with index " + std::to_string(index[l]) + " of " + std::to_string(table.size()));
    w.park(1U << static_cast<unsigned>(l), table[index[l]]);
  }
}

void retire(Warp& w, const Instruction&, std::uint32_t lanes) {
  w.retire(lanes);
}

void trap(Warp& w, const Instruction& i, std::uint32_t lanes) {
  launch_failed("trap", cudaErrorLaunchFailure, w, i, std::countr_zero(lanes),
                "the kernel trapped");
}

void nothing(Warp&, const Instruction&, std::uint32_t) {}

Handler decode_bra(Decoding& d) {
  d.take("uni");
  d.branch_to(d.operand(0).symbol);
  return branch;
}
Handler decode_brx(Decoding& d) {
  if (!d.take("idx")) return nullptr;
  d.take("uni");
  d.out.a = d.source(0, Type::u32);
  d.out.target = d.branch_table(d.operand(1).symbol);
  return branch_indexed;
}
Handler decode_ret(Decoding& d) {
  d.take("uni");
  return retire;
}
Handler decode_exit(Decoding&) {
  return retire;
}
Handler decode_trap(Decoding&) {
  return trap;
}

// The lanes that a .sync instruction names must all be here.
void check_members(const Warp& w, const Instruction& i, std::uint32_t lanes,
                   std::uint32_t members) {
  const std::uint32_t missing = members & w.live & ~lanes;
  if (missing != 0)
    found_error("missing_lane", w, i, std::countr_zero(lanes),
                "names lane " + std::to_string(std::countr_zero(missing)) +
                    " in its mask, which is not at this instruction");
}

// ---- Barriers ----

// offset: the barrier's number; target: the number of threads, 0 for all; flags: aligned.
void block_barrier(Warp& w, const Instruction& i, std::uint32_t lanes) {
  if (i.flags != 0 && lanes != (w.live & ~w.waiting)) {
    const std::uint32_t missing = w.live & ~w.waiting & ~lanes;
    found_error("divergent_barrier", w, i, std::countr_zero(lanes),
                "reaches the barrier without lane " + std::to_string(std::countr_zero(missing)) +
                    " of its warp");
  }
  for (const int l : Lanes{lanes}) {
    w.barrier_id[l] = static_cast<std::uint16_t>(i.offset);
    w.barrier_count[l] = i.target;
  }
  const std::uint32_t others = w.lanes & ~lanes;
  w.park(lanes, w.pc);
  w.waiting |= lanes;
  if (others != 0) w.park(others, w.pc);
}

void warp_barrier(Warp& w, const Instruction& i, std::uint32_t lanes) {
  check_members(w, i, lanes, w.reg<std::uint32_t>(i.a)[std::countr_zero(lanes)]);
  ++w.epoch;
}

Handler decode_barrier(Decoding& d) {
  if (d.take("warp")) {
    if (!d.take("sync")) return nullptr;
    d.out.a = d.source(0, Type::u32);
    return warp_barrier;
  }
  d.take("cta");
  if (!d.take("sync")) return nullptr;
  const bool aligned = d.base() == "bar" || d.take("aligned");
  for (std::size_t n = 0; n < d.operands(); ++n)
    if (d.operand(n).kind != Operand::Kind::immediate || d.operands() > 2) return nullptr;
  d.out.flags = aligned ? 1 : 0;
  d.out.offset = static_cast<std::int64_t>(d.operand(0).bits);
  if (d.out.offset > 15) return nullptr;
  if (d.operands() == 2) d.out.target = static_cast<std::uint32_t>(d.operand(1).bits);
  return block_barrier;
}

Handler decode_fence(Decoding& d) {
  for (const char* word : {"acq_rel", "sc", "cta", "cluster", "gpu", "sys", "gl"}) d.take(word);
  return nothing;
}
Handler decode_no_op(Decoding& d) {
  d.take_starting("");
  return nothing;
}

// ---- Between lanes ----

enum class Shuffle : std::uint8_t { up, down, butterfly, index };

// d|more[0] ← a of lane j, from b and the clamp and segment mask in c; more[1]: the members.
template <Shuffle mode>
void shuffle(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const auto* a = w.reg<std::uint32_t>(i.a);
  const auto* b = w.reg<std::uint32_t>(i.b);
  const auto* c = w.reg<std::uint32_t>(i.c);
  check_members(w, i, lanes, w.reg<std::uint32_t>(i.more[1])[std::countr_zero(lanes)]);
  std::array<std::uint32_t, kLanes> result{};
  std::uint32_t in_range = 0;
  for (const int l : Lanes{lanes}) {
    const int amount = static_cast<int>(b[l] & 31U);
    const int segment = static_cast<int>(c[l] >> 8U & 31U);
    const int clamp = static_cast<int>(c[l] & 31U);
    const int highest = (l & segment) | (clamp & ~segment);
    int from = 0;
    bool valid = false;
    switch (mode) {
      case Shuffle::up:
        from = l - amount;
        valid = from >= highest;
        break;
      case Shuffle::down:
        from = l + amount;
        valid = from <= highest;
        break;
      case Shuffle::butterfly:
        from = l ^ amount;
        valid = from <= highest;
        break;
      case Shuffle::index:
        from = (l & segment) | (amount & ~segment);
        valid = from <= highest;
        break;
    }
    if (!valid)
      from = l;
    else
      in_range |= 1U << static_cast<unsigned>(l);
    if ((lanes >> static_cast<unsigned>(from) & 1U) == 0)
      found_error("missing_lane", w, i, l,
                  "shuffles from lane " + std::to_string(from) + ", which does not take part");
    result[l] = a[from];
  }
  auto* d = w.reg<std::uint32_t>(i.d);
  for (const int l : Lanes{lanes}) d[l] = result[l];
  if (i.more[0] != 0) w.assign(i.more[0], in_range, lanes);
}

Handler decode_shfl(Decoding& d) {
  if (!d.take("sync")) return nullptr;
  Handler handler = nullptr;
  if (d.take("up"))
    handler = shuffle<Shuffle::up>;
  else if (d.take("down"))
    handler = shuffle<Shuffle::down>;
  else if (d.take("bfly"))
    handler = shuffle<Shuffle::butterfly>;
  else if (d.take("idx"))
    handler = shuffle<Shuffle::index>;
  else
    return nullptr;
  const Type type = d.type();
  d.destination_and_predicate(type);
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, Type::u32);
  d.out.c = d.source(3, Type::u32);
  d.out.more[1] = d.source(4, Type::u32);
  return type == Type::b32 ? handler : nullptr;
}

// flags: 0 all, 1 any, 2 uni, 3 ballot; bit 2: the predicate is negated.
void vote(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const std::uint32_t members = w.reg<std::uint32_t>(i.b)[std::countr_zero(lanes)];
  check_members(w, i, lanes, members);
  const std::uint32_t taking = lanes & members;
  const std::uint32_t p = ((i.flags & 4U) != 0 ? ~w.predicate(i.a) : w.predicate(i.a)) & taking;
  if ((i.flags & 3U) == 3) {
    auto* d = w.reg<std::uint32_t>(i.d);
    each_lane(lanes, [=](int l) { d[l] = p; });
    return;
  }
  const bool all = p == taking;
  const bool any = p != 0;
  const bool result = (i.flags & 3U) == 0 ? all : ((i.flags & 3U) == 1 ? any : all || !any);
  w.assign(i.d, result ? kAllLanes : 0, lanes);
}

Handler decode_vote(Decoding& d) {
  if (!d.take("sync")) return nullptr;
  constexpr std::string_view modes[] = {"all", "any", "uni", "ballot"};
  while (d.out.flags < std::size(modes) && !d.take(modes[d.out.flags])) ++d.out.flags;
  if (d.out.flags == std::size(modes)) return nullptr;
  const Type type = d.type();
  if ((d.out.flags == 3) != (type == Type::b32)) return nullptr;
  d.registers(type, {Type::pred, Type::u32});
  if (d.operand(1).negated) d.out.flags |= 4U;
  return vote;
}

void active_mask(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<std::uint32_t>(i.d);
  each_lane(lanes, [=](int l) { d[l] = lanes; });
}
Handler decode_active_mask(Decoding& d) {
  const Type type = d.type();
  d.out.d = d.destination(0, type);
  return active_mask;
}

template <class T, class F>
void reduce(Warp& w, const Instruction& i, std::uint32_t lanes) {
  check_members(w, i, lanes, w.reg<std::uint32_t>(i.b)[std::countr_zero(lanes)]);
  const T* a = w.reg<T>(i.a);
  T result = a[std::countr_zero(lanes)];
  for (const int l : Lanes{lanes & (lanes - 1)}) result = F{}(result, a[l]);
  T* d = w.reg<T>(i.d);
  each_lane(lanes, [=](int l) { d[l] = result; });
}

struct Reduction {
  std::string_view name;
  Handler of_unsigned, of_signed;
};
template <class F>
constexpr Reduction reduction(std::string_view name) {
  return {name, reduce<std::uint32_t, F>, reduce<std::int32_t, F>};
}
constexpr Reduction kReductions[] = {reduction<Add>("add"),     reduction<Minimum>("min"),
                                     reduction<Maximum>("max"), reduction<And>("and"),
                                     reduction<Or>("or"),       reduction<Xor>("xor")};

Handler decode_redux(Decoding& d) {
  if (!d.take("sync")) return nullptr;
  const auto* found = std::find_if(std::begin(kReductions), std::end(kReductions),
                                   [&](const Reduction& r) { return d.take(r.name); });
  if (found == std::end(kReductions)) return nullptr;
  const Type type = d.type();
  if (bytes_of(type) != 4 || is_float(type)) return nullptr;
  d.registers(type, {type, Type::u32});
  return is_signed(type) ? found->of_signed : found->of_unsigned;
}

constexpr OpcodeRow kOpcodes[] = {
    {"bra", decode_bra},         {"brx", decode_brx},         {"ret", decode_ret},
    {"exit", decode_exit},       {"trap", decode_trap},       {"bar", decode_barrier},
    {"barrier", decode_barrier}, {"membar", decode_fence},    {"fence", decode_fence},
    {"shfl", decode_shfl},       {"vote", decode_vote},       {"activemask", decode_active_mask},
    {"redux", decode_redux},     {"nanosleep", decode_no_op}, {"griddepcontrol", decode_no_op}};

}  // namespace

std::span<const OpcodeRow> control_opcodes() {
  return kOpcodes;
}

Handler branch_handler() {
  return branch;
}
Handler exit_handler() {
  return retire;
}

}  // namespace vgpu
