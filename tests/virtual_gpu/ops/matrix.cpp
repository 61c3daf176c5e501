// mma.sync: a warp multiplies a tile of 16×k by one of k×8 and adds one of 16×8. Each lane holds a
// few values of each tile; which ones, the functions here say (PTX ISA, "Matrix Fragments for
// mma"). Products are exact in double, are added in the order of k, and a sum is rounded once.

#include <bit>
#include <cstring>

#include "ops/arithmetic.h"
#include "ptx/decoder.h"

namespace vgpu {
namespace {

constexpr int kRows = 16, kColumns = 8;

// Operand lists: four registers of d, then those of a, of b, and four of c.
constexpr std::size_t kSums = 4;

// The types of a and b: how many values a register holds, and the n-th of a register.
template <class T>
struct Packed16 {
  static constexpr int per_register = 2;
  static double value(std::uint32_t bits, int n) {
    return to_float(T{static_cast<std::uint16_t>(bits >> (16 * n))});
  }
};
struct Tf32 {  // a float whose lower 13 bits do not count
  static constexpr int per_register = 1;
  static double value(std::uint32_t bits, int) { return std::bit_cast<float>(bits & 0xFFFFE000U); }
};

// Lanes of a fragment: eight groups of four. A group has a row of a (and the one eight below) or a
// column of b; within it a lane has `per_register` neighbouring values, and those half of a
// register's reach further.
struct Place {
  int row, column;
};
template <class T>
Place place_in_a(int lane, int reg, int n) {
  constexpr int reach = 4 * T::per_register;  // values of k that a register of the group covers
  return {lane / 4 + 8 * (reg % 2), lane % 4 * T::per_register + n + reach * (reg / 2)};
}
template <class T>
Place place_in_b(int lane, int reg, int n) {
  constexpr int reach = 4 * T::per_register;
  return {lane % 4 * T::per_register + n + reach * reg, lane / 4};
}
Place place_in_c(int lane, int reg) {
  return {lane / 4 + 8 * (reg / 2), lane % 4 * 2 + reg % 2};
}

template <class T, int depth>
void multiply(Warp& w, const Instruction& i, std::uint32_t lanes) {
  if (lanes != kAllLanes) {
    found_error("missing_lane", w, i, std::countr_zero(lanes),
                "multiplies matrices without lane " + std::to_string(std::countr_zero(~lanes)) +
                    " of its warp");
    return;
  }
  const auto& registers = w.block->kernel->operand_lists[i.target];
  constexpr int a_registers = kRows * depth / kLanes / T::per_register;
  constexpr int b_registers = a_registers / 2;
  const std::uint32_t* next = registers.data() + kSums;
  double a[kRows][depth], b[depth][kColumns];
  for (int reg = 0; reg < a_registers; ++reg, ++next)
    for (int lane = 0; lane < kLanes; ++lane)
      for (int n = 0; n < T::per_register; ++n) {
        const Place at = place_in_a<T>(lane, reg, n);
        a[at.row][at.column] = T::value(w.reg<std::uint32_t>(*next)[lane], n);
      }
  for (int reg = 0; reg < b_registers; ++reg, ++next)
    for (int lane = 0; lane < kLanes; ++lane)
      for (int n = 0; n < T::per_register; ++n) {
        const Place at = place_in_b<T>(lane, reg, n);
        b[at.row][at.column] = T::value(w.reg<std::uint32_t>(*next)[lane], n);
      }
  float sums[kSums][kLanes];  // d's registers may be c's
  for (std::size_t reg = 0; reg < kSums; ++reg, ++next)
    for (int lane = 0; lane < kLanes; ++lane) {
      const Place at = place_in_c(lane, static_cast<int>(reg));
      double sum = w.reg<float>(*next)[lane];
      for (int k = 0; k < depth; ++k) sum += a[at.row][k] * b[k][at.column];
      sums[reg][lane] = static_cast<float>(sum);
    }
  for (std::size_t reg = 0; reg < kSums; ++reg)
    std::memcpy(w.reg<float>(registers[reg]), sums[reg], sizeof sums[reg]);
}

void add_registers(Decoding& d, std::size_t operand, bool result, std::size_t count,
                   std::vector<std::uint32_t>& registers) {
  const std::vector<Operand>& parts = d.operand(operand).parts;
  if (parts.size() != count) d.fail("an operand with another number of registers than the shape");
  for (const Operand& part : parts)
    registers.push_back(result ? d.destination(part, Type::b32) : d.source(part, Type::b32));
}

Handler decode_mma(Decoding& d) {
  const bool deep = d.take("m16n8k16");
  if (!deep && !d.take("m16n8k8")) return nullptr;
  for (const char* word : {"sync", "aligned", "row", "col", "f32", "f32"})
    if (!d.take(word)) return nullptr;
  Handler handler = nullptr;
  if (d.take("f16") && d.take("f16"))
    handler = deep ? multiply<Packed16<Half>, 16> : multiply<Packed16<Half>, 8>;
  else if (d.take("bf16") && d.take("bf16"))
    handler = deep ? multiply<Packed16<Bfloat>, 16> : multiply<Packed16<Bfloat>, 8>;
  else if (d.take("tf32") && d.take("tf32"))
    handler = deep ? nullptr : multiply<Tf32, 8>;
  if (handler == nullptr) return nullptr;
  const bool of_16_bits = handler != multiply<Tf32, 8>;
  const std::size_t a_registers = of_16_bits && !deep ? 2 : 4;
  std::vector<std::uint32_t> registers;
  add_registers(d, 0, true, kSums, registers);
  add_registers(d, 1, false, a_registers, registers);
  add_registers(d, 2, false, a_registers / 2, registers);
  add_registers(d, 3, false, kSums, registers);
  d.out.target = d.operand_list(std::move(registers));
  return handler;
}

constexpr OpcodeRow kOpcodes[] = {{"mma", decode_mma}};

}  // namespace

std::span<const OpcodeRow> matrix_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
