#pragma once
// 128-bit digests (XXH3) that name the content of files and of settings. They find changes and
// duplicates; they are no defence against somebody who forges a file.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace graft {

struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  std::string hex() const;                              // 32 lower-case digits, high half first
  static Digest from_hex(std::string_view thirty_two);  // throws Error(data)
  auto operator<=>(const Digest&) const = default;
};

// For unordered containers.
struct DigestHash {
  std::size_t operator()(const Digest& digest) const { return digest.low; }
};

Digest digest_of(std::span<const std::byte> bytes);
Digest digest_of(std::string_view text);

// The same digest, of bytes that come in pieces.
class Digester {
 public:
  Digester();
  ~Digester();
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;
  Digester(Digester&&) noexcept;
  Digester& operator=(Digester&&) noexcept;
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  Digest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace graft
