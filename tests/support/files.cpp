#include "tests/support/files.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace graft::test {

std::string numbered(std::string_view before, std::size_t number, std::string_view after) {
  std::string name(before);
  name += std::to_string(number);
  name += after;
  return name;
}

void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  // A file that is truncated and written again is flushed by ext4 at once; a new one is not.
  std::filesystem::remove(path);
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

void write_bytes(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  write_bytes(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

WithoutPrivileges::WithoutPrivileges() {
  was_root_ = ::geteuid() == 0;
  bound_ = !was_root_ || ::seteuid(65534) == 0;
}

WithoutPrivileges::~WithoutPrivileges() {
  if (was_root_ && ::seteuid(0) != 0) std::abort();
}

}  // namespace graft::test
