#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "engine/base/text.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft::fuzz {
namespace {

constexpr std::size_t arena_bytes = std::size_t{1} << 20U;  // a multiple of every page size

std::byte* end_of_arena() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory =
      mmap(nullptr, arena_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(memory != MAP_FAILED, "memory for the input");
  auto* end = static_cast<std::byte*>(memory) + arena_bytes;
  require(mprotect(end, page, PROT_NONE) == 0, "a page that cannot be read");
  return end;
}

std::size_t accepted_count = 0;

}  // namespace

void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

void check_refusal(const Error& error, ErrorKind kind) {
  if (error.kind() != kind) std::fprintf(stderr, "%s\n", error.what());
  require(error.kind() == kind, "a refusal has the kind of its parser");
  std::string_view rest = error.what();
  require(!rest.empty(), "a refusal has a message");
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (printable(line) != line) std::fprintf(stderr, "%s\n", printable(line).c_str());
    require(printable(line) == line, "the lines of a message are printable");
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
}

void count_accepted() {
  ++accepted_count;
}

std::size_t accepted_inputs() {
  return accepted_count;
}

Bytes before_unreadable_memory(Bytes bytes) {
  static std::byte* const end = end_of_arena();
  require(bytes.size() <= arena_bytes, "inputs are at most 1 MiB");
  std::copy(bytes.begin(), bytes.end(), end - bytes.size());
  return {end - bytes.size(), bytes.size()};
}

std::filesystem::path file_with(Bytes bytes, const std::string& name) {
  static const test::TemporaryFolder folder;
  const std::filesystem::path path = folder / name;
  test::write_bytes(path, bytes);
  return path;
}

std::filesystem::path file_with(std::string_view text, const std::string& name) {
  return file_with(std::as_bytes(std::span(text)), name);
}

}  // namespace graft::fuzz
