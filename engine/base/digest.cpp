#include "engine/base/digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <charconv>
#include <new>

#include "engine/base/error.h"

namespace graft {

namespace {

Digest from_xxh(XXH128_hash_t hash) {
  return {hash.high64, hash.low64};
}

}  // namespace

std::string Digest::hex() const {
  return fmt::format("{:016x}{:016x}", high, low);
}

Digest Digest::from_hex(std::string_view thirty_two) {
  if (thirty_two.size() != 32 ||
      thirty_two.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
    throw Error(ErrorKind::data, "not a digest of 32 hexadecimal digits");
  Digest digest;
  const char* const half = thirty_two.data() + 16;
  std::from_chars(thirty_two.data(), half, digest.high, 16);
  std::from_chars(half, half + 16, digest.low, 16);
  return digest;
}

Digest digest_of(std::span<const std::byte> bytes) {
  return from_xxh(XXH3_128bits(bytes.data(), bytes.size()));
}

void Digester::FreeState::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

Digester::Digester() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_.get());
}

void Digester::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

Digest Digester::digest() const {
  return from_xxh(XXH3_128bits_digest(state_.get()));
}

}  // namespace graft
