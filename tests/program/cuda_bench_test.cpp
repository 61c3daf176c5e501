// `graft bench` on a GPU, from the program to libgraft_cuda_bench.so and back; here on the virtual
// one, where everything runs and nothing has a time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/harness/result_file.h"
#include "tests/program/cuda_support.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using ::testing::StartsWith;

const std::vector<std::string> smallest = {
    "--device", "cuda",        "--batch", "1",        "--size",
    "32",       "--precision", "fp16",    "--filter", "block5_conv3|kernels/bias_relu"};

std::vector<std::string> with(std::vector<std::string> first,
                              const std::vector<std::string>& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

TEST(CudaBenchProgram, RunsEachCaseOnceAndGivesNoTime) {
  const TemporaryFolder folder;
  const std::string json = (folder.path() / "result.json").string();
  for (const char* suite : {"kernels", "layers"}) {
    SCOPED_TRACE(suite);
    const CudaOutcome ran = run_on_virtual_gpu(with({"bench", suite, "--json", json}, smallest));
    ASSERT_EQ(ran.outcome.exit_code, 0) << ran.outcome.error;
    EXPECT_THAT(ran.report.errors, IsEmpty());
    EXPECT_THAT(ran.outcome.out, HasSubstr("virtual: no times"));
    const bench::Result result = bench::read_result(json);
    EXPECT_FALSE(result.gives_times);
    EXPECT_TRUE(result.complete);
    EXPECT_THAT(result.device.name, StartsWith("virtual GPU ("));
    ASSERT_FALSE(result.measurements.empty());
    for (const bench::Measurement& one : result.measurements) {
      EXPECT_EQ(one.ended, bench::Ended::no_times) << one.what.name << one.failure;
      EXPECT_THAT(one.samples, IsEmpty()) << one.what.name;
    }
  }
}

TEST(CudaBenchProgram, ACaseThatFailsIsNamedAndTheOthersStand) {
  const TemporaryFolder folder;
  const std::string json = (folder.path() / "result.json").string();

  const CudaOutcome ran = run_on_virtual_gpu(with({"bench", "kernels", "--json", json}, smallest),
                                             {{"VGPU_FAIL", "cudaEventRecord:5:1"}});
  EXPECT_EQ(ran.outcome.exit_code, 5);
  EXPECT_THAT(ran.outcome.error, HasSubstr("could not be measured, the others stand; kernels/"));
  std::size_t failed = 0;
  for (const bench::Measurement& one : bench::read_result(json).measurements)
    failed += one.ended == bench::Ended::failed ? 1 : 0;
  EXPECT_EQ(failed, 1U);
}

}  // namespace
}  // namespace graft::test
