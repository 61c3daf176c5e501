// Bits: and, or, xor, not, shifts, lop3, prmt, bfe, bfi, popc, clz, brev; and predicates, which are
// one word with a bit per lane, so that their logic is that of words.

#include <algorithm>
#include <bit>

#include "ops/handlers.h"

namespace vgpu {
namespace {

using Not = decltype([](auto a) { return static_cast<decltype(a)>(~a); });

template <class F>
void predicate_binary(Warp& w, const Instruction& i, std::uint32_t lanes) {
  w.assign(i.d, F{}(w.predicate(i.a), w.predicate(i.b)), lanes);
}
void predicate_not(Warp& w, const Instruction& i, std::uint32_t lanes) {
  w.assign(i.d, ~w.predicate(i.a), lanes);
}

template <int sources, class F>
Handler on_bits(Type type) {
  return by_bits(type, []<class T>() -> Handler { return apply<sources, F, T, T>; });
}

template <class F>
Handler logic(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return type == Type::pred ? predicate_binary<F> : on_bits<2, F>(type);
}

Handler decode_not(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return type == Type::pred ? predicate_not : on_bits<1, Not>(type);
}

// Amounts beyond the width shift everything out.
using ShiftLeft = decltype([]<class T>(T a, std::uint32_t n) {
  return n >= 8 * sizeof(T) ? T{0} : static_cast<T>(a << n);
});
using ShiftRight = decltype([]<class T>(T a, std::uint32_t n) {
  const T sign = a < 0 ? static_cast<T>(-1) : T{0};
  return n >= 8 * sizeof(T) ? sign : static_cast<T>(a >> n);
});

Handler decode_shl(Decoding& d) {
  const Type type = d.type();
  d.registers(type, {type, Type::u32});
  return by_bits(type,
                 []<class T>() -> Handler { return apply<2, ShiftLeft, T, T, std::uint32_t>; });
}
Handler decode_shr(Decoding& d) {
  const Type type = d.type();
  d.registers(type, {type, Type::u32});
  return by_integer(type,
                    []<class T>() -> Handler { return apply<2, ShiftRight, T, T, std::uint32_t>; });
}

// shf: 64 bits {b, a} shifted, the upper (left) or lower (right) word kept.
template <bool left, bool wrap>
struct FunnelShift {
  std::uint32_t operator()(std::uint32_t a, std::uint32_t b, std::uint32_t c) const {
    const std::uint32_t n = wrap ? c & 31U : std::min(c, 32U);
    const std::uint64_t both = std::uint64_t{b} << 32U | a;
    return static_cast<std::uint32_t>(left ? (both << n) >> 32U : both >> n);
  }
};

Handler decode_shf(Decoding& d) {
  const bool left = d.take("l");
  if (!left && !d.take("r")) return nullptr;
  const bool wrap = d.take("wrap");
  if (!wrap && !d.take("clamp")) return nullptr;
  d.plain(d.type());
  using Word = std::uint32_t;
  if (left)
    return wrap ? ternary<Word, FunnelShift<true, true>> : ternary<Word, FunnelShift<true, false>>;
  return wrap ? ternary<Word, FunnelShift<false, true>> : ternary<Word, FunnelShift<false, false>>;
}

// flags: the truth table, a row for the bits of a, b, c from high to low.
void lop3(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<std::uint32_t>(i.d);
  const auto* a = w.reg<std::uint32_t>(i.a);
  const auto* b = w.reg<std::uint32_t>(i.b);
  const auto* c = w.reg<std::uint32_t>(i.c);
  const auto table = static_cast<unsigned>(i.flags);
  each_lane(lanes, [=](int l) {
    std::uint32_t result = 0;
    for (unsigned row = 0; row < 8; ++row)
      if ((table >> row & 1U) != 0)
        result |= ((row & 4U) != 0 ? a[l] : ~a[l]) & ((row & 2U) != 0 ? b[l] : ~b[l]) &
                  ((row & 1U) != 0 ? c[l] : ~c[l]);
    d[l] = result;
  });
}

Handler decode_lop3(Decoding& d) {
  const Type type = d.type();
  d.registers(type, {type, type, type});
  if (d.operand(4).kind != Operand::Kind::immediate) return nullptr;
  d.out.flags = static_cast<std::uint8_t>(d.operand(4).bits);
  return type == Type::b32 ? lop3 : nullptr;
}

// Each nibble of c names a byte of {b, a}; its upper bit spreads that byte's sign instead.
using Permute = decltype([](std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const std::uint64_t bytes = std::uint64_t{b} << 32U | a;
  std::uint32_t result = 0;
  for (unsigned n = 0; n < 4; ++n) {
    const std::uint32_t selector = c >> (4 * n) & 15U;
    std::uint32_t byte = bytes >> (8 * (selector & 7U)) & 0xFFU;
    if ((selector & 8U) != 0) byte = (byte & 0x80U) != 0 ? 0xFFU : 0;
    result |= byte << (8 * n);
  }
  return result;
});

Handler decode_prmt(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return type == Type::b32 && d.operands() == 4 ? ternary<std::uint32_t, Permute> : nullptr;
}

// bfe: `length` bits of a from `start`, sign or zero extended.
using Extract = decltype([]<class T>(T a, std::uint32_t b, std::uint32_t c) {
  constexpr std::uint32_t width = 8 * sizeof(T);
  const std::uint32_t length = c & 0xFFU;
  if (length == 0) return T{0};
  const T value = ShiftRight{}(a, b & 0xFFU);  // brings the sign in itself
  if (length >= width) return value;
  const std::uint32_t unused = width - length;
  return static_cast<T>(static_cast<T>(static_cast<std::make_unsigned_t<T>>(value) << unused) >>
                        unused);
});

Handler decode_bfe(Decoding& d) {
  const Type type = d.type();
  d.registers(type, {type, Type::u32, Type::u32});
  return by_type<std::uint32_t, std::int32_t, std::uint64_t, std::int64_t>(
      type,
      []<class T>() -> Handler { return apply<3, Extract, T, T, std::uint32_t, std::uint32_t>; });
}

// bfi: the low bits of a put into b.
template <class T>
void insert(Warp& w, const Instruction& i, std::uint32_t lanes) {
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  const auto* start = w.reg<std::uint32_t>(i.c);
  const auto* length = w.reg<std::uint32_t>(i.more[0]);
  each_lane(lanes, [=](int l) {
    const std::uint32_t from = start[l] & 0xFFU;
    const T above = ShiftLeft{}(static_cast<T>(~T{0}), length[l] & 0xFFU);
    const T mask = ShiftLeft{}(static_cast<T>(~above), from);
    d[l] = (b[l] & ~mask) | (ShiftLeft{}(a[l], from) & mask);
  });
}

Handler decode_bfi(Decoding& d) {
  const Type type = d.type();
  d.registers(type, {type, type, Type::u32, Type::u32});
  return by_type<std::uint32_t, std::uint64_t>(type,
                                               []<class T>() -> Handler { return insert<T>; });
}

using PopulationCount = decltype([](auto a) {
  return static_cast<std::uint32_t>(std::popcount(a));
});
using LeadingZeros = decltype([](auto a) {
  return static_cast<std::uint32_t>(std::countl_zero(a));
});
using Reverse = decltype([]<class T>(T a) {
  T result = 0;
  for (unsigned n = 0; n < 8 * sizeof(T); ++n) result = (result << 1U) | (a >> n & 1U);
  return result;
});

template <class F>
Handler decode_count(Decoding& d) {
  const Type type = d.type();
  d.registers(Type::u32, {type});
  return by_type<std::uint32_t, std::uint64_t>(
      type, []<class T>() -> Handler { return apply<1, F, std::uint32_t, T>; });
}
Handler decode_brev(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return by_type<std::uint32_t, std::uint64_t>(
      type, []<class T>() -> Handler { return unary<T, Reverse>; });
}

constexpr OpcodeRow kOpcodes[] = {{"and", logic<And>},
                                  {"or", logic<Or>},
                                  {"xor", logic<Xor>},
                                  {"not", decode_not},
                                  {"shl", decode_shl},
                                  {"shr", decode_shr},
                                  {"shf", decode_shf},
                                  {"lop3", decode_lop3},
                                  {"prmt", decode_prmt},
                                  {"bfe", decode_bfe},
                                  {"bfi", decode_bfi},
                                  {"popc", decode_count<PopulationCount>},
                                  {"clz", decode_count<LeadingZeros>},
                                  {"brev", decode_brev}};

}  // namespace

std::span<const OpcodeRow> bit_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
