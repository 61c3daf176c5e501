// What a launcher says when it cannot do its work. The refusals need no GPU: nothing is launched.

#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/gather_rows.h"
#include "kernels/cuda/preprocess.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft {
namespace {

using test::error_of;

TEST(CudaCheck, SaysExpressionCodeSentenceAndPlace) {
  const int line = __LINE__ + 2;
  try {
    GRAFT_CUDA_CHECK(cudaErrorMemoryAllocation);
    FAIL() << "nothing was thrown";
  } catch (const cuda::Failure& failure) {
    EXPECT_EQ(failure.code(), cudaErrorMemoryAllocation);
    EXPECT_EQ(failure.what(),
              "cudaErrorMemoryAllocation failed with cudaErrorMemoryAllocation (2): out of memory, "
              "at errors_test.cpp:" +
                  std::to_string(line));
  }
  EXPECT_NO_THROW(GRAFT_CUDA_CHECK(cudaSuccess));
}

TEST(CudaCheck, BlocksCoverTheItemsAndFitAGrid) {
  EXPECT_EQ(cuda::blocks_for(0, 256), 0U);
  EXPECT_EQ(cuda::blocks_for(1, 256), 1U);
  EXPECT_EQ(cuda::blocks_for(256, 256), 1U);
  EXPECT_EQ(cuda::blocks_for(257, 256), 2U);
  EXPECT_EQ(cuda::blocks_for(0x7FFFFFFF, 1), 0x7FFFFFFFU);
  EXPECT_THROW(cuda::blocks_for(0x80000000, 1), std::length_error);
  EXPECT_THROW(cuda::blocks_for(SIZE_MAX, 256), std::length_error);
}

TEST(CudaLaunchers, RefuseWhatTheyWereNotCompiledFor) {
  EXPECT_EQ(error_of([] { cuda::preprocess<float>(nullptr, nullptr, {}, 1, 5, nullptr); }),
            "preprocess: the output has 5 channels: 3, 4 and 8 are compiled");
  const cuda::BatchShape wide = {1, 2, 1U << 14U, 1U << 10U};
  EXPECT_EQ(
      error_of([&] { cuda::bias_relu_max_pool<float>(nullptr, nullptr, nullptr, wide, nullptr); }),
      "bias_relu_max_pool: a row has more than 2^23 values");
  const cuda::GatherSource long_rows = {nullptr, nullptr, std::size_t{1} << 26U};
  EXPECT_EQ(error_of([&] {
              cuda::gather_rows(nullptr, nullptr, long_rows, nullptr, nullptr, 1, nullptr);
            }),
            "gather_rows: a row has more than 67107840 columns");
  EXPECT_NO_THROW(cuda::preprocess<float>(nullptr, nullptr, {}, 0, 3, nullptr));
  EXPECT_NO_THROW(cuda::bias_relu<float>(nullptr, nullptr, 0, 64, nullptr));
}

class CudaLaunch : public test::CudaTest {};

TEST_F(CudaLaunch, AFailureNamesTheKernelAndKeepsTheCode) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU fails on demand";
  const test::DeviceArray<float> values(std::vector<float>(8, 1.0F));
  const test::DeviceArray<float> bias(std::vector<float>(8, 1.0F));
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)("cudaLaunchKernel:1:701");
  try {
    cuda::bias_relu(values.get(), bias.get(), 1, 8, nullptr);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const cuda::Failure& failure) {
    EXPECT_EQ(failure.code(), cudaErrorLaunchOutOfResources);
    EXPECT_EQ(std::string(failure.what()).find("launch of bias_relu failed with "), 0U)
        << failure.what();
  }
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)("");
}

}  // namespace
}  // namespace graft
