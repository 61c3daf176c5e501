// The order of the rows in an epoch: Fisher–Yates (Durstenfeld's form, Knuth's algorithm P) from
// the Philox stream {seed, shuffle, layer 0, step = epoch}. For i = rows − 1 … 1 the k-th word
// drawn (k = 0, 1, …) picks j = ⌊word · (i + 1) / 2³²⌋ ≤ i, and the rows at i and j change places.
// The choice among i + 1 places is uneven by at most 2⁻³².

#include <fmt/format.h>

#include <limits>
#include <numeric>
#include <utility>

#include "engine/base/error.h"
#include "engine/head/trainer.h"
#include "kernels/philox.h"

namespace graft {

std::vector<std::uint32_t> epoch_order(std::size_t rows, std::uint64_t seed, std::uint64_t epoch) {
  if (rows > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(
        ErrorKind::data,
        fmt::format("{} rows are more than training can number (2^32 - 1); use fewer.", rows));
  }
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0U);
  const RandomStream stream{seed, RandomPurpose::shuffle, 0, epoch};
  PhiloxBlock block = {};
  std::uint64_t drawn = 0;
  for (std::size_t last = rows; last-- > 1; ++drawn) {
    if (drawn % 4 == 0) block = random_block(stream, drawn / 4);
    const std::uint64_t places = last + 1;
    const std::uint64_t pick = (block.word[drawn % 4] * places) >> 32U;
    std::swap(order[last], order[pick]);
  }
  return order;
}

}  // namespace graft
