#pragma once
// 128-bit digests (XXH3) of files and settings. They find changes and duplicates. They are no
// defence against a forged file.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct XXH3_state_s;  // of xxhash.h

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
inline Digest digest_of(std::string_view text) {
  return digest_of(std::as_bytes(std::span(text)));
}

// The same digest, of bytes that arrive in pieces. Move-only.
class Digester {
 public:
  Digester();
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  Digest digest() const;

 private:
  struct FreeState {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, FreeState> state_;
};

}  // namespace graft
