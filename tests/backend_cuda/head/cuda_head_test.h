#pragma once
// Fixture of the CUDA head's tests, on the virtual GPU or a real one.

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "engine/backend/cuda/head/cuda_head.h"
#include "engine/backend/cuda/runtime/device.h"
#include "tests/backend/head_samples.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft::test {

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

  std::optional<cuda::Device> device_;
};

}  // namespace graft::test
