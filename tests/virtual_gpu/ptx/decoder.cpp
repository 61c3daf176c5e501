#include "ptx/decoder.h"

#include <algorithm>
#include <set>

namespace vgpu {
namespace {

constexpr int kDeepestCall = 32;

const std::map<std::string_view, OpcodeDecoder>& opcode_decoders() {
  static const auto* map = [] {
    auto* all = new std::map<std::string_view, OpcodeDecoder>;
    for (const auto& table :
         {arithmetic_opcodes(), function_opcodes(), bit_opcodes(), compare_opcodes(),
          convert_opcodes(), matrix_opcodes(), memory_opcodes(), control_opcodes()})
      for (const OpcodeRow& row : table) all->emplace(row.base, row.decode);
    return all;
  }();
  return *map;
}

std::uint32_t aligned(std::uint32_t value, std::size_t alignment) {
  const auto a = static_cast<std::uint32_t>(std::max<std::size_t>(alignment, 1));
  return (value + a - 1) / a * a;
}

}  // namespace

// Decodes a kernel and, in their place, the functions that it calls.
class FunctionDecoder {
 public:
  FunctionDecoder(const ModuleSyntax& module, const FunctionSyntax& kernel,
                  const std::map<std::string, std::uint64_t>& addresses)
      : module_(module), kernel_syntax_(kernel), addresses_(addresses) {}

  Kernel decode() {
    kernel_.name = kernel_syntax_.name;
    kernel_.max_threads = kernel_syntax_.max_threads;
    parameters();
    place_shared(kernel_syntax_);
    expand(kernel_syntax_, {}, 0);
    // A body may end without ret.
    Instruction end;
    end.run = exit_handler();
    kernel_.code.push_back(end);
    leave_directly();
    kernel_.dynamic_shared_at = aligned(kernel_.shared_bytes, 16);
    for (Preset& preset : dynamic_shared_addresses_) preset.value += kernel_.dynamic_shared_at;
    kernel_.presets = presets_;
    kernel_.presets.insert(kernel_.presets.end(), dynamic_shared_addresses_.begin(),
                           dynamic_shared_addresses_.end());
    kernel_.local_bytes = aligned(kernel_.local_bytes, 16);
    kernel_.register_bytes = next_register_;
    return std::move(kernel_);
  }

 private:
  friend class Decoding;

  struct Symbol {
    Space space;
    std::uint64_t address;
    bool is_dynamic;
  };
  struct Fixup {
    std::size_t instruction;
    std::string label;
  };
  struct Frame {  // one function, or one place where it is called
    const FunctionSyntax* function = nullptr;
    std::vector<std::uint32_t> registers;  // offset of each
    std::map<std::string, Symbol> symbols;
    std::vector<std::size_t> starts;  // code index of each statement
    std::vector<Fixup> fixups;
    std::vector<std::pair<std::size_t, std::string>> tables;
  };

  void parameters() {
    std::uint32_t at = 0;
    for (const Variable& v : kernel_syntax_.parameters) {
      at = aligned(at, v.alignment);
      kernel_.parameter_offsets.push_back(at);
      kernel_.parameter_sizes.push_back(static_cast<std::uint32_t>(v.bytes));
      at += static_cast<std::uint32_t>(v.bytes);
    }
    kernel_.parameter_bytes = at;
  }

  // Static shared variables of the function and of the module, as far as they are mentioned.
  void place_shared(const FunctionSyntax& function) {
    std::set<std::string> mentioned;
    for (const Statement& s : function.statements)
      for (const Operand& o : s.operands)
        if (!o.symbol.empty()) mentioned.insert(o.symbol);
    const auto place = [&](const Variable& v) {
      if (v.space != Space::shared || shared_.count(v.name) != 0) return;
      if (v.is_extern) {
        shared_[v.name] = {Space::shared, 0, true};
        return;
      }
      kernel_.shared_bytes = aligned(kernel_.shared_bytes, v.alignment);
      shared_[v.name] = {Space::shared, kernel_.shared_bytes, false};
      kernel_.shared_bytes += static_cast<std::uint32_t>(v.bytes);
    };
    for (const Variable& v : function.variables) place(v);
    for (const Variable& v : module_.variables)
      if (mentioned.count(v.name) != 0) place(v);
  }

  // A branch to ret is an exit under a predicate, as in the device's code: the lanes that leave are
  // gone before the others reach a barrier.
  void leave_directly() {
    for (Instruction& i : kernel_.code)
      if (i.run == branch_handler() && kernel_.code[i.target].run == exit_handler() &&
          kernel_.code[i.target].guard == 0)
        i.run = exit_handler();
  }

  std::uint64_t place_local(const Variable& v) {
    kernel_.local_bytes = aligned(kernel_.local_bytes, v.alignment);
    const std::uint32_t at = kernel_.local_bytes;
    kernel_.local_bytes += static_cast<std::uint32_t>(v.bytes);
    return at;
  }

  std::uint32_t new_register(std::size_t bytes) {
    const std::uint32_t at = next_register_;
    next_register_ += aligned(static_cast<std::uint32_t>(bytes == 0 ? 4 : bytes * kLanes), 64);
    return at;
  }

  std::uint32_t constant(std::size_t bytes, std::uint64_t value) {
    return preset(nullptr, bytes, value);
  }
  std::uint32_t preset(const SpecialRegister* special, std::size_t bytes, std::uint64_t value) {
    const auto size = static_cast<std::uint32_t>(bytes);
    for (const Preset& p : presets_)
      if (p.special == special && p.bytes == size && p.value == value) return p.offset;
    presets_.push_back({special, new_register(bytes), size, value});
    return presets_.back().offset;
  }

  // The address of dynamic shared memory is known once all static memory is placed.
  std::uint32_t dynamic_shared_address(std::size_t bytes, std::int64_t offset) {
    dynamic_shared_addresses_.push_back({nullptr, new_register(bytes),
                                         static_cast<std::uint32_t>(bytes),
                                         static_cast<std::uint64_t>(offset)});
    return dynamic_shared_addresses_.back().offset;
  }

  // `arguments`: for a called function, where its parameters and results are in the caller.
  void expand(const FunctionSyntax& function, std::map<std::string, Symbol> arguments, int depth) {
    if (depth > kDeepestCall)
      throw PtxError("kernel " + readable(kernel_.name) +
                     ": calls nest too deep, or recursion, at " + function.name);
    Frame frame;
    frame.function = &function;
    frame.symbols = std::move(arguments);
    for (const Type type : function.registers)
      frame.registers.push_back(new_register(bytes_of(type)));
    for (const Variable& v : function.variables)
      if (v.space == Space::local || v.space == Space::param)
        frame.symbols[v.name] = {Space::local, place_local(v), false};
    if (depth == 0)
      for (std::size_t n = 0; n < function.parameters.size(); ++n)
        frame.symbols[function.parameters[n].name] = {Space::param, kernel_.parameter_offsets[n],
                                                      false};
    Frame* outer = frame_;
    frame_ = &frame;
    for (const Statement& statement : function.statements) {
      frame.starts.push_back(kernel_.code.size());
      if (statement.opcode.starts_with("call"))
        call(statement, depth);
      else
        one(statement, depth);
    }
    frame.starts.push_back(kernel_.code.size());
    resolve(frame);
    frame_ = outer;
  }

  void one(const Statement& statement, int depth) {
    Decoding decoding(*this, statement);
    const auto found = opcode_decoders().find(decoding.base());
    if (found == opcode_decoders().end()) decoding.unknown();
    decoding.out.line = statement.line;
    decoding.out.run = found->second(decoding);
    if (depth > 0 && decoding.base() == "ret") {  // to the end of the expansion
      decoding.branch_to({});
      decoding.out.run = branch_handler();
    }
    if (decoding.out.run == nullptr ||
        std::find(decoding.taken_.begin(), decoding.taken_.end(), false) != decoding.taken_.end())
      decoding.unknown();
    if (statement.guard >= 0) {
      decoding.out.guard = frame_->registers[static_cast<std::size_t>(statement.guard)];
      decoding.out.guard_negated = statement.guard_negated;
    }
    kernel_.code.push_back(decoding.out);
  }

  // call[.uni] (result), function, (arguments): the body takes the place of the call.
  void call(const Statement& statement, int depth) {
    const Decoding decoding(*this, statement);
    if (statement.guard >= 0) decoding.fail("a call under a predicate is not known");
    std::string name;
    std::vector<const Operand*> groups;
    for (const Operand& o : statement.operands) {
      if (o.kind == Operand::Kind::symbol && name.empty()) name = o.symbol;
      if (o.kind == Operand::Kind::vector) groups.push_back(&o);
    }
    const auto found = module_.functions.find(name);
    if (found == module_.functions.end())
      decoding.fail("call of '" + name + "', which has no body here");
    const FunctionSyntax& callee = found->second;
    std::map<std::string, Symbol> arguments;
    std::size_t group = 0;
    const auto bind = [&](const std::vector<Variable>& variables) {
      if (variables.empty()) return;
      if (group >= groups.size() || groups[group]->parts.size() != variables.size())
        decoding.fail("call of '" + name + "' with a different number of arguments");
      for (std::size_t n = 0; n < variables.size(); ++n) {
        const auto symbol = frame_->symbols.find(groups[group]->parts[n].symbol);
        if (symbol == frame_->symbols.end()) decoding.fail("an argument that is no .param");
        arguments[variables[n].name] = symbol->second;
      }
      ++group;
    };
    bind(callee.results);
    bind(callee.parameters);
    place_shared(callee);
    expand(callee, std::move(arguments), depth + 1);
  }

  void resolve(Frame& frame) {
    const auto code_index = [&](const std::string& label) {
      if (label.empty()) return static_cast<std::uint32_t>(frame.starts.back());
      const auto found = frame.function->labels.find(label);
      if (found == frame.function->labels.end())
        throw PtxError("kernel " + readable(kernel_.name) + ": no label " + label);
      return static_cast<std::uint32_t>(frame.starts[found->second]);
    };
    for (const Fixup& fixup : frame.fixups)
      kernel_.code[fixup.instruction].target = code_index(fixup.label);
    for (const auto& [table, name] : frame.tables) {
      const auto found = frame.function->branch_targets.find(name);
      if (found == frame.function->branch_targets.end())
        throw PtxError("kernel " + readable(kernel_.name) + ": no branch targets " + name);
      for (const std::string& label : found->second)
        kernel_.branch_tables[table].push_back(code_index(label));
    }
  }

  const Symbol* find_symbol(const std::string& name) {
    if (const auto local = frame_->symbols.find(name); local != frame_->symbols.end())
      return &local->second;
    if (const auto shared = shared_.find(name); shared != shared_.end()) return &shared->second;
    const auto device = addresses_.find(name);
    if (device == addresses_.end()) return nullptr;
    return &(frame_->symbols[name] = {Space::global, device->second, false});
  }

  const ModuleSyntax& module_;
  const FunctionSyntax& kernel_syntax_;
  const std::map<std::string, std::uint64_t>& addresses_;
  Kernel kernel_;
  Frame* frame_ = nullptr;
  std::map<std::string, Symbol> shared_;
  std::vector<Preset> presets_;
  std::vector<Preset> dynamic_shared_addresses_;
  std::uint32_t next_register_ = 64;  // offset 0 means "none"
};

Decoding::Decoding(FunctionDecoder& function, const Statement& statement)
    : function_(function), statement_(statement) {
  const std::string_view opcode = statement.opcode;
  for (std::size_t at = 0; at <= opcode.size();) {
    const std::size_t dot = std::min(opcode.find('.', at), opcode.size());
    words_.push_back(opcode.substr(at, dot - at));
    at = dot + 1;
  }
  taken_.assign(words_.size(), false);
  taken_[0] = true;
}

bool Decoding::take(std::string_view word) {
  for (std::size_t n = 1; n < words_.size(); ++n)
    if (!taken_[n] && words_[n] == word) return taken_[n] = true;
  return false;
}

bool Decoding::take_starting(std::string_view prefix) {
  bool any = false;
  for (std::size_t n = 1; n < words_.size(); ++n)
    if (!taken_[n] && words_[n].starts_with(prefix)) any = taken_[n] = true;
  return any;
}

Type Decoding::type() {
  for (std::size_t n = 1; n < words_.size(); ++n)
    if (!taken_[n] && type_from(words_[n]) != Type::none) {
      taken_[n] = true;
      return type_from(words_[n]);
    }
  unknown();
}

const Operand& Decoding::operand(std::size_t n) const {
  if (n >= statement_.operands.size()) fail("too few operands");
  return statement_.operands[n];
}

std::size_t Decoding::register_bytes(const Operand& operand) const {
  if (operand.reg < 0) fail("an operand that should be a register");
  return bytes_of(function_.frame_->function->registers[static_cast<std::size_t>(operand.reg)]);
}

std::uint32_t Decoding::source(const Operand& operand, Type type) {
  if (operand.kind == Operand::Kind::reg && register_bytes(operand) != bytes_of(type))
    fail("a register whose size is not the type's");
  return any_source(operand, type);
}

std::uint32_t Decoding::any_source(const Operand& operand, Type type) {
  const std::size_t bytes = bytes_of(type);
  switch (operand.kind) {
    case Operand::Kind::reg:
      return function_.frame_->registers[static_cast<std::size_t>(operand.reg)];
    case Operand::Kind::immediate: {
      const std::uint64_t kept =
          bytes == 8 || bytes == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * bytes)) - 1;
      return function_.constant(bytes, operand.bits & kept);
    }
    case Operand::Kind::symbol: {
      if (operand.symbol == "WARP_SZ") return function_.constant(bytes, kLanes);
      if (const SpecialRegister* special = find_special_register(operand.symbol))
        return function_.preset(special, bytes, 0);
      const auto* symbol = function_.find_symbol(operand.symbol);
      if (symbol == nullptr) fail("unknown name '" + operand.symbol + "'");
      if (symbol->is_dynamic) return function_.dynamic_shared_address(bytes, operand.offset);
      return function_.constant(bytes,
                                symbol->address + static_cast<std::uint64_t>(operand.offset));
    }
    default:
      fail("an operand of a kind that does not fit");
  }
}

std::uint32_t Decoding::destination(const Operand& operand, Type type) {
  if (operand.kind == Operand::Kind::sink) return function_.new_register(bytes_of(type));
  if (operand.kind != Operand::Kind::reg) fail("a result that is no register");
  return source(operand, type);
}

void Decoding::destination_and_predicate(Type type) {
  const Operand& first = operand(0);
  const bool has_two = first.kind == Operand::Kind::vector;
  out.d = destination(has_two ? first.parts.at(0) : first, type);
  if (has_two) out.more[0] = destination(first.parts.at(1), Type::pred);
}

Space Decoding::address(const Operand& operand, Space space) {
  if (operand.kind != Operand::Kind::address) fail("an operand that should be an address");
  out.offset = operand.offset;
  if (operand.reg >= 0) {
    out.a = function_.frame_->registers[static_cast<std::size_t>(operand.reg)];
    out.flags = register_bytes(operand) == 4 ? 1 : 0;
    return space;
  }
  if (operand.symbol.empty()) {
    out.a = function_.constant(8, 0);
    return space;
  }
  const auto* symbol = function_.find_symbol(operand.symbol);
  if (symbol == nullptr) fail("unknown name '" + operand.symbol + "'");
  out.a = symbol->is_dynamic ? function_.dynamic_shared_address(8, 0)
                             : function_.constant(8, symbol->address);
  return symbol->space == Space::global ? space : symbol->space;
}

std::uint32_t Decoding::branch_table(const std::string& name) {
  auto& tables = function_.kernel_.branch_tables;
  function_.frame_->tables.emplace_back(tables.size(), name);
  tables.emplace_back();
  return static_cast<std::uint32_t>(tables.size() - 1);
}

std::uint32_t Decoding::operand_list(std::vector<std::uint32_t> registers) {
  auto& lists = function_.kernel_.operand_lists;
  lists.push_back(std::move(registers));
  return static_cast<std::uint32_t>(lists.size() - 1);
}

void Decoding::branch_to(const std::string& label) {
  function_.frame_->fixups.push_back({function_.kernel_.code.size(), label});
}

void Decoding::use_global_atomics() {
  function_.kernel_.in_block_order = true;
}

void Decoding::plain(Type type) {
  if (operands() == 2) return registers(type, {type});
  if (operands() == 3) return registers(type, {type, type});
  if (operands() != 4) fail("too few or too many operands");
  registers(type, {type, type, type});
}

void Decoding::registers(Type result, std::initializer_list<Type> sources) {
  std::uint32_t* const places[] = {&out.a, &out.b, &out.c, &out.more[0]};
  out.d = destination(0, result);
  std::size_t n = 0;
  for (const Type type : sources) {
    *places[n] = source(n + 1, type);
    ++n;
  }
}

void Decoding::unknown() const {
  fail("the instruction '" + statement_.opcode + "' is not known to this virtual GPU");
}

void Decoding::fail(const std::string& what) const {
  throw PtxError("kernel " + readable(function_.kernel_.name) + ", PTX line " +
                 std::to_string(statement_.line) + ": " + what + " (" + statement_.opcode + ")");
}

Kernel decode_kernel(const ModuleSyntax& module, const std::string& name,
                     const std::map<std::string, std::uint64_t>& addresses) {
  const auto found = module.functions.find(name);
  if (found == module.functions.end() || !found->second.is_kernel)
    throw PtxError("the module has no kernel " + name);
  return FunctionDecoder(module, found->second, addresses).decode();
}

}  // namespace vgpu
