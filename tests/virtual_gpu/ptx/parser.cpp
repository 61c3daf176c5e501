// PTX text → syntax. A recursive-descent parser over one pass of tokens. Register
// names are resolved here, since inline assembly in braces opens scopes that reuse them.

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ptx/ptx.h"

namespace vgpu {
namespace {

struct TypeRow {
  const char* name;
  Type type;
  std::size_t bytes;
};

constexpr TypeRow kTypes[] = {
    {"pred", Type::pred, 0}, {"b8", Type::b8, 1},         {"b16", Type::b16, 2},
    {"b32", Type::b32, 4},   {"b64", Type::b64, 8},       {"u8", Type::u8, 1},
    {"u16", Type::u16, 2},   {"u32", Type::u32, 4},       {"u64", Type::u64, 8},
    {"s8", Type::s8, 1},     {"s16", Type::s16, 2},       {"s32", Type::s32, 4},
    {"s64", Type::s64, 8},   {"f16", Type::f16, 2},       {"f16x2", Type::f16x2, 4},
    {"bf16", Type::bf16, 2}, {"bf16x2", Type::bf16x2, 4}, {"f32", Type::f32, 4},
    {"f64", Type::f64, 8}};

struct Token {
  std::string_view text;  // empty at the end
  std::uint32_t line;
};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '%' ||
         c == '.' || c == ':';
}

// Words (names, numbers, opcodes and directives with their dots), quoted texts, single characters.
std::vector<Token> tokenise(std::string_view text) {
  std::vector<Token> tokens;
  std::uint32_t line = 1;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (std::isspace(static_cast<unsigned char>(c)) != 0 || c == '\0') {
      ++at;
      continue;
    }
    if (text.substr(at, 2) == "//") {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (text.substr(at, 2) == "/*") {
      const std::size_t end = std::min(text.find("*/", at), text.size() - 2) + 2;
      for (; at < end; ++at) line += text[at] == '\n' ? 1 : 0;
      continue;
    }
    std::size_t end = at + 1;
    if (c == '"') {
      end = std::min(text.find('"', at + 1), text.size() - 1) + 1;
    } else if (is_word(c)) {
      while (end < text.size() && is_word(text[end])) ++end;
      // A label's colon is no part of its name, "L1::evict_last" is one word.
      std::string_view word = text.substr(at, end - at);
      if (word.back() == ':') --end;
      if (end == at) ++end;
    }
    tokens.push_back({text.substr(at, end - at), line});
    at = end;
  }
  tokens.push_back({{}, line});
  return tokens;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(tokenise(text)) {}

  ModuleSyntax module() {
    while (!peek().empty()) top_level();
    return std::move(module_);
  }

 private:
  using Scope = std::map<std::string, int, std::less<>>;

  [[noreturn]] void fail(const std::string& what) const {
    const std::string where = function_ != nullptr ? "in " + function_->name + ", " : "";
    throw PtxError(where + "PTX line " + std::to_string(tokens_[at_].line) + ": " + what);
  }
  std::string_view peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)].text;
  }
  std::string next() {
    if (peek().empty()) fail("the text ends too early");
    return std::string(tokens_[at_++].text);
  }
  bool accept(std::string_view word) {
    if (peek() != word) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view word) {
    if (!accept(word))
      fail("expected '" + std::string(word) + "', found '" + std::string(peek()) + "'");
  }
  void skip_past(std::string_view word) {
    while (next() != word) {
    }
  }

  void skip_line() {  // of the last token
    const std::uint32_t line = tokens_[at_ - 1].line;
    while (!peek().empty() && tokens_[at_].line == line) ++at_;
  }

  static bool is_number(std::string_view word) {
    return !word.empty() && std::isdigit(static_cast<unsigned char>(word[0])) != 0;
  }

  // 12, 0x1F, 0U, 0f3F800000 (float), 0d3FF0… (double); the sign is the caller's.
  std::uint64_t number() {
    const std::string word = next();
    if (!is_number(word)) fail("expected a number, found '" + word + "'");
    char* end = nullptr;
    std::uint64_t value = 0;
    if (word.size() > 2 && (word[1] == 'f' || word[1] == 'F' || word[1] == 'd' || word[1] == 'D')) {
      value = std::strtoull(word.c_str() + 2, &end, 16);
    } else {
      value = std::strtoull(word.c_str(), &end, 0);
      if (*end == 'U') ++end;
    }
    if (*end != '\0') fail("'" + word + "' is no number");
    return value;
  }
  std::uint64_t signed_number() {
    const bool minus = accept("-");
    const std::uint64_t value = number();
    return minus ? ~value + 1 : value;
  }

  void top_level() {
    const std::string word = next();
    if (word == ".version" || word == ".address_size") {
      next();
    } else if (word == ".target") {
      do next();
      while (accept(","));
    } else if (word == ".file") {
      const auto file = static_cast<std::uint32_t>(number());
      const std::string quoted = next();
      module_.files[file] = quoted.substr(1, quoted.size() - 2);
      skip_line();
    } else if (word == ".section") {
      skip_past("}");
    } else if (word == ".visible" || word == ".weak" || word == ".extern" || word == ".common") {
      extern_ = word == ".extern";
      return;  // the declaration follows
    } else if (word == ".entry" || word == ".func") {
      function(word == ".entry");
    } else if (word == ".global" || word == ".const" || word == ".shared") {
      module_.variables.push_back(variable(space_from(word)));
      expect(";");
    } else if (word != ";") {
      fail("unknown directive '" + word + "'");
    }
    extern_ = false;
  }

  static Space space_from(std::string_view word) {
    if (word == ".global") return Space::global;
    if (word == ".const") return Space::constant;
    if (word == ".shared") return Space::shared;
    if (word == ".local") return Space::local;
    if (word == ".param") return Space::param;
    return Space::generic;
  }

  // After the state space: [.align n] .type name [count]* [= initialiser]
  Variable variable(Space space) {
    Variable v;
    v.space = space;
    v.is_extern = extern_;
    std::size_t alignment = 0;
    bool of_pointee = false;  // ".u64 .ptr .global .align 4 p": 4 is what p points at
    Type type = Type::none;
    while (peek().starts_with('.')) {
      const std::string word = next();
      if (word == ".align") {
        const std::size_t given = number();
        if (!of_pointee) alignment = given;
      } else if (word == ".ptr") {
        of_pointee = true;
      } else if (word == ".global" || word == ".shared" || word == ".const" || word == ".local" ||
                 word.starts_with(".attribute")) {
        continue;  // hints about what a pointer parameter points at
      } else {
        type = type_from(word.substr(1));
        if (type == Type::none) fail("unknown type '" + word + "'");
      }
    }
    v.name = next();
    v.bytes = bytes_of(type);
    v.alignment = alignment != 0 ? alignment : v.bytes;
    while (accept("[")) {
      if (accept("]")) {
        v.is_extern = true;
        continue;
      }
      v.bytes *= number();
      expect("]");
    }
    if (accept("=")) initialiser(v, bytes_of(type));
    return v;
  }

  void initialiser(Variable& v, std::size_t element) {
    const auto one = [&] {
      if (!is_number(peek()) && peek() != "-")
        fail("the variable " + v.name + " is initialised with '" + std::string(peek()) +
             "'; only numbers are known here");
      const std::uint64_t value = signed_number();
      const auto* bytes = reinterpret_cast<const std::byte*>(&value);
      v.initial.insert(v.initial.end(), bytes, bytes + element);
    };
    if (!accept("{")) return one();
    int depth = 1;
    while (depth > 0) {
      if (accept("{"))
        ++depth;
      else if (accept("}"))
        --depth;
      else if (!accept(","))
        one();
    }
  }

  std::vector<Variable> parameter_list() {
    std::vector<Variable> list;
    while (!accept(")")) {
      const std::string word = next();
      if (word == ".param")
        list.push_back(variable(Space::param));
      else if (word == ".reg")
        fail("parameters in registers are not known");
      else if (word != ",")
        fail("unexpected '" + word + "' in a parameter list");
    }
    return list;
  }

  void function(bool is_kernel) {
    FunctionSyntax f;
    f.is_kernel = is_kernel;
    if (accept("(")) f.results = parameter_list();
    f.name = next();
    if (accept("(")) f.parameters = parameter_list();
    while (peek().starts_with('.')) {
      const std::string word = next();
      if (word == ".maxntid") {
        f.max_threads = static_cast<std::uint32_t>(number());
        while (accept(",")) f.max_threads *= static_cast<std::uint32_t>(number());
      } else if (word == ".minnctapersm" || word == ".maxnreg" || word == ".reqntid") {
        number();
        while (accept(",")) number();
      } else if (word != ".noreturn") {
        fail("unknown directive '" + word + "' of a function");
      }
    }
    if (accept(";")) return;  // a declaration only
    expect("{");
    function_ = &f;
    scopes_.assign(1, {});
    body();
    function_ = nullptr;
    module_.functions[f.name] = std::move(f);
  }

  void body() {
    while (!scopes_.empty()) {
      const std::string_view word = peek();
      if (word == "{") {
        ++at_;
        scopes_.emplace_back();
      } else if (word == "}") {
        ++at_;
        scopes_.pop_back();
      } else if (word == ";") {
        ++at_;
      } else if (peek(1) == ":") {
        label();
      } else if (word.starts_with('.')) {
        directive();
      } else {
        statement();
      }
    }
  }

  void label() {
    const std::string name = next();
    expect(":");
    if (accept(".branchtargets")) {
      auto& targets = function_->branch_targets[name];
      do targets.push_back(next());
      while (accept(","));
      expect(";");
      return;
    }
    // Labels of inline assembly are local to its braces; two of one name are not told apart here.
    if (!function_->labels.emplace(name, function_->statements.size()).second)
      fail("the label '" + name + "' is defined twice");
  }

  void directive() {
    const std::string word = next();
    if (word == ".reg") {
      registers();
    } else if (word == ".pragma") {
      skip_past(";");
    } else if (word == ".loc") {  // ends without a semicolon
      const std::uint32_t line = tokens_[at_].line;
      const auto file = static_cast<std::uint32_t>(number());
      module_.lines.push_back({line, file, static_cast<std::uint32_t>(number())});
      skip_line();
    } else if (space_from(word) != Space::generic) {
      function_->variables.push_back(variable(space_from(word)));
      expect(";");
    } else {
      fail("unknown directive '" + word + "'");
    }
  }

  // .reg .f32 %f<9>;  or  .reg .f16 low, high;
  void registers() {
    const std::string word = next();
    const Type type = type_from(word.substr(1));
    if (type == Type::none) fail("registers of the type '" + word + "' are not known");
    do {
      const std::string name = next();
      if (accept("<")) {
        const std::uint64_t count = number();
        expect(">");
        for (std::uint64_t n = 0; n < count; ++n) declare(name + std::to_string(n), type);
      } else {
        declare(name, type);
      }
    } while (accept(","));
    expect(";");
  }

  void declare(const std::string& name, Type type) {
    scopes_.back()[name] = static_cast<int>(function_->registers.size());
    function_->registers.push_back(type);
  }

  int find_register(std::string_view name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      if (const auto found = scope->find(name); found != scope->end()) return found->second;
    return -1;
  }

  void statement() {
    Statement s;
    s.line = tokens_[at_].line;
    if (accept("@")) {
      s.guard_negated = accept("!");
      const std::string name = next();
      s.guard = find_register(name);
      if (s.guard < 0) fail("unknown predicate '" + name + "'");
    }
    s.opcode = next();
    while (!accept(";")) {
      s.operands.push_back(operand());
      accept(",");
    }
    function_->statements.push_back(std::move(s));
  }

  static Operand of_kind(Operand::Kind kind) {
    Operand o;
    o.kind = kind;
    return o;
  }

  Operand operand() {
    if (accept("[")) return address();
    if (accept("{")) return group("}");
    if (accept("(")) return group(")");
    if (accept("!")) {
      Operand o = operand();
      o.negated = true;
      return o;
    }
    if (is_number(peek()) || peek() == "-") {
      Operand o = of_kind(Operand::Kind::immediate);
      o.bits = signed_number();
      return o;
    }
    const std::string name = next();
    Operand o = named(name);
    if (accept("|")) {
      Operand pair = of_kind(Operand::Kind::vector);
      pair.parts = {o, named(next())};
      return pair;
    }
    if (accept("+")) o.offset = static_cast<std::int64_t>(signed_number());
    return o;
  }

  Operand named(const std::string& name) const {
    if (name == "_") return of_kind(Operand::Kind::sink);
    const int reg = find_register(name);
    Operand o = of_kind(reg >= 0 ? Operand::Kind::reg : Operand::Kind::symbol);
    o.reg = reg;
    if (reg < 0) o.symbol = name;
    return o;
  }

  Operand group(std::string_view end) {
    Operand o = of_kind(Operand::Kind::vector);
    while (!accept(end)) {
      o.parts.push_back(operand());
      accept(",");
    }
    return o;
  }

  Operand address() {
    Operand o = of_kind(Operand::Kind::address);
    if (is_number(peek())) {
      o.offset = static_cast<std::int64_t>(number());
    } else {
      const Operand base = named(next());
      o.reg = base.reg;
      o.symbol = base.symbol;
      if (accept("+") || peek() == "-") o.offset = static_cast<std::int64_t>(signed_number());
    }
    expect("]");
    return o;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  bool extern_ = false;
  ModuleSyntax module_;
  FunctionSyntax* function_ = nullptr;
  std::vector<Scope> scopes_;
};

}  // namespace

Type type_from(std::string_view name) {
  for (const TypeRow& row : kTypes)
    if (name == row.name) return row.type;
  return Type::none;
}

std::size_t bytes_of(Type type) {
  for (const TypeRow& row : kTypes)
    if (type == row.type) return row.bytes;
  return 0;
}

bool is_float(Type type) {
  return type >= Type::f16;
}
bool is_signed(Type type) {
  return type >= Type::s8 && type <= Type::s64;
}
Type sized(Type first, std::size_t bytes) {
  if (!std::has_single_bit(bytes) || bytes > 8) return Type::none;
  return static_cast<Type>(static_cast<int>(first) + std::countr_zero(bytes));
}

std::string ModuleSyntax::source_of(std::uint32_t ptx_line) const {
  const auto next = std::partition_point(
      lines.begin(), lines.end(), [&](const SourceLine& l) { return l.ptx_line <= ptx_line; });
  if (next == lines.begin()) return "";
  const auto file = files.find((next - 1)->file);
  return file == files.end() ? "" : file->second + ":" + std::to_string((next - 1)->line);
}

ModuleSyntax parse_ptx(std::string_view text) {
  return Parser(text).module();
}

}  // namespace vgpu
