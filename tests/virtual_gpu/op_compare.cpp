// setp, set, selp, testp: all comparisons, ordered and unordered.

#include <cmath>

#include "arithmetic.h"
#include "decoder.h"

namespace vgpu {
namespace {

// An ordered comparison is false where an operand is NaN (ne is then false too), an unordered one
// true.
enum class Relation : std::uint8_t {
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  equ,
  neu,
  ltu,
  leu,
  gtu,
  geu,
  num,
  nan
};

struct RelationName {
  std::string_view name;
  Relation relation;
};
constexpr RelationName kRelations[] = {
    {"eq", Relation::eq},   {"ne", Relation::ne},   {"lt", Relation::lt},   {"le", Relation::le},
    {"gt", Relation::gt},   {"ge", Relation::ge},   {"lo", Relation::lt},   {"ls", Relation::le},
    {"hi", Relation::gt},   {"hs", Relation::ge},   {"equ", Relation::equ}, {"neu", Relation::neu},
    {"ltu", Relation::ltu}, {"leu", Relation::leu}, {"gtu", Relation::gtu}, {"geu", Relation::geu},
    {"num", Relation::num}, {"nan", Relation::nan}};

template <Relation relation, class T>
bool holds(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool unordered = a != a || b != b;
    if constexpr (relation == Relation::num) return !unordered;
    if constexpr (relation == Relation::nan) return unordered;
    if constexpr (relation == Relation::ne) return !unordered && a != b;
    if constexpr (relation >= Relation::equ)
      if (unordered) return true;
  }
  switch (relation) {
    case Relation::eq:
    case Relation::equ:
      return a == b;
    case Relation::ne:
    case Relation::neu:
      return a != b;
    case Relation::lt:
    case Relation::ltu:
      return a < b;
    case Relation::le:
    case Relation::leu:
      return a <= b;
    case Relation::gt:
    case Relation::gtu:
      return a > b;
    case Relation::ge:
    case Relation::geu:
      return a >= b;
    default:
      return false;
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

void assign(Warp& w, std::uint32_t offset, std::uint32_t value, std::uint32_t lanes) {
  w.predicate(offset) = (w.predicate(offset) & ~lanes) | (value & lanes);
}

enum : std::uint8_t { kAnd = 1, kOr = 2, kXor = 3, kCombine = 3, kNegateC = 4, kFloatResult = 8 };

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
  assign(w, i.d, first, lanes);
  if (i.more[0] != 0) assign(w, i.more[0], second, lanes);
}

// set: all ones or 1.0 in a register in place of a predicate.
template <Relation relation, class T, bool flush>
void set(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const std::uint32_t value = combined(w, i, compared<relation, T, flush>(w, i));
  const std::uint32_t truth = (i.flags & kFloatResult) != 0 ? 0x3F800000U : kAllLanes;
  auto* d = w.reg<std::uint32_t>(i.d);
  each_lane(lanes,
            [=](int l) { d[l] = (value >> static_cast<unsigned>(l) & 1U) != 0 ? truth : 0; });
}

// set.f16x2.f16x2 and the like: each half on its own; 1.0 in the result's format.
template <Relation relation, class T>
void set_pair(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<Pair<T>>(i.d);
  const auto* a = w.reg<Pair<T>>(i.a);
  const auto* b = w.reg<Pair<T>>(i.b);
  each_lane(lanes, [=](int l) {
    const auto one = [](T x, T y) {
      return from_float<T>(holds<relation>(to_float(x), to_float(y)) ? 1.0F : 0.0F);
    };
    d[l] = {one(a[l].low, b[l].low), one(a[l].high, b[l].high)};
  });
}

template <Relation relation>
Handler setp_of(Type type, bool flush) {
  switch (type) {
    case Type::b16:
    case Type::u16:
      return setp<relation, std::uint16_t, false>;
    case Type::s16:
      return setp<relation, std::int16_t, false>;
    case Type::b32:
    case Type::u32:
      return setp<relation, std::uint32_t, false>;
    case Type::s32:
      return setp<relation, std::int32_t, false>;
    case Type::b64:
    case Type::u64:
      return setp<relation, std::uint64_t, false>;
    case Type::s64:
      return setp<relation, std::int64_t, false>;
    case Type::f16:
      return setp<relation, Half, false>;
    case Type::bf16:
      return setp<relation, Bfloat, false>;
    case Type::f32:
      return flush ? setp<relation, float, true> : setp<relation, float, false>;
    case Type::f64:
      return setp<relation, double, false>;
    default:
      return nullptr;
  }
}

template <Relation relation>
Handler set_of(Type type, bool flush) {
  switch (type) {
    case Type::u32:
      return set<relation, std::uint32_t, false>;
    case Type::s32:
      return set<relation, std::int32_t, false>;
    case Type::f32:
      return flush ? set<relation, float, true> : set<relation, float, false>;
    case Type::f16x2:
      return set_pair<relation, Half>;
    case Type::bf16x2:
      return set_pair<relation, Bfloat>;
    default:
      return nullptr;
  }
}

Handler pick(Relation relation, Type type, bool flush, bool into_predicate) {
  const auto of = [&]<Relation r>() {
    return into_predicate ? setp_of<r>(type, flush) : set_of<r>(type, flush);
  };
  switch (relation) {
    case Relation::eq:
      return of.operator()<Relation::eq>();
    case Relation::ne:
      return of.operator()<Relation::ne>();
    case Relation::lt:
      return of.operator()<Relation::lt>();
    case Relation::le:
      return of.operator()<Relation::le>();
    case Relation::gt:
      return of.operator()<Relation::gt>();
    case Relation::ge:
      return of.operator()<Relation::ge>();
    case Relation::equ:
      return of.operator()<Relation::equ>();
    case Relation::neu:
      return of.operator()<Relation::neu>();
    case Relation::ltu:
      return of.operator()<Relation::ltu>();
    case Relation::leu:
      return of.operator()<Relation::leu>();
    case Relation::gtu:
      return of.operator()<Relation::gtu>();
    case Relation::geu:
      return of.operator()<Relation::geu>();
    case Relation::num:
      return of.operator()<Relation::num>();
    case Relation::nan:
      return of.operator()<Relation::nan>();
  }
  return nullptr;
}

Relation take_relation(Decoding& d) {
  for (const RelationName& row : kRelations)
    if (d.take(row.name)) return row.relation;
  d.unknown();
}

void take_combination(Decoding& d) {
  if (d.take("and"))
    d.out.flags = kAnd;
  else if (d.take("or"))
    d.out.flags = kOr;
  else if (d.take("xor"))
    d.out.flags = kXor;
  if ((d.out.flags & kCombine) == 0) return;
  d.out.c = d.source(3, Type::pred);
  if (d.operand(3).negated) d.out.flags |= kNegateC;
}

Handler decode_setp(Decoding& d) {
  const Relation relation = take_relation(d);
  take_combination(d);
  const bool flush = d.take("ftz");
  const Type type = d.type();
  if (d.operand(0).kind == Operand::Kind::vector) {
    d.out.d = d.destination(d.operand(0).parts[0], Type::pred);
    d.out.more[0] = d.destination(d.operand(0).parts[1], Type::pred);
  } else {
    d.out.d = d.destination(0, Type::pred);
  }
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, type);
  return pick(relation, type, flush, true);
}

Handler decode_set(Decoding& d) {
  const Relation relation = take_relation(d);
  take_combination(d);
  const bool flush = d.take("ftz");
  const Type result = d.type();
  const Type type = d.type();
  if (result == Type::f32) d.out.flags |= kFloatResult;
  const bool pair = type == Type::f16x2 || type == Type::bf16x2;
  if (pair ? result != type || d.out.flags != 0 : bytes_of(result) != 4) return nullptr;
  d.out.d = d.destination(0, result);
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, type);
  return pick(relation, type, flush, false);
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
  d.out.d = d.destination(0, type);
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, type);
  d.out.c = d.source(3, Type::pred);
  switch (bytes_of(type)) {
    case 2:
      return select<std::uint16_t>;
    case 4:
      return select<std::uint32_t>;
    case 8:
      return select<std::uint64_t>;
    default:
      return nullptr;
  }
}

template <class T>
bool test(std::uint8_t what, T value) {
  switch (what) {
    case 0:
      return std::isfinite(value);
    case 1:
      return std::isinf(value);
    case 2:
      return value == value;
    case 3:
      return value != value;
    case 4:
      return std::isnormal(value);
    default:
      return std::fpclassify(value) == FP_SUBNORMAL;
  }
}
template <class T>
void testp(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const T* a = w.reg<T>(i.a);
  std::uint32_t result = 0;
  for (int l = 0; l < kLanes; ++l)
    result |= static_cast<std::uint32_t>(test(i.flags, a[l])) << static_cast<unsigned>(l);
  assign(w, i.d, result, lanes);
}

Handler decode_testp(Decoding& d) {
  constexpr std::string_view names[] = {"finite",     "infinite", "number",
                                        "notanumber", "normal",   "subnormal"};
  std::uint8_t what = 0;
  while (what < std::size(names) && !d.take(names[what])) ++what;
  if (what == std::size(names)) return nullptr;
  const Type type = d.type();
  d.out.flags = what;
  d.out.d = d.destination(0, Type::pred);
  d.out.a = d.source(1, type);
  return type == Type::f32 ? testp<float> : (type == Type::f64 ? testp<double> : nullptr);
}

constexpr OpcodeRow kOpcodes[] = {
    {"setp", decode_setp}, {"set", decode_set}, {"selp", decode_selp}, {"testp", decode_testp}};

}  // namespace

std::span<const OpcodeRow> compare_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
