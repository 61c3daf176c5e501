#pragma once
// A span of floats between guard words, at a chosen offset from a cache line: a kernel that writes
// outside it is found, and so is one that needs alignment.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace graft::test {

class GuardedFloats {
 public:
  GuardedFloats(std::size_t count, std::size_t offset)
      : storage_(count + offset + 2 * guard + line, sentinel), count_(count) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data()) / sizeof(float);
    first_ = (line - address % line) % line + guard + offset;
    std::ranges::fill(values(), 0.0F);
  }
  GuardedFloats(std::span<const float> values_in, std::size_t offset)
      : GuardedFloats(values_in.size(), offset) {
    std::ranges::copy(values_in, data());
  }

  float* data() { return storage_.data() + first_; }
  std::span<float> values() { return {data(), count_}; }
  bool guards_intact() {
    const auto untouched = [](std::span<const float> words) {
      return std::ranges::all_of(words, [](float word) { return word == sentinel; });
    };
    const std::span<const float> all = storage_;
    return untouched(all.first(first_)) && untouched(all.subspan(first_ + count_));
  }

 private:
  static constexpr std::size_t line = 16;   // floats in a cache line
  static constexpr std::size_t guard = 32;  // at least, on both sides
  static constexpr float sentinel = -1234.5F;

  std::vector<float> storage_;
  std::size_t first_ = 0;
  std::size_t count_;
};

}  // namespace graft::test
