// Bits: and, or, xor, not, shifts, lop3, prmt, bfe, bfi, popc, clz, brev; and predicates, which are
// one word with a bit per lane, so that their logic is that of words.

#include <bit>

#include "decoder.h"
#include "handlers.h"

namespace vgpu {
namespace {

struct And {
  template <class T>
  T operator()(T a, T b) const {
    return a & b;
  }
};
struct Or {
  template <class T>
  T operator()(T a, T b) const {
    return a | b;
  }
};
struct Xor {
  template <class T>
  T operator()(T a, T b) const {
    return a ^ b;
  }
};
struct Not {
  template <class T>
  T operator()(T a) const {
    return static_cast<T>(~a);
  }
};
struct LogicalNot {
  template <class T>
  T operator()(T a) const {
    return a == 0 ? T{1} : T{0};
  }
};

template <class F>
void predicate_binary(Warp& w, const Instruction& i, std::uint32_t lanes) {
  const std::uint32_t value = F{}(w.predicate(i.a), w.predicate(i.b));
  w.predicate(i.d) = (w.predicate(i.d) & ~lanes) | (value & lanes);
}
void predicate_not(Warp& w, const Instruction& i, std::uint32_t lanes) {
  w.predicate(i.d) = (w.predicate(i.d) & ~lanes) | (~w.predicate(i.a) & lanes);
}

template <class F>
Handler logic(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  switch (type) {
    case Type::pred:
      return predicate_binary<F>;
    case Type::b16:
      return binary<std::uint16_t, F>;
    case Type::b32:
      return binary<std::uint32_t, F>;
    case Type::b64:
      return binary<std::uint64_t, F>;
    default:
      return nullptr;
  }
}

Handler decode_not(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  switch (type) {
    case Type::pred:
      return predicate_not;
    case Type::b16:
      return unary<std::uint16_t, Not>;
    case Type::b32:
      return unary<std::uint32_t, Not>;
    case Type::b64:
      return unary<std::uint64_t, Not>;
    default:
      return nullptr;
  }
}

Handler decode_cnot(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return type == Type::b32 ? unary<std::uint32_t, LogicalNot> : nullptr;
}

// Amounts beyond the width shift everything out.
template <class T>
void shift_left(Warp& w, const Instruction& i, std::uint32_t lanes) {
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const auto* n = w.reg<std::uint32_t>(i.b);
  each_lane(lanes,
            [=](int l) { d[l] = n[l] >= 8 * sizeof(T) ? T{0} : static_cast<T>(a[l] << n[l]); });
}
template <class T>
void shift_right(Warp& w, const Instruction& i, std::uint32_t lanes) {
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const auto* n = w.reg<std::uint32_t>(i.b);
  constexpr std::uint32_t last = 8 * sizeof(T) - 1;
  each_lane(lanes, [=](int l) {
    const T sign = a[l] < 0 ? static_cast<T>(-1) : T{0};
    d[l] = n[l] > last ? sign : static_cast<T>(a[l] >> n[l]);
  });
}

Handler decode_shift(Decoding& d) {
  const bool left = d.base() == "shl";
  const Type type = d.type();
  d.out.d = d.destination(0, type);
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, Type::u32);
  switch (type) {
    case Type::b16:
    case Type::u16:
      return left ? shift_left<std::uint16_t> : shift_right<std::uint16_t>;
    case Type::b32:
    case Type::u32:
      return left ? shift_left<std::uint32_t> : shift_right<std::uint32_t>;
    case Type::b64:
    case Type::u64:
      return left ? shift_left<std::uint64_t> : shift_right<std::uint64_t>;
    case Type::s16:
      return left ? nullptr : shift_right<std::int16_t>;
    case Type::s32:
      return left ? nullptr : shift_right<std::int32_t>;
    case Type::s64:
      return left ? nullptr : shift_right<std::int64_t>;
    default:
      return nullptr;
  }
}

// shf: 64 bits {b, a} shifted, the upper (left) or lower (right) word kept.
template <bool left, bool wrap>
void funnel_shift(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<std::uint32_t>(i.d);
  const auto* a = w.reg<std::uint32_t>(i.a);
  const auto* b = w.reg<std::uint32_t>(i.b);
  const auto* c = w.reg<std::uint32_t>(i.c);
  each_lane(lanes, [=](int l) {
    const std::uint32_t n = wrap ? c[l] & 31U : (c[l] < 32 ? c[l] : 32);
    const std::uint64_t both = std::uint64_t{b[l]} << 32U | a[l];
    d[l] = static_cast<std::uint32_t>(left ? (both << n) >> 32U : both >> n);
  });
}

Handler decode_shf(Decoding& d) {
  const bool left = d.take("l");
  if (!left && !d.take("r")) return nullptr;
  const bool wrap = d.take("wrap");
  if (!wrap && !d.take("clamp")) return nullptr;
  d.plain(d.type());
  if (left) return wrap ? funnel_shift<true, true> : funnel_shift<true, false>;
  return wrap ? funnel_shift<false, true> : funnel_shift<false, false>;
}

void lop3(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<std::uint32_t>(i.d);
  const auto* a = w.reg<std::uint32_t>(i.a);
  const auto* b = w.reg<std::uint32_t>(i.b);
  const auto* c = w.reg<std::uint32_t>(i.c);
  const auto table = static_cast<unsigned>(i.flags);
  each_lane(lanes, [=](int l) {
    std::uint32_t result = 0;
    for (unsigned row = 0; row < 8; ++row)  // row: the bits of a, b, c from high to low
      if ((table >> row & 1U) != 0)
        result |= ((row & 4U) != 0 ? a[l] : ~a[l]) & ((row & 2U) != 0 ? b[l] : ~b[l]) &
                  ((row & 1U) != 0 ? c[l] : ~c[l]);
    d[l] = result;
  });
}

Handler decode_lop3(Decoding& d) {
  const Type type = d.type();
  d.out.d = d.destination(0, type);
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, type);
  d.out.c = d.source(3, type);
  if (d.operand(4).kind != Operand::Kind::immediate) return nullptr;
  d.out.flags = static_cast<std::uint8_t>(d.operand(4).bits);
  return type == Type::b32 ? lop3 : nullptr;
}

// Each nibble of c names a byte of {b, a}; its upper bit spreads that byte's sign instead.
void prmt(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<std::uint32_t>(i.d);
  const auto* a = w.reg<std::uint32_t>(i.a);
  const auto* b = w.reg<std::uint32_t>(i.b);
  const auto* c = w.reg<std::uint32_t>(i.c);
  each_lane(lanes, [=](int l) {
    const std::uint64_t bytes = std::uint64_t{b[l]} << 32U | a[l];
    std::uint32_t result = 0;
    for (unsigned n = 0; n < 4; ++n) {
      const std::uint32_t selector = c[l] >> (4 * n) & 15U;
      std::uint32_t byte = bytes >> (8 * (selector & 7U)) & 0xFFU;
      if ((selector & 8U) != 0) byte = (byte & 0x80U) != 0 ? 0xFFU : 0;
      result |= byte << (8 * n);
    }
    d[l] = result;
  });
}

Handler decode_prmt(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return type == Type::b32 && d.operands() == 4 ? prmt : nullptr;
}

// bfe: `length` bits of a from `start`, sign or zero extended.
template <class T>
void extract(Warp& w, const Instruction& i, std::uint32_t lanes) {
  constexpr std::uint32_t width = 8 * sizeof(T);
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const auto* b = w.reg<std::uint32_t>(i.b);
  const auto* c = w.reg<std::uint32_t>(i.c);
  each_lane(lanes, [=](int l) {
    const std::uint32_t start = b[l] & 0xFFU;
    const std::uint32_t length = c[l] & 0xFFU;
    const T sign = a[l] < 0 && length != 0 ? static_cast<T>(-1) : T{0};
    T value = start >= width ? sign : static_cast<T>(a[l] >> start);  // brings the sign in itself
    if (length == 0)
      value = 0;
    else if (length < width) {
      const std::uint32_t unused = width - length;
      using U = std::make_unsigned_t<T>;
      value = static_cast<T>(static_cast<T>(static_cast<U>(value) << unused) >> unused);
    }
    d[l] = value;
  });
}

Handler decode_bfe(Decoding& d) {
  const Type type = d.type();
  d.out.d = d.destination(0, type);
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, Type::u32);
  d.out.c = d.source(3, Type::u32);
  switch (type) {
    case Type::u32:
      return extract<std::uint32_t>;
    case Type::s32:
      return extract<std::int32_t>;
    case Type::u64:
      return extract<std::uint64_t>;
    case Type::s64:
      return extract<std::int64_t>;
    default:
      return nullptr;
  }
}

// bfi: the low bits of a put into b.
template <class T>
void insert(Warp& w, const Instruction& i, std::uint32_t lanes) {
  constexpr std::uint32_t width = 8 * sizeof(T);
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  const auto* start = w.reg<std::uint32_t>(i.c);
  const auto* length = w.reg<std::uint32_t>(i.more[0]);
  each_lane(lanes, [=](int l) {
    const std::uint32_t from = start[l] & 0xFFU;
    const std::uint32_t count = length[l] & 0xFFU;
    const T ones = count >= width ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << count) - 1);
    const T mask = from >= width ? T{0} : static_cast<T>(ones << from);
    const T bits = from >= width ? T{0} : static_cast<T>(a[l] << from);
    d[l] = (b[l] & ~mask) | (bits & mask);
  });
}

Handler decode_bfi(Decoding& d) {
  const Type type = d.type();
  d.out.d = d.destination(0, type);
  d.out.a = d.source(1, type);
  d.out.b = d.source(2, type);
  d.out.c = d.source(3, Type::u32);
  d.out.more[0] = d.source(4, Type::u32);
  return type == Type::b64 ? insert<std::uint64_t>
                           : (type == Type::b32 ? insert<std::uint32_t> : nullptr);
}

struct PopulationCount {
  template <class T>
  std::uint32_t operator()(T a) const {
    return static_cast<std::uint32_t>(std::popcount(a));
  }
};
struct LeadingZeros {
  template <class T>
  std::uint32_t operator()(T a) const {
    return static_cast<std::uint32_t>(std::countl_zero(a));
  }
};
template <class T, class F>
void count(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<std::uint32_t>(i.d);
  const T* a = w.reg<T>(i.a);
  each_lane(lanes, [=](int l) { d[l] = F{}(a[l]); });
}
template <class F>
Handler decode_count(Decoding& d) {
  const Type type = d.type();
  d.out.d = d.destination(0, Type::u32);
  d.out.a = d.source(1, type);
  return type == Type::b64 ? count<std::uint64_t, F>
                           : (type == Type::b32 ? count<std::uint32_t, F> : nullptr);
}

struct Reverse {
  template <class T>
  T operator()(T a) const {
    T result = 0;
    for (unsigned n = 0; n < 8 * sizeof(T); ++n) result = (result << 1U) | (a >> n & 1U);
    return result;
  }
};
Handler decode_brev(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return type == Type::b64 ? unary<std::uint64_t, Reverse>
                           : (type == Type::b32 ? unary<std::uint32_t, Reverse> : nullptr);
}

constexpr OpcodeRow kOpcodes[] = {{"and", logic<And>},
                                  {"or", logic<Or>},
                                  {"xor", logic<Xor>},
                                  {"not", decode_not},
                                  {"cnot", decode_cnot},
                                  {"shl", decode_shift},
                                  {"shr", decode_shift},
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
