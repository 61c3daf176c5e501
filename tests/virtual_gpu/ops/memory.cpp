// ld, st, atom, red, cp.async, prefetch.

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "machine/access.h"
#include "ops/handlers.h"

namespace vgpu {
namespace {

// Instruction fields here: a base register, flags bit 0 whether it has 32 bits, target the space, c
// the number of vector elements, more[] their registers; d a result of atom.
Space space_of(const Instruction& i) {
  return static_cast<Space>(i.target);
}

void addresses(const Warp& w, const Instruction& i, std::uint32_t lanes, Located& at) {
  const auto offset = static_cast<std::uint64_t>(i.offset);
  if ((i.flags & 1U) != 0) {
    const auto* base = w.reg<std::uint32_t>(i.a);
    each_lane(lanes, [&](int l) { at.address[l] = static_cast<std::uint32_t>(base[l] + offset); });
  } else {
    const auto* base = w.reg<std::uint64_t>(i.a);
    each_lane(lanes, [&](int l) { at.address[l] = base[l] + offset; });
  }
}

template <class Element, class Register>
void load(Warp& w, const Instruction& i, std::uint32_t lanes) {
  Located at{};
  addresses(w, i, lanes, at);
  locate(w, i, lanes, space_of(i), Use::load, sizeof(Element) * i.c, at);
  for (std::uint32_t n = 0; n < i.c; ++n) {
    auto* d = w.reg<Register>(i.more[n]);
    for (const int l : Lanes{lanes}) {
      Element value{};
      std::memcpy(&value, at.pointer[l] + n * sizeof value, sizeof value);
      d[l] = static_cast<Register>(value);
    }
  }
}

template <class Element, class Register>
void store(Warp& w, const Instruction& i, std::uint32_t lanes) {
  Located at{};
  addresses(w, i, lanes, at);
  locate(w, i, lanes, space_of(i), Use::store, sizeof(Element) * i.c, at);
  for (std::uint32_t n = 0; n < i.c; ++n) {
    const auto* a = w.reg<Register>(i.more[n]);
    for (const int l : Lanes{lanes}) {
      const auto value = static_cast<Element>(a[l]);
      std::memcpy(at.pointer[l] + n * sizeof value, &value, sizeof value);
    }
  }
}

template <class Make>
Handler by_any_integer(Type type, Make make) {
  return by_type<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t,
                 std::int32_t, std::uint64_t, std::int64_t>(type, make);
}
// A register may be wider than the type: it is then extended by the type's sign.
template <bool loads>
Handler mover(Type type, std::size_t register_bytes) {
  const Type first = is_signed(type) ? Type::s8 : Type::u8;
  return by_any_integer(sized(first, bytes_of(type)), [=]<class Element>() {
    return by_any_integer(sized(first, register_bytes), []<class Register>() -> Handler {
      if constexpr (sizeof(Register) < sizeof(Element))
        return nullptr;
      else if constexpr (std::is_signed_v<Register> != std::is_signed_v<Element>)
        return nullptr;
      else
        return loads ? load<Element, Register> : store<Element, Register>;
    });
  });
}

Space take_space(Decoding& d) {
  if (d.take("global")) return Space::global;
  if (d.take("shared") || d.take("shared::cta")) return Space::shared;
  if (d.take("local")) return Space::local;
  if (d.take("param") || d.take("param::entry") || d.take("param::func")) return Space::param;
  if (d.take("const")) return Space::constant;
  return Space::generic;
}

// Hints to the caches change nothing here; an access that other blocks may wait for keeps the
// blocks in order.
void take_hints(Decoding& d) {
  for (const char* hint : {"ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "weak"}) d.take(hint);
  d.take_starting("L1::");
  d.take_starting("L2::");
}
void take_ordering(Decoding& d) {
  bool ordered = false;
  for (const char* word : {"volatile", "relaxed", "acquire", "release", "acq_rel", "mmio"})
    ordered |= d.take(word);
  for (const char* word : {"cta", "cluster", "gpu", "sys"}) d.take(word);
  if (ordered) d.use_global_atomics();
}

template <bool loads>
Handler decode_move(Decoding& d) {
  take_ordering(d);
  const Space space = take_space(d);
  take_hints(d);
  std::uint32_t count = 1;
  if (d.take("v2"))
    count = 2;
  else if (d.take("v4"))
    count = 4;
  const Type type = d.type();
  d.out.target = static_cast<std::uint32_t>(d.address(d.operand(loads ? 1 : 0), space));
  d.out.c = count;
  const Operand& data = d.operand(loads ? 0 : 1);
  std::vector<Operand> parts =
      data.kind == Operand::Kind::vector ? data.parts : std::vector<Operand>{data};
  if (parts.size() != count || bytes_of(type) * count > 16) return nullptr;
  std::size_t register_bytes = bytes_of(type);
  for (const Operand& part : parts)
    if (part.kind == Operand::Kind::reg) register_bytes = d.register_bytes(part);
  const Type width = sized(Type::b8, register_bytes);
  for (std::uint32_t n = 0; n < count; ++n)
    d.out.more[n] = loads ? d.destination(parts[n], width) : d.source(parts[n], width);
  if (d.out.target == static_cast<std::uint32_t>(Space::param) && !loads) return nullptr;
  return mover<loads>(type, register_bytes);
}

// ---- Atomics ----

using Exchange = decltype([](auto, auto b) { return b; });
using Increment = decltype([]<class T>(T old, T b) { return old >= b ? T{0} : T{old + 1}; });
using Decrement = decltype([]<class T>(T old, T b) {
  return old == 0 || old > b ? b : T{old - 1};
});

// Lane after lane. b: the operand; d: the old value, 0 for red.
template <class T, class F>
void atomic(Warp& w, const Instruction& i, std::uint32_t lanes) {
  Located at{};
  addresses(w, i, lanes, at);
  locate(w, i, lanes, space_of(i), Use::atomic, sizeof(T), at);
  const T* b = w.reg<T>(i.b);
  for (const int l : Lanes{lanes}) {
    T old{};
    std::memcpy(&old, at.pointer[l], sizeof old);
    const T updated = F{}(old, b[l]);
    std::memcpy(at.pointer[l], &updated, sizeof updated);
    if (i.d != 0) w.reg<T>(i.d)[l] = old;
  }
}

template <class T>
void compare_and_swap(Warp& w, const Instruction& i, std::uint32_t lanes) {
  Located at{};
  addresses(w, i, lanes, at);
  locate(w, i, lanes, space_of(i), Use::atomic, sizeof(T), at);
  const T* expected = w.reg<T>(i.b);
  const T* desired = w.reg<T>(i.c);
  for (const int l : Lanes{lanes}) {
    T old{};
    std::memcpy(&old, at.pointer[l], sizeof old);
    if (old == expected[l]) std::memcpy(at.pointer[l], &desired[l], sizeof old);
    w.reg<T>(i.d)[l] = old;
  }
}

Handler atomic_add(Type type) {
  if (type == Type::f16x2 || type == Type::bf16x2)
    return by_type<Half2, Bfloat2>(
        type, []<class T>() -> Handler { return atomic<T, Both<Through<Add>>>; });
  return by_type<std::uint32_t, std::int32_t, std::uint64_t, float, double>(
      type, []<class T>() -> Handler { return atomic<T, Add>; });
}
template <class F>
Handler atomic_integer(Type type) {
  return by_type<std::uint32_t, std::int32_t, std::uint64_t, std::int64_t>(
      type, []<class T>() -> Handler { return atomic<T, F>; });
}
Handler atomic_swap(Type type) {
  return by_bits(type, []<class T>() -> Handler { return compare_and_swap<T>; });
}

struct AtomicOperation {
  std::string_view name;
  Handler (*of)(Type);
};
constexpr AtomicOperation kAtomics[] = {{"add", atomic_add},
                                        {"exch", atomic_integer<Exchange>},
                                        {"and", atomic_integer<And>},
                                        {"or", atomic_integer<Or>},
                                        {"xor", atomic_integer<Xor>},
                                        {"min", atomic_integer<Minimum>},
                                        {"max", atomic_integer<Maximum>},
                                        {"inc", atomic_integer<Increment>},
                                        {"dec", atomic_integer<Decrement>},
                                        {"cas", atomic_swap}};

Handler decode_atomic(Decoding& d) {
  const bool returns = d.base() == "atom";
  for (const char* word :
       {"relaxed", "acquire", "release", "acq_rel", "cta", "cluster", "gpu", "sys"})
    d.take(word);
  const Space space = take_space(d);
  d.take_starting("L2::");
  if (space != Space::shared) d.use_global_atomics();
  const auto* operation = std::find_if(std::begin(kAtomics), std::end(kAtomics),
                                       [&](const AtomicOperation& o) { return d.take(o.name); });
  if (operation == std::end(kAtomics)) return nullptr;
  d.take("noftz");
  const Type type = d.type();
  const std::size_t first = returns ? 1 : 0;
  d.out.target = static_cast<std::uint32_t>(d.address(d.operand(first), space));
  d.out.b = d.source(first + 1, type);
  if (operation->of == atomic_swap) d.out.c = d.source(first + 2, type);
  if (returns) d.out.d = d.destination(0, type);
  return operation->of(type);
}

// ---- cp.async: done when it is waited for, so that a missing wait shows ----

void copy_async(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const auto source_offset = static_cast<std::uint64_t>(static_cast<std::int32_t>(i.more[1]));
  for (const int l : Lanes{lanes}) {
    const std::uint64_t to =
        (i.flags & 1U) != 0 ? w.reg<std::uint32_t>(i.a)[l] : w.reg<std::uint64_t>(i.a)[l];
    const std::uint32_t read = i.b != 0 ? w.reg<std::uint32_t>(i.b)[l] : i.c;
    w.pending.push_back({w.reg<std::uint64_t>(i.more[0])[l] + source_offset,
                         static_cast<std::uint32_t>(to + static_cast<std::uint64_t>(i.offset)), i.c,
                         std::min(read, i.c), i.line, l});
  }
}

void finish_copy(Warp& w, const PendingCopy& copy) {
  Instruction at_issue;
  at_issue.line = copy.line;
  const std::uint32_t lane = 1U << static_cast<unsigned>(copy.lane);
  Located from{};
  Located to{};
  from.address[copy.lane] = copy.from;
  to.address[copy.lane] = copy.to;
  locate(w, at_issue, lane, Space::shared, Use::store, copy.bytes, to);
  std::memset(to.pointer[copy.lane], 0, copy.bytes);
  if (copy.read_bytes == 0) return;
  locate(w, at_issue, lane, Space::global, Use::load, copy.bytes, from);
  std::memcpy(to.pointer[copy.lane], from.pointer[copy.lane], copy.read_bytes);
}

void commit_group(Warp& w, const Instruction&, std::uint32_t) {
  w.committed_groups.push_back(w.pending.size());
  w.committed_copies.insert(w.committed_copies.end(), w.pending.begin(), w.pending.end());
  w.pending.clear();
}

// All but the last `target` groups; flags bit 1: also what was not committed.
void wait_group(Warp& w, const Instruction& i, std::uint32_t lanes) {
  if ((i.flags & 2U) != 0) commit_group(w, i, lanes);
  std::size_t done = 0;
  while (w.committed_groups.size() > i.target) {
    for (std::size_t n = 0; n < w.committed_groups.front(); ++n)
      finish_copy(w, w.committed_copies[done + n]);
    done += w.committed_groups.front();
    w.committed_groups.erase(w.committed_groups.begin());
  }
  w.committed_copies.erase(w.committed_copies.begin(),
                           w.committed_copies.begin() + static_cast<std::ptrdiff_t>(done));
}

Handler decode_cp(Decoding& d) {
  if (!d.take("async")) return nullptr;
  if (d.take("commit_group")) return commit_group;
  if (d.take("wait_all")) {
    d.out.flags = 2;
    return wait_group;
  }
  if (d.take("wait_group")) {
    d.out.target = static_cast<std::uint32_t>(d.operand(0).bits);
    return wait_group;
  }
  if (!d.take("ca") && !d.take("cg")) return nullptr;
  if (!d.take("shared") && !d.take("shared::cta")) return nullptr;
  if (!d.take("global")) return nullptr;
  d.take_starting("L2::");
  const Operand& from = d.operand(1);
  d.address(from, Space::global);
  d.out.more[0] = d.out.a;
  d.out.more[1] = static_cast<std::uint32_t>(d.out.offset);
  d.address(d.operand(0), Space::shared);
  d.out.c = static_cast<std::uint32_t>(d.operand(2).bits);
  if (d.operands() > 3) d.out.b = d.source(3, Type::u32);
  return copy_async;
}

Handler decode_prefetch(Decoding& d) {
  for (const char* word : {"global", "local", "L1", "L2"}) d.take(word);
  d.take_starting("L2::");
  return [](Warp&, const Instruction&, std::uint32_t) {};
}

constexpr OpcodeRow kOpcodes[] = {{"ld", decode_move<true>},    {"ldu", decode_move<true>},
                                  {"st", decode_move<false>},   {"atom", decode_atomic},
                                  {"red", decode_atomic},       {"cp", decode_cp},
                                  {"prefetch", decode_prefetch}};

}  // namespace

std::span<const OpcodeRow> memory_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
