#pragma once
// What the loss kernels add up on the device, so that the host fetches it once an epoch.

#include <cstdint>

namespace graft::cuda {

struct LossTotals {
  double loss_sum;  // over the rows
  std::uint64_t correct;
};

}  // namespace graft::cuda
