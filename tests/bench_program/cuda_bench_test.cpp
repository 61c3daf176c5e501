// graft-bench on the virtual GPU: every case runs once, without a time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/base/file.h"
#include "tests/program/cuda_support.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class CudaGraftBench : public ::testing::Test {
 protected:
  CudaOutcome run(const std::string& suite,
                  const std::map<std::string, std::string>& settings = {}) const {
    return run_on_virtual_gpu(
        {suite, "--json", file_.string(), "--device", "cuda", "--batch", "1", "--size", "32",
         "--precision", "fp16", "--filter", "block5_conv3|kernels/bias_relu"},
        settings);
  }
  nlohmann::json result() const {
    return nlohmann::json::parse(read_text_file(file_, std::uint64_t{1} << 30));
  }

  const TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "result.json";
};

TEST_F(CudaGraftBench, RunsEachCaseOnceWithoutATime) {
  for (const char* suite : {"kernels", "layers"}) {
    SCOPED_TRACE(suite);
    const CudaOutcome ran = run(suite);
    ASSERT_EQ(ran.outcome.exit_code, 0) << ran.outcome.error;
    EXPECT_THAT(ran.report.errors, IsEmpty());
    EXPECT_THAT(ran.outcome.out, HasSubstr("virtual GPU: no timer"));
    const nlohmann::json found = result();
    EXPECT_EQ(found.at("has_timer"), false);
    EXPECT_EQ(found.at("complete"), true);
    EXPECT_THAT(found.at("device").at("name").get<std::string>(), StartsWith("virtual GPU ("));
    ASSERT_FALSE(found.at("measurements").empty());
    for (const nlohmann::json& one : found.at("measurements")) {
      EXPECT_EQ(one.at("ended"), "no_timer") << one.at("name") << one.at("failure");
      EXPECT_TRUE(one.at("samples").empty()) << one.at("name");
    }
  }
}

TEST_F(CudaGraftBench, AFailedCaseIsNamedAndTheOthersRun) {
  const CudaOutcome ran = run("kernels", {{"VGPU_FAIL", "cudaEventRecord:5:1"}});
  EXPECT_EQ(ran.outcome.exit_code, 5);
  EXPECT_THAT(ran.outcome.error, HasSubstr("failed, the others are valid; kernels/"));
  const nlohmann::json found = result();
  std::size_t failed = 0;
  for (const nlohmann::json& one : found.at("measurements")) failed += one.at("ended") == "failed";
  EXPECT_EQ(failed, 1U);
}

}  // namespace
}  // namespace graft::test
