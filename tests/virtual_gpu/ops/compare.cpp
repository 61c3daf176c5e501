// setp, selp: all comparisons, ordered and unordered.

#include <utility>

#include "ops/handlers.h"

namespace vgpu {
namespace {

// By their names in PTX; kEqu and those after it are true where an operand is NaN, the others false.
enum Relation { kEq, kNe, kLt, kLe, kGt, kGe, kEqu, kNeu, kLtu, kLeu, kGtu, kGeu, kNan, kNum };
constexpr std::string_view kRelations[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                           "neu", "ltu", "leu", "gtu", "geu", "nan", "num"};
constexpr std::string_view kUnsignedNames[] = {"lo", "ls", "hi", "hs"};  // of kLt … kGe

template <Relation relation, class T>
bool holds(T a, T b) {
  const bool unordered = a != a || b != b;
  if (relation == kNum) return !unordered;
  if (relation == kNan) return unordered;
  if ((relation == kNe || relation >= kEqu) && unordered) return relation >= kEqu;
  switch (relation % kEqu) {
    case kEq:
      return a == b;
    case kNe:
      return a != b;
    case kLt:
      return a < b;
    case kLe:
      return a <= b;
    case kGt:
      return a > b;
    default:
      return a >= b;
  }
}

// The comparison as a word with a bit per lane.
template <Relation relation, class T, bool flush>
std::uint32_t compared(const Warp& w, const Instruction& i) {
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  std::uint32_t result = 0;
  for (int l = 0; l < kLanes; ++l) {
    bool bit = false;
    if constexpr (sizeof(T) == 2 && !std::is_integral_v<T>)
      bit = holds<relation>(to_float(a[l]), to_float(b[l]));
    else if constexpr (flush)
      bit = holds<relation>(flushed(a[l]), flushed(b[l]));
    else
      bit = holds<relation>(a[l], b[l]);
    result |= static_cast<std::uint32_t>(bit) << static_cast<unsigned>(l);
  }
  return result;
}

enum : std::uint8_t { kAnd = 1, kOr = 2, kXor = 3, kCombine = 3, kNegateC = 4 };

std::uint32_t combined(const Warp& w, const Instruction& i, std::uint32_t value) {
  if ((i.flags & kCombine) == 0) return value;
  const std::uint32_t c = (i.flags & kNegateC) != 0 ? ~w.predicate(i.c) : w.predicate(i.c);
  switch (i.flags & kCombine) {
    case kAnd:
      return value & c;
    case kOr:
      return value | c;
    default:
      return value ^ c;
  }
}

template <Relation relation, class T, bool flush>
void setp(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const std::uint32_t value = compared<relation, T, flush>(w, i);
  const std::uint32_t first = combined(w, i, value);
  const std::uint32_t second = combined(w, i, ~value);  // before d changes: d may be c
  w.assign(i.d, first, lanes);
  if (i.more[0] != 0) w.assign(i.more[0], second, lanes);
}

template <Relation relation>
Handler setp_of(Type type, bool flush) {
  if (flush) return type == Type::f32 ? setp<relation, float, true> : nullptr;
  return by_type<std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, std::uint64_t,
                 std::int64_t, Half, Bfloat, float, double>(
      type, []<class T>() -> Handler { return setp<relation, T, false>; });
}

template <std::size_t... n>
constexpr std::array<Handler (*)(Type, bool), sizeof...(n)> setp_by_relation(
    std::index_sequence<n...>) {
  return {setp_of<static_cast<Relation>(n)>...};
}

std::size_t take_relation(Decoding& d) {
  for (std::size_t n = 0; n < std::size(kRelations); ++n)
    if (d.take(kRelations[n])) return n;
  for (std::size_t n = 0; n < std::size(kUnsignedNames); ++n)
    if (d.take(kUnsignedNames[n])) return kLt + n;
  d.unknown();
}

void take_combination(Decoding& d) {
  d.out.flags = d.take("and") ? kAnd : d.take("or") ? kOr : d.take("xor") ? kXor : 0;
  if (d.out.flags == 0) return;
  d.out.c = d.source(3, Type::pred);
  if (d.operand(3).negated) d.out.flags |= kNegateC;
}

Handler decode_setp(Decoding& d) {
  static constexpr auto kSetp = setp_by_relation(std::make_index_sequence<std::size(kRelations)>{});
  const std::size_t relation = take_relation(d);
  take_combination(d);
  const bool flush = d.take("ftz");
  const Type type = d.type();
  d.destination_and_predicate(Type::pred);
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, type);
  return kSetp[relation](type, flush);
}

template <class T>
void select(Warp& w, const Instruction& i, std::uint32_t lanes) {
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  const std::uint32_t p = w.predicate(i.c);
  each_lane(lanes, [=](int l) { d[l] = (p >> static_cast<unsigned>(l) & 1U) != 0 ? a[l] : b[l]; });
}

Handler decode_selp(Decoding& d) {
  const Type type = d.type();
  d.registers(type, {type, type, Type::pred});
  return by_bits(sized(Type::b8, bytes_of(type)), []<class T>() -> Handler { return select<T>; });
}

constexpr OpcodeRow kOpcodes[] = {{"setp", decode_setp}, {"selp", decode_selp}};

}  // namespace

std::span<const OpcodeRow> compare_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
