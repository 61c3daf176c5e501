#include "tools/graft/standard_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/text.h"

namespace graft::program {
namespace {

[[noreturn]] void fail(int reason) {
  if (reason == EPIPE) throw ReaderGone{};
  throw Error(ErrorKind::io, fmt::format("the result cannot be written to standard output: {}",
                                         std::strerror(reason)));
}

std::string json_string(const std::string& text) {
  return Json(escape_invalid_utf8(text)).dump();
}

std::string json_number(float value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

// The class itself; p(label) for a class "label", which is another column, and p(p(label)) for one of
// that name.
std::string column_of(const std::string& name) {
  std::string_view inner = name;
  while (inner.starts_with("p(") && inner.ends_with(')')) inner = inner.substr(2, inner.size() - 3);
  return inner == "path" || inner == "label" ? "p(" + name + ')' : name;
}

}  // namespace

std::string safe_lines(std::string_view text) {
  std::string lines;
  for (;;) {
    const std::size_t end = text.find('\n');
    lines += printable(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    lines += '\n';
    text.remove_prefix(end + 1);
  }
}

void write_result(std::string_view text) {
  static const bool is_terminal = isatty(STDOUT_FILENO) == 1;
  const std::string safe = is_terminal ? safe_lines(text) : "";
  if (is_terminal) text = safe;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail(errno);
}

void flush_results() {
  if (std::fflush(stdout) != 0) fail(errno);
}

std::string csv_field(std::string_view text) {
  const bool plain = text.find_first_of(",\"\r\n") == std::string_view::npos && !text.empty() &&
                     text.front() != ' ' && text.back() != ' ';
  if (plain) return std::string(text);
  std::string quoted = "\"";
  for (const char character : text) {
    if (character == '"') quoted += '"';
    quoted += character;
  }
  return quoted + '"';
}

std::string csv_header(const std::vector<std::string>& classes) {
  std::string line = "path,label";
  for (const std::string& name : classes) line += ',' + csv_field(column_of(name));
  return line + '\n';
}

std::string csv_row(const Prediction& prediction) {
  std::string line = csv_field(prediction.file) + ',' + csv_field(prediction.label);
  for (const float probability : prediction.probabilities)
    line += fmt::format(",{:.4f}", probability);
  return line + '\n';
}

std::string json_line(const std::vector<std::string>& classes, const Prediction& prediction) {
  std::string probabilities;
  for (std::size_t i = 0; i < prediction.probabilities.size(); ++i)
    probabilities += fmt::format("{}{}: {}", i == 0 ? "" : ", ", json_string(classes.at(i)),
                                 json_number(prediction.probabilities[i]));
  return fmt::format("{{\"path\": {}, \"label\": {}, \"probabilities\": {{{}}}}}\n",
                     json_string(prediction.file), json_string(prediction.label), probabilities);
}

}  // namespace graft::program
