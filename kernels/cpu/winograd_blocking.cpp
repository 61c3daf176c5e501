#include "kernels/cpu/winograd_blocking.h"

#include <algorithm>

namespace graft::cpu {
namespace {

std::size_t divide_up(std::size_t value, std::size_t by) {
  return (value + by - 1) / by;
}

std::size_t round_up(std::size_t value, std::size_t step) {
  return divide_up(value, step) * step;
}

}  // namespace

WinogradBlocking winograd_blocking(const ConvolutionShape& shape, const KernelTable& kernels,
                                   std::size_t threads) {
  // Up to 128 channels V and M of a block fit in the second-level cache.
  if (shape.inputs <= 128) {
    return {round_up(24, kernels.gemm_rows), std::min<std::size_t>(shape.outputs, 128), false};
  }
  const std::size_t share = round_up(divide_up(shape.outputs, threads), channel_block);
  return {round_up(84, kernels.gemm_rows), std::min<std::size_t>(share, 64), true};
}

}  // namespace graft::cpu
