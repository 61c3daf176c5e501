// `graft plan`: cuDNN's real execution plans for GPUs that are not here.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/base/file.h"
#include "tests/program/child.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// A config whose images and weights need not be there.
class Plan : public ::testing::Test {
 protected:
  Plan() {
    write_file_whole(config(), R"({"data": {"train": "/t", "validation": "/v"},
                                   "backbone": {"weights": "/w", "batch_size": 32}})");
  }
  std::filesystem::path config() const { return folder_ / "config.json"; }
  Outcome plan(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"plan", config().string()});
    return graft_program(arguments);
  }
  void expect_refusal(const std::vector<std::string>& arguments, int code,
                      const std::string& part) const {
    const Outcome outcome = plan(arguments);
    SCOPED_TRACE(::testing::PrintToString(arguments));
    EXPECT_EQ(outcome.exit_code, code);
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.error, StartsWith("graft: "));
    EXPECT_THAT(outcome.error, HasSubstr(part));
    EXPECT_EQ(lines_of(outcome.error).size(), 1U) << outcome.error;
  }
  nlohmann::json planned(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const Outcome outcome = plan(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    return nlohmann::json::parse(outcome.out, nullptr, false);
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(Plan, MistakesAreExitCode2) {
  expect_refusal({}, 2, "give one of --gpu and --arch");
  expect_refusal({"--gpu", "L4", "--arch", "sm_90"}, 2, "give one of");
  expect_refusal({"--gpu", "RTX 4O90"}, 2, "did you mean \"RTX 4090\"?");
  expect_refusal({"--gpu", "a100"}, 2, "\"A100 40GB\" or \"A100 80GB PCIe\" or");
  expect_refusal({"--arch", "sm_70"}, 2, "there are sm_75, sm_80");
  expect_refusal({"--gpu", "L4", "--memory", "many"}, 2, "24GiB");
  expect_refusal({"--gpu", "L4", "--memory", ""}, 2, "24GiB");
  expect_refusal({"--gpu", "L4", "--set", "backbone.precision=fp8"}, 2, "\"bf16\"");
}

TEST_F(Plan, WithoutCudaItSaysSoWithExitCode5) {
  if (GRAFT_HAS_CUDA != 0) GTEST_SKIP() << "this build has CUDA";
  expect_refusal({"--arch", "sm_80"}, 5, "built without the CUDA toolkit");
}

class RealPlan : public Plan {
 protected:
  void SetUp() override {
    if (GRAFT_HAS_CUDA == 0) GTEST_SKIP() << "this build has no CUDA";
    if (GRAFT_SANITIZED != 0) GTEST_SKIP() << "cuDNN is not made for the sanitizers";
  }
};

// Σ 2·9·inputs·outputs·pixels over the layers after the first at 150×150 (feature maps of 150, 75,
// 37, 18 and 9), by hand. The first layer has padded channels.
TEST_F(RealPlan, HasTheThirteenLayersOfTheNetworkForEveryArchitecture) {
  constexpr double flop_after_the_first = 13'153'222'656.0;
  for (const std::string architecture :
       {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}) {
    SCOPED_TRACE(architecture);
    const auto json = planned({"--arch", architecture});
    ASSERT_TRUE(json.is_object());
    EXPECT_EQ(json.at("gpu").at("architecture"), architecture);
    EXPECT_THAT(json.at("cudnn").get<std::string>(), StartsWith("9."));
    const auto& layers = json.at("layers");
    ASSERT_EQ(layers.size(), 13U);
    EXPECT_EQ(layers[0].at("name"), "block1_conv1");
    EXPECT_EQ(layers[12].at("name"), "block5_conv3");
    double flop = 0.0;
    std::size_t workspace = 0;
    for (const auto& layer : layers) {
      EXPECT_THAT(layer.at("engine").get<std::string>(), StartsWith("engine "));
      EXPECT_GT(layer.at("bound_seconds"), 0.0);
      if (layer != layers[0]) flop += layer.at("convolution_flop").get<double>();
      workspace = std::max(workspace, layer.at("workspace_bytes").get<std::size_t>());
    }
    EXPECT_EQ(flop, 32 * flop_after_the_first);
    EXPECT_GE(json.at("memory").at("workspace_bytes"), workspace);
    EXPECT_EQ(json.at("memory").at("activation_bytes"), 2U * 32 * 150 * 150 * 64 * 4);
    EXPECT_EQ(json.at("fits"), true);
  }
}

TEST_F(RealPlan, HalfPrecisionRunsOnTensorCores) {
  const auto json = planned({"--gpu", "A100 40GB", "--set", "backbone.precision=fp16"});
  ASSERT_TRUE(json.is_object());
  for (const auto& layer : json.at("layers"))
    EXPECT_THAT(layer.at("notes"), ::testing::Contains("tensor core")) << layer.at("name");
  EXPECT_EQ(json.at("memory").at("activation_bytes"), 2U * 32 * 150 * 150 * 64 * 2);
}

TEST_F(RealPlan, TheMemoryDecidesTheBatch) {
  const auto large = planned({"--gpu", "L4", "--set", "backbone.batch_size=auto"});
  const auto small =
      planned({"--gpu", "L4", "--set", "backbone.batch_size=auto", "--memory", "2GiB"});
  EXPECT_EQ(large.at("batch_size"), 256);
  EXPECT_EQ(large.at("automatic").at("batch_size"), 256);
  EXPECT_EQ(small.at("batch_size"), 32);
  EXPECT_TRUE(small.at("fits"));
  EXPECT_LE(small.at("memory").at("total_bytes"), small.at("gpu").at("usable_bytes"));
  EXPECT_EQ(small.at("gpu").at("memory_bytes"), std::size_t{2} << 30U);
  const auto tiny =
      planned({"--gpu", "L4", "--set", "backbone.batch_size=auto", "--memory", "40MiB"});
  EXPECT_EQ(tiny.at("batch_size"), 1);
  EXPECT_FALSE(tiny.at("fits"));
}

TEST_F(RealPlan, TheGpuDecidesThePrecision) {
  const auto precisions = [](const nlohmann::json& json) {
    return std::pair<std::string, std::string>(json.at("precision"),
                                               json.at("automatic").at("precision"));
  };
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(precisions(planned({"--gpu", "T4"})), Pair("fp32", "fp32"));
  EXPECT_EQ(precisions(planned({"--gpu", "L4"})), Pair("tf32", "tf32"));
  EXPECT_EQ(precisions(planned({"--gpu", "L4", "--set", "backbone.precision=bf16"})),
            Pair("bf16", "tf32"));
}

TEST_F(RealPlan, PrintsATableAndWhatItIsWorth) {
  const Outcome outcome = plan({"--gpu", "rtx4090"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.out, StartsWith("RTX 4090 (sm_89): 128 multiprocessors"));
  EXPECT_THAT(outcome.out, HasSubstr("\nblock5_conv3 "));
  EXPECT_THAT(outcome.out, HasSubstr("not measurements"));
  EXPECT_THAT(outcome.error, IsEmpty());
}

TEST_F(RealPlan, APrecisionThatTheGpuLacksIsExitCode5) {
  expect_refusal({"--gpu", "T4", "--set", "backbone.precision=bf16"}, 5, "T4 (sm_75) has no bf16");
}

}  // namespace
}  // namespace graft::test
