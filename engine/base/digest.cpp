#include "engine/base/digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <charconv>
#include <new>

#include "engine/base/error.h"

namespace graft {

namespace {

constexpr std::size_t hex_digits_of_half = 16;

std::uint64_t half_from_hex(std::string_view half) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(half.data(), half.data() + half.size(), value, 16);
  if (error != std::errc() || end != half.data() + half.size()) {
    throw Error(ErrorKind::data, "not a digest of 32 hexadecimal digits");
  }
  return value;
}

Digest from_xxh(XXH128_hash_t hash) {
  return {hash.high64, hash.low64};
}

}  // namespace

std::string Digest::hex() const {
  return fmt::format("{:016x}{:016x}", high, low);
}

Digest Digest::from_hex(std::string_view thirty_two) {
  if (thirty_two.size() != 2 * hex_digits_of_half) {
    throw Error(ErrorKind::data, "not a digest of 32 hexadecimal digits");
  }
  return {half_from_hex(thirty_two.substr(0, hex_digits_of_half)),
          half_from_hex(thirty_two.substr(hex_digits_of_half))};
}

Digest digest_of(std::span<const std::byte> bytes) {
  return from_xxh(XXH3_128bits(bytes.data(), bytes.size()));
}

Digest digest_of(std::string_view text) {
  return from_xxh(XXH3_128bits(text.data(), text.size()));
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

void Digester::add(std::string_view text) {
  XXH3_128bits_update(state_.get(), text.data(), text.size());
}

Digest Digester::digest() const {
  return from_xxh(XXH3_128bits_digest(state_.get()));
}

}  // namespace graft
