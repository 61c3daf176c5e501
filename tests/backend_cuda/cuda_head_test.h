#pragma once
// What the tests of the CUDA head share. One body runs on the virtual GPU and on a real one.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/backend/cpu/cpu_head.h"
#include "engine/backend/cuda/head/cuda_head.h"
#include "engine/backend/cuda/runtime/device.h"
#include "tests/kernels/head_fixture.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft::test {

// The rows of each batch of an epoch, from a generator of the test's own; the last may be smaller.
inline std::vector<std::vector<std::uint32_t>> shuffled_batches(std::size_t rows,
                                                                std::size_t batch_size,
                                                                std::uint32_t seed) {
  std::vector<std::uint32_t> order = first_rows(rows);
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  std::vector<std::vector<std::uint32_t>> batches;
  for (std::size_t first = 0; first < rows; first += batch_size) {
    const auto begin = order.begin() + static_cast<std::ptrdiff_t>(first);
    const auto size = static_cast<std::ptrdiff_t>(std::min(batch_size, rows - first));
    batches.emplace_back(begin, begin + size);
  }
  return batches;
}

class CudaHeadTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (!IsSkipped()) device_.emplace(0);
  }
  void TearDown() override {
    device_.reset();
    CudaTest::TearDown();
  }

  // Training rows stream where `resident` is false.
  std::unique_ptr<Head> make_cuda(const HeadOptions& options, bool resident = true) {
    return resident ? cuda::make_cuda_head(options, *device_)
                    : cuda::make_cuda_head(options, *device_, 0);
  }
  std::unique_ptr<Head> make_cpu(const HeadOptions& options) {
    return cpu::make_cpu_head(options, pool_, cpu::kernels_for(cpu::best_isa()));
  }

  std::optional<cuda::Device> device_;
  cpu::ThreadPool pool_{2};
};

}  // namespace graft::test
