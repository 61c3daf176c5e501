#pragma once
// Philox4x32-10: random numbers that are a pure function of (seed, purpose, layer, step, index), so
// that any number of threads, and a GPU, draw the same ones, in any order, without a state.
// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".

#include <cstdint>

#include "kernels/host_device.h"

namespace graft {

struct PhiloxBlock {
  std::uint32_t word[4];
};

GRAFT_HOST_DEVICE PhiloxBlock philox4x32_10(PhiloxBlock counter, std::uint32_t key0,
                                            std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53U} * counter.word[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57U} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(product1 >> 32U) ^ counter.word[1] ^ key0,
                static_cast<std::uint32_t>(product1),
                static_cast<std::uint32_t>(product0 >> 32U) ^ counter.word[3] ^ key1,
                static_cast<std::uint32_t>(product0)}};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return counter;
}

enum class RandomPurpose : std::uint32_t { initialize = 1, shuffle = 2, dropout = 3 };

// What a stream of random words is for. Two streams that differ in any field are independent.
struct RandomStream {
  std::uint64_t seed;
  RandomPurpose purpose;
  std::uint32_t layer;  // 0 … 255
  std::uint64_t step;   // below 2^48
};

// Words 4·block … 4·block + 3 of the stream.
GRAFT_HOST_DEVICE PhiloxBlock random_block(const RandomStream& stream, std::uint64_t block) {
  const PhiloxBlock counter = {
      {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32U),
       static_cast<std::uint32_t>(stream.step),
       (static_cast<std::uint32_t>(stream.purpose) << 24U) | (stream.layer << 16U) |
           (static_cast<std::uint32_t>(stream.step >> 32U) & 0xFFFFU)}};
  return philox4x32_10(counter, static_cast<std::uint32_t>(stream.seed),
                       static_cast<std::uint32_t>(stream.seed >> 32U));
}

GRAFT_HOST_DEVICE std::uint32_t random_word(const RandomStream& stream, std::uint64_t index) {
  return random_block(stream, index / 4U).word[index % 4U];
}

// [0, 1) in steps of 2^-24: exact in float.
GRAFT_HOST_DEVICE float uniform_from_word(std::uint32_t word) {
  return static_cast<float>(word >> 8U) * 5.9604644775390625e-8F;
}

}  // namespace graft
