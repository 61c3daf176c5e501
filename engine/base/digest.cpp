#include "engine/base/digest.h"

#include <xxhash.h>

#include <charconv>
#include <new>
#include <utility>

#include "engine/base/error.h"

namespace graft {

namespace {

constexpr std::size_t hex_digits_of_half = 16;

void append_hex(std::string& text, std::uint64_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    text.push_back(digits[(value >> static_cast<unsigned>(shift)) & 15U]);
  }
}

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
  std::string text;
  text.reserve(2 * hex_digits_of_half);
  append_hex(text, high);
  append_hex(text, low);
  return text;
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

struct Digester::State {
  State() : xxh(XXH3_createState()) {
    if (xxh == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(xxh);
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  XXH3_state_t* xxh;
};

Digester::Digester() : state_(std::make_unique<State>()) {}
Digester::~Digester() = default;
Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;

void Digester::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size());
}

void Digester::add(std::string_view text) {
  XXH3_128bits_update(state_->xxh, text.data(), text.size());
}

Digest Digester::digest() const {
  return from_xxh(XXH3_128bits_digest(state_->xxh));
}

}  // namespace graft
