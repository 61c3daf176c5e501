// mov (with packing and unpacking of vectors), cvt between all scalar types, cvta.

#include <cmath>
#include <cstring>
#include <utility>

#include "ops/handlers.h"

namespace vgpu {
namespace {

// ---- mov ----

using Same = decltype([](auto a) { return a; });

void move_predicate(Warp& w, const Instruction& i, std::uint32_t lanes) {
  w.assign(i.d, w.predicate(i.a), lanes);
}

// {low, high, …} into one register, and back. Part: the type of an element.
template <class Packed, class Part>
void pack(Warp& w, const Instruction& i, std::uint32_t lanes) {
  constexpr unsigned count = sizeof(Packed) / sizeof(Part);
  each_lane(lanes, [&](int l) {
    Packed packed = 0;
    for (unsigned n = 0; n < count; ++n)
      packed |= static_cast<Packed>(static_cast<Packed>(w.reg<Part>(i.more[n])[l])
                                    << (8 * sizeof(Part) * n));
    w.reg<Packed>(i.d)[l] = packed;
  });
}
template <class Packed, class Part>
void unpack(Warp& w, const Instruction& i, std::uint32_t lanes) {
  constexpr unsigned count = sizeof(Packed) / sizeof(Part);
  each_lane(lanes, [&](int l) {
    const Packed packed = w.reg<Packed>(i.a)[l];
    for (unsigned n = 0; n < count; ++n)
      w.reg<Part>(i.more[n])[l] = static_cast<Part>(packed >> (8 * sizeof(Part) * n));
  });
}

Handler decode_pack(Decoding& d, Type type, bool packs) {
  const auto& parts = d.operand(packs ? 1 : 0).parts;
  if (parts.size() > 4 || parts.size() < 2) return nullptr;
  const std::size_t bytes = bytes_of(type) / parts.size();
  const Type element = sized(Type::b8, bytes);
  for (std::size_t n = 0; n < parts.size(); ++n)
    d.out.more[n] = packs ? d.source(parts[n], element) : d.destination(parts[n], element);
  if (packs)
    d.out.d = d.destination(0, type);
  else
    d.out.a = d.source(1, type);
  if (bytes_of(type) == 8 && bytes == 4)
    return packs ? pack<std::uint64_t, std::uint32_t> : unpack<std::uint64_t, std::uint32_t>;
  if (bytes_of(type) == 8 && bytes == 2)
    return packs ? pack<std::uint64_t, std::uint16_t> : unpack<std::uint64_t, std::uint16_t>;
  if (bytes_of(type) == 4 && bytes == 2)
    return packs ? pack<std::uint32_t, std::uint16_t> : unpack<std::uint32_t, std::uint16_t>;
  return nullptr;
}

Handler decode_mov(Decoding& d) {
  const Type type = d.type();
  if (d.operand(0).kind == Operand::Kind::vector) return decode_pack(d, type, false);
  if (d.operand(1).kind == Operand::Kind::vector) return decode_pack(d, type, true);
  d.plain(type);
  if (type == Type::pred) return move_predicate;
  return by_bits(sized(Type::b8, bytes_of(type)),
                 []<class T>() -> Handler { return unary<T, Same>; });
}

// ---- cvt ----

enum class Round : std::uint8_t { nearest, zero, down, up };

// What a source register holds, read as its type; registers may be wider than the type.
template <class T>
T read(const std::byte* lane) {
  T value{};
  std::memcpy(&value, lane, sizeof value);
  return value;
}

template <class T>
constexpr bool is_16 = std::is_same_v<T, Half> || std::is_same_v<T, Bfloat>;

double rounded_to_integer(double value, Round round) {
  switch (round) {
    case Round::zero:
      return std::trunc(value);
    case Round::down:
      return std::floor(value);
    case Round::up:
      return std::ceil(value);
    default: {
      const double below = std::floor(value);
      const double rest = value - below;
      if (rest != 0.5) return rest < 0.5 ? below : below + 1;
      return std::fmod(below, 2) == 0 ? below : below + 1;
    }
  }
}

// Out of range goes to the nearest end; NaN to 0, or for 64-bit results to the sign bit alone.
template <class To>
To to_integer(double value, Round round) {
  if (value != value) return sizeof(To) == 8 ? static_cast<To>(std::uint64_t{1} << 63U) : To{0};
  const double integral = rounded_to_integer(value, round);
  constexpr auto lowest = std::numeric_limits<To>::min();
  constexpr auto highest = std::numeric_limits<To>::max();
  if (integral <= static_cast<double>(lowest)) return lowest;
  if (integral >= static_cast<double>(highest)) return highest;
  return static_cast<To>(integral);
}

constexpr int kHostModes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};  // by Round

// float → 16 bits in a given direction: nearest first, then one step where that went the other way.
template <class To>
To narrowed(float value, Round round) {
  To result = from_float<To>(value);
  if (round == Round::nearest || value != value) return result;
  const float got = to_float(result);
  const bool too_high = got > value;
  const bool too_low = got < value;
  const bool want_lower = round == Round::down || (round == Round::zero && value > 0);
  const bool want_higher = round == Round::up || (round == Round::zero && value < 0);
  const int away = (result.bits & 0x8000U) != 0 ? 1 : -1;  // one step of the bits downwards
  if (too_high && want_lower) result.bits = static_cast<std::uint16_t>(result.bits + away);
  if (too_low && want_higher) result.bits = static_cast<std::uint16_t>(result.bits - away);
  return result;
}

template <class From>
auto widened(From value) {
  if constexpr (is_16<From>)
    return to_float(value);
  else
    return value;
}

template <class To, class From>
To converted(From from, Round round, bool to_integral, bool saturate, bool flush) {
  auto value = widened(from);
  using Value = decltype(value);
  if constexpr (std::is_same_v<Value, float>)
    if (flush) value = flushed(value);
  if constexpr (std::is_floating_point_v<Value> && std::is_integral_v<To>) {
    return to_integer<To>(value, round);
  } else if constexpr (std::is_integral_v<Value> && std::is_integral_v<To>) {
    if (saturate) {
      constexpr auto lowest = std::numeric_limits<To>::min();
      constexpr auto highest = std::numeric_limits<To>::max();
      if (std::cmp_less(value, lowest)) return lowest;
      if (std::cmp_greater(value, highest)) return highest;
    }
    return static_cast<To>(value);
  } else {  // to a float
    if constexpr (std::is_floating_point_v<Value>)
      if (to_integral)
        value = static_cast<Value>(std::copysign(rounded_to_integer(value, round), value));
    if constexpr (is_16<To>) {
      float narrow = 0;
      if constexpr (sizeof(Value) == 8 || (std::is_integral_v<Value> && sizeof(Value) > 2))
        narrow = round_to_odd(static_cast<double>(value));
      else
        narrow = static_cast<float>(value);
      if (saturate) narrow = saturated(narrow);
      return narrowed<To>(narrow, to_integral ? Round::nearest : round);
    } else {
      To result = static_cast<To>(value);  // under the host's rounding mode
      if constexpr (std::is_same_v<To, float>)
        if (flush) result = flushed(result);
      return saturate ? saturated(result) : result;
    }
  }
}

enum : std::uint8_t { kRound = 3, kToIntegral = 4, kSaturate = 8, kFlush = 16, kRelu = 32 };

// c: bytes of the source's register; offset: bytes of the destination's.
template <class To, class From>
void convert(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const auto round = static_cast<Round>(i.flags & kRound);
  const bool to_integral = (i.flags & kToIntegral) != 0;
  const bool saturate = (i.flags & kSaturate) != 0;
  const bool flush = (i.flags & kFlush) != 0;
  const std::byte* source = w.reg<std::byte>(i.a);
  std::byte* destination = w.reg<std::byte>(i.d);
  const bool host_rounds = round != Round::nearest && !to_integral && std::is_floating_point_v<To>;
  if (host_rounds) std::fesetround(kHostModes[i.flags & kRound]);
  for (const int l : Lanes{lanes}) {
    const To value = converted<To>(read<From>(source + static_cast<std::size_t>(l) * i.c), round,
                                   to_integral, saturate, flush);
    std::byte* d = destination + l * i.offset;
    if constexpr (std::is_integral_v<To>) {  // extended to the register
      const auto wide = static_cast<std::int64_t>(value);
      std::memcpy(d, &wide, static_cast<std::size_t>(i.offset));
    } else {
      std::memcpy(d, &value, sizeof value);
    }
  }
  if (host_rounds) std::fesetround(FE_TONEAREST);
}

template <class Make>
Handler by_number(Type type, Make make) {
  return by_type<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t,
                 std::int32_t, std::uint64_t, std::int64_t, Half, Bfloat, float, double>(type,
                                                                                         make);
}
Handler converter(Type to, Type from) {
  return by_number(to, [=]<class To>() {
    return by_number(from, []<class From>() -> Handler { return convert<To, From>; });
  });
}

// cvt.rn.f16x2.f32 d, a, b: a becomes the upper half.
template <class T>
void convert_pair(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const auto round = static_cast<Round>(i.flags & kRound);
  auto* d = w.reg<Pair<T>>(i.d);
  const auto* a = w.reg<float>(i.a);
  const auto* b = w.reg<float>(i.b);
  const bool relu = (i.flags & kRelu) != 0;
  each_lane(lanes, [=](int l) {
    const auto one = [=](float x) {
      return narrowed<T>(relu ? NanWins<Maximum>{}(x, 0.0F) : x, round);
    };
    d[l] = {one(b[l]), one(a[l])};
  });
}

Handler decode_cvt(Decoding& d) {
  constexpr std::string_view modes[] = {"rn",  "rz",  "rm",  "rp",    // in the order of Round
                                        "rni", "rzi", "rmi", "rpi"};  // kToIntegral
  static_assert(kToIntegral == 4);
  for (std::uint8_t n = 0; n < std::size(modes); ++n)
    if (d.take(modes[n])) d.out.flags = n;
  if (d.take("ftz")) d.out.flags |= kFlush;
  if (d.take("sat")) d.out.flags |= kSaturate;
  if (d.take("relu")) d.out.flags |= kRelu;
  const Type to = d.type();
  const Type from = d.type();
  if (to == Type::f16x2 || to == Type::bf16x2) {
    if (from != Type::f32 || (d.out.flags & ~(kRound | kRelu)) != 0) return nullptr;
    d.registers(to, {from, from});
    return to == Type::f16x2 ? convert_pair<Half> : convert_pair<Bfloat>;
  }
  if ((d.out.flags & kRelu) != 0) return nullptr;
  d.out.d = d.any_source(d.operand(0), to);
  d.out.a = d.any_source(d.operand(1), from);
  d.out.offset = static_cast<std::int64_t>(d.register_bytes(d.operand(0)));
  d.out.c = static_cast<std::uint32_t>(d.is_register(1) ? d.register_bytes(d.operand(1))
                                                        : bytes_of(from));
  if (static_cast<std::size_t>(d.out.offset) < bytes_of(to) || d.out.c < bytes_of(from))
    d.fail("a register smaller than its type");
  return converter(to, from);
}

// ---- cvta: between generic addresses and those of a state space ----

void add_window(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<std::uint64_t>(i.d);
  const auto* a = w.reg<std::uint64_t>(i.a);
  const auto window = static_cast<std::uint64_t>(i.offset);
  each_lane(lanes, [=](int l) { d[l] = a[l] + window; });
}

Handler decode_cvta(Decoding& d) {
  const bool to = d.take("to");
  std::uint64_t window = 0;
  if (d.take("shared"))
    window = kSharedWindow;
  else if (d.take("local"))
    window = kLocalWindow;
  else if (d.take("param"))
    window = kParamWindow;
  else if (!d.take("global") && !d.take("const"))
    return nullptr;
  const Type type = d.type();
  d.plain(type);
  d.out.offset = static_cast<std::int64_t>(to ? ~window + 1 : window);
  return bytes_of(type) == 8 ? add_window : nullptr;
}

constexpr OpcodeRow kOpcodes[] = {{"mov", decode_mov}, {"cvt", decode_cvt}, {"cvta", decode_cvta}};

}  // namespace

std::span<const OpcodeRow> convert_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
