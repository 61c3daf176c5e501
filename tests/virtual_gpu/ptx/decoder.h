#pragma once
// Syntax → code: finds a handler for each statement, gives registers their places, resolves names.
// Strict: every modifier of an opcode must be taken by its decoder, or the opcode is unknown.

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "machine/interpreter.h"
#include "ptx/ptx.h"

namespace vgpu {

class FunctionDecoder;

// One statement on its way to an instruction.
class Decoding {
 public:
  Decoding(FunctionDecoder& function, const Statement& statement);

  // Modifiers of the opcode, each taken once. base() is the first word: "ld".
  std::string_view base() const { return words_[0]; }
  bool take(std::string_view word);
  bool take_starting(std::string_view prefix);  // takes all modifiers that begin so
  Type type();                                  // takes the first one that names a type

  std::size_t operands() const { return statement_.operands.size(); }
  const Operand& operand(std::size_t n) const;
  bool is_register(std::size_t n) const { return operand(n).kind == Operand::Kind::reg; }
  std::size_t register_bytes(const Operand& operand) const;

  // Register offsets. The register's size must be the type's.
  std::uint32_t source(std::size_t n, Type type) { return source(operand(n), type); }
  std::uint32_t source(const Operand& operand, Type type);
  std::uint32_t destination(std::size_t n, Type type) { return destination(operand(n), type); }
  std::uint32_t destination(const Operand& operand, Type type);  // a sink gives a scratch register
  // The first operand: a register, or a register and a predicate (more[0]): "%r1|%p1".
  void destination_and_predicate(Type type);
  // Any size: ld, st and cvt may use wider registers than their type. Immediates get the type's.
  std::uint32_t any_source(const Operand& operand, Type type);

  // [base + offset]: sets a (64-bit base register) and offset; returns the space, which for a name
  // is the variable's.
  Space address(const Operand& operand, Space space);
  // Kept with the kernel; each returns its number.
  std::uint32_t branch_table(const std::string& name);
  std::uint32_t operand_list(std::vector<std::uint32_t> registers);
  void branch_to(const std::string& label);
  void use_global_atomics();
  // d, a, b, c ← the operands in order, all of one type.
  void plain(Type type);
  // d ← the first operand; a, b, c, more[0] ← as many of the following as there are sources.
  void registers(Type result, std::initializer_list<Type> sources);

  [[noreturn]] void unknown() const;  // the opcode as a whole
  [[noreturn]] void fail(const std::string& what) const;

  Instruction out;

 private:
  friend class FunctionDecoder;
  FunctionDecoder& function_;
  const Statement& statement_;
  std::vector<std::string_view> words_;
  std::vector<bool> taken_;
};

// Fills Decoding::out's operands and returns the handler.
using OpcodeDecoder = Handler (*)(Decoding&);
struct OpcodeRow {
  std::string_view base;
  OpcodeDecoder decode;
};

// The tables of op_*.cpp.
std::span<const OpcodeRow> arithmetic_opcodes();
std::span<const OpcodeRow> function_opcodes();
std::span<const OpcodeRow> bit_opcodes();
std::span<const OpcodeRow> compare_opcodes();
std::span<const OpcodeRow> convert_opcodes();
std::span<const OpcodeRow> matrix_opcodes();
std::span<const OpcodeRow> memory_opcodes();
std::span<const OpcodeRow> control_opcodes();
Handler branch_handler();
Handler exit_handler();

// `addresses`: where the module's global and constant variables are on the device. Throws PtxError.
Kernel decode_kernel(const ModuleSyntax& module, const std::string& name,
                     const std::map<std::string, std::uint64_t>& addresses);

}  // namespace vgpu
