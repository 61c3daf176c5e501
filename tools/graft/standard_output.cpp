#include "tools/graft/standard_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/base/text.h"

namespace graft::program {
namespace {

[[noreturn]] void fail(int reason) {
  if (reason == EPIPE) throw ReaderGone{};
  throw Error(ErrorKind::io, "the result cannot be written to standard output: {}",
              std::strerror(reason));
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
  return inner == "path" || inner == "label" || inner == "error" ? "p(" + name + ')' : name;
}

std::vector<std::size_t> listed_classes(const std::vector<float>& probabilities, std::size_t top) {
  std::vector<std::size_t> listed(probabilities.size());
  std::iota(listed.begin(), listed.end(), 0);
  if (top == 0) return listed;
  std::ranges::stable_sort(listed, std::greater<>(),
                           [&](std::size_t index) { return probabilities[index]; });
  listed.resize(top);
  return listed;
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
  return plain ? std::string(text) : '"' + replace_all(text, "\"", "\"\"") + '"';
}

std::string csv_header(const std::vector<std::string>& classes, std::size_t top) {
  std::string line = top > 0 ? "path,label,probability" : "path,label";
  for (std::size_t rank = 2; rank <= top; ++rank)
    line += fmt::format(",label_{0},probability_{0}", rank);
  for (const std::string& name : classes)
    if (top == 0) line += ',' + csv_field(column_of(name));
  return line + ",error\n";
}

std::string csv_row(const std::vector<std::string>& classes, const Prediction& prediction,
                    std::size_t top) {
  std::string line = csv_field(prediction.file);
  if (!prediction.error.empty()) {
    const std::size_t empty = top > 0 ? 2 * top : 1 + classes.size();
    return line + std::string(empty + 1, ',') + csv_field(prediction.error) + '\n';
  }
  if (top == 0) line += ',' + csv_field(prediction.label);
  for (const std::size_t index : listed_classes(prediction.probabilities, top)) {
    if (top > 0) line += ',' + csv_field(classes.at(index));
    line += fmt::format(",{:.4f}", prediction.probabilities[index]);
  }
  return line + ",\n";
}

std::string json_line(const std::vector<std::string>& classes, const Prediction& prediction,
                      std::size_t top) {
  const std::string path = json_string(prediction.file);
  if (!prediction.error.empty())
    return fmt::format("{{\"path\": {}, \"error\": {}}}\n", path, json_string(prediction.error));
  std::string probabilities;
  for (const std::size_t index : listed_classes(prediction.probabilities, top))
    probabilities +=
        fmt::format("{}{}: {}", probabilities.empty() ? "" : ", ", json_string(classes.at(index)),
                    json_number(prediction.probabilities[index]));
  return fmt::format("{{\"path\": {}, \"label\": {}, \"probabilities\": {{{}}}}}\n", path,
                     json_string(prediction.label), probabilities);
}

}  // namespace graft::program
