#include "tools/graft/standard_output.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "engine/base/error.h"

namespace graft::program {
namespace {

[[noreturn]] void fail(int reason) {
  if (reason == EPIPE) throw ReaderGone{};
  throw Error(ErrorKind::io, fmt::format("the result cannot be written to standard output: {}",
                                         std::strerror(reason)));
}

}  // namespace

void write_result(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail(errno);
}

void flush_results() {
  if (std::fflush(stdout) != 0) fail(errno);
}

}  // namespace graft::program
