#include "kernels/cpu/winograd_blocking.h"

#include <algorithm>

#include "kernels/cpu/divide_up.h"

namespace graft::cpu {

WinogradBlocking winograd_blocking(const ConvolutionShape& shape, const KernelTable& kernels,
                                   std::size_t threads) {
  // Up to 128 channels V and M of so few tiles stay in or near the second-level cache.
  if (shape.inputs <= 128) {
    return {round_up(24, kernels.gemm_rows), std::min<std::size_t>(shape.outputs, 128), false};
  }
  // Larger blocks of channels read V less often; smaller ones when threads would wait for others.
  const bool even = divide_up(shape.outputs, 64) % threads == 0;
  return {round_up(84, kernels.gemm_rows), std::min<std::size_t>(shape.outputs, even ? 64 : 32),
          true};
}

}  // namespace graft::cpu
