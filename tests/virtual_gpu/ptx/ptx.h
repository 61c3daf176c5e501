#pragma once
// The syntax of a PTX module: what parser.cpp reads from text and decoder.cpp turns into code that the
// interpreter runs. Registers are numbered per function; all other names are kept as text.

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vgpu {

enum class Type : std::uint8_t {
  none,
  pred,
  b8,
  b16,
  b32,
  b64,
  u8,
  u16,
  u32,
  u64,
  s8,
  s16,
  s32,
  s64,
  f16,
  f16x2,
  bf16,
  bf16x2,
  f32,
  f64
};

// "u32" → Type::u32; Type::none for a word that names no type.
Type type_from(std::string_view name);
std::size_t bytes_of(Type type);
bool is_float(Type type);   // any floating-point type, packed ones included
bool is_signed(Type type);  // s8 … s64
// The type of this size in the row that begins with b8, u8 or s8; Type::none for an odd size.
Type sized(Type first, std::size_t bytes);

enum class Space : std::uint8_t { generic, global, shared, local, param, constant };

// A named array: kernel parameter, shared, constant, global or local variable.
struct Variable {
  std::string name;
  Space space = Space::generic;
  std::size_t bytes = 0;
  std::size_t alignment = 1;
  bool is_extern = false;          // dynamic shared memory: its size comes with the launch
  std::vector<std::byte> initial;  // empty, or the first bytes; the rest is zero
};

struct Operand {
  enum class Kind : std::uint8_t { reg, immediate, symbol, address, vector, sink };
  Kind kind = Kind::sink;
  int reg = -1;                // reg; address with a register as base
  std::uint64_t bits = 0;      // immediate: the integer, or the pattern of 0f… / 0d…
  std::string symbol;          // symbol; address with a name as base; special register ("%tid.x")
  std::int64_t offset = 0;     // address
  bool negated = false;        // !%p
  std::vector<Operand> parts;  // vector: {a, b, c, d}; also the two halves of "%r1|%p1"
};

struct Statement {
  std::string opcode;  // in full: "ld.global.v4.f32"
  std::vector<Operand> operands;
  int guard = -1;  // predicate register
  bool guard_negated = false;
  std::uint32_t line = 0;  // in the PTX text, from 1
};

struct FunctionSyntax {
  std::string name;
  bool is_kernel = false;
  std::vector<Variable> parameters;
  std::vector<Variable> results;    // of a .func
  std::vector<Variable> variables;  // shared, local and call parameters declared inside
  std::vector<Type> registers;      // type of each register number
  std::vector<Statement> statements;
  std::map<std::string, std::size_t> labels;  // → index of the statement that follows
  std::map<std::string, std::vector<std::string>> branch_targets;
  std::uint32_t max_threads = 1024;  // .maxntid
};

// Of nvcc's -lineinfo: where the code from this PTX line on comes from.
struct SourceLine {
  std::uint32_t ptx_line, file, line;
};

struct ModuleSyntax {
  std::vector<Variable> variables;
  std::map<std::string, FunctionSyntax> functions;
  std::vector<SourceLine> lines;  // by PTX line
  std::map<std::uint32_t, std::string> files;

  std::string source_of(std::uint32_t ptx_line) const;  // "pool.cu:41", or "" where it is not known
};

// A text or an instruction that this virtual GPU does not know. The message names kernel and line.
class PtxError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

ModuleSyntax parse_ptx(std::string_view text);

}  // namespace vgpu
