// ReLU and dropout. The random words of a few blocks are made in one loop without branches, which
// the compiler turns into vectors of blocks; they are integers, the same on every processor.

#include "kernels/cpu/relu_dropout.h"

#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

static constexpr std::size_t group_blocks = 16;
static constexpr std::size_t group = 4 * group_blocks;

static void random_words(const RandomStream& stream, std::uint64_t first_block,
                         std::uint32_t* words) {
  for (std::size_t block = 0; block < group_blocks; ++block) {
    const PhiloxBlock random = random_block(stream, first_block + block);
    for (std::size_t lane = 0; lane < 4; ++lane) words[4 * block + lane] = random.word[lane];
  }
}

static float rectified(float value) {
  return value > 0.0F || value != value ? value : 0.0F;
}

void relu_dropout(float* values, std::size_t count, std::uint64_t first, const Dropout& dropout) {
  if (dropout.threshold == 0) {
    for (std::size_t i = 0; i < count; ++i) values[i] = rectified(values[i]) * dropout.scale;
    return;
  }
  std::uint32_t words[group];
  std::size_t done = 0;
  while (done < count) {
    const std::uint64_t index = first + done;
    const std::size_t skip = index % 4;  // a row may begin within a block
    const std::size_t here = count - done < group - skip ? count - done : group - skip;
    random_words(dropout.stream, index / 4, words);
    for (std::size_t i = 0; i < here; ++i) {
      const float value = rectified(values[done + i]) * dropout.scale;
      values[done + i] = (words[skip + i] >> 8U) >= dropout.threshold ? value : 0.0F;
    }
    done += here;
  }
}

void relu_dropout_backward(float* gradient, const float* outputs, std::size_t count, float scale) {
  for (std::size_t i = 0; i < count; ++i) {
    const bool passes = outputs[i] > 0.0F || outputs[i] != outputs[i];
    gradient[i] = passes ? gradient[i] * scale : 0.0F;
  }
}

}  // namespace graft::cpu::GRAFT_ISA
