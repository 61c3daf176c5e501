#pragma once
// Files that tests write by hand.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace graft::test {

// "cat" 7 ".png" as "cat7.png".
std::string numbered(std::string_view before, std::size_t number, std::string_view after = {});

// Replaces the file; creates the folders above it too.
void write_bytes(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_bytes(const std::filesystem::path& path, std::string_view bytes);
// The content of a file; empty when it cannot be read.
std::string read_bytes(const std::filesystem::path& path);

// While it lives, permissions bind as for any user, also when root runs the tests.
class WithoutPrivileges {
 public:
  WithoutPrivileges();
  ~WithoutPrivileges();
  WithoutPrivileges(const WithoutPrivileges&) = delete;
  WithoutPrivileges& operator=(const WithoutPrivileges&) = delete;
  bool bound() const { return bound_; }

 private:
  bool was_root_ = false;
  bool bound_ = false;
};

}  // namespace graft::test
