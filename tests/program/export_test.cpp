// `graft export` after a run, without other programs. tests/system/export_test.py runs the models.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/config/config_file.h"
#include "engine/weights/onnx_graph.h"
#include "engine/weights/vgg16_weights.h"
#include "tests/program/recipe.h"
#include "tests/support/files.h"

namespace graft::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

class Export : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(recipe_.run("run").exit_code, 0); }

  Outcome to(const std::filesystem::path& file, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"export", recipe_.output("run").string(), "-o",
                                      file.string()};
    words.insert(words.end(), more.begin(), more.end());
    return graft_program(words);
  }
  // It must fail with this exit code and these words in its one sentence, and leave no new file.
  void expect_refused(const std::filesystem::path& file, const std::vector<std::string>& more,
                      int exit_code, const std::vector<std::string>& words) const {
    const bool existed = std::filesystem::exists(file);
    const Outcome outcome = to(file, more);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.error;
    EXPECT_EQ(lines_of(outcome.error).size(), 1U) << outcome.error;
    for (const std::string& word : words) EXPECT_THAT(outcome.error, HasSubstr(word));
    EXPECT_EQ(std::filesystem::exists(file), existed);
    EXPECT_FALSE(std::filesystem::exists(partial_path(file)));
  }

  Recipe recipe_;
  const std::filesystem::path onnx_ = recipe_.folder() / "model.onnx";
  const std::filesystem::path h5_ = recipe_.folder() / "head.h5";
};

TEST_F(Export, TheModelHoldsTheWeightsAndSaysWhatItIs) {
  const Outcome outcome = to(onnx_);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.out, HasSubstr("model.onnx: 5"));
  const Config config = load_config(recipe_.output("run"), {}, process_environment());
  const Vgg16Weights weights = load_vgg16_weights(config.backbone.weights);
  EXPECT_EQ(load_vgg16_weights(onnx_).digest, weights.digest);
  const std::string text = text_of(onnx_);
  const std::string config_text = text_of(recipe_.result("run") / "config.json");
  for (const std::string& property :
       {weights.digest.hex(), digest_of(config_text).hex(), std::string(R"(["brown","grey"])")})
    EXPECT_THAT(text.substr(text.size() - 1000), HasSubstr(property));
}

TEST_F(Export, TheGraphFollowsTheConfig) {
  const auto operations = [&](const std::vector<std::string>& more) {
    EXPECT_EQ(to(onnx_, more).exit_code, 0);
    std::vector<std::string> names;
    const OnnxFile file(onnx_);
    for (const OnnxNode& node : file.nodes())
      if (node.operation != "Conv" && node.operation != "Relu" && node.operation != "MaxPool")
        names.emplace_back(node.operation);
    return names;
  };
  EXPECT_THAT(operations({}),
              ElementsAreArray({"Cast", "Transpose", "Gather", "Sub", "Transpose", "Flatten",
                                "Gemm", "Gemm", "Sigmoid", "Sub", "Concat"}));
  EXPECT_THAT(operations({"--head-only"}),
              ElementsAreArray({"Flatten", "Gemm", "Gemm", "Sigmoid", "Sub", "Concat"}));
  // Views are no part of the features' key, so those of a finished run can be changed.
  EXPECT_THAT(operations({"--head-only", "--set", R"(data.views=["original", "vertical"])"}),
              ElementsAreArray({"Flatten", "Gemm", "Gemm", "Reshape", "ReduceMean", "Sigmoid",
                                "Sub", "Concat"}));
}

TEST_F(Export, TheSameRunGivesTheSameBytesAndReplacesAFile) {
  for (const std::filesystem::path& file : {onnx_, h5_}) {
    write_file_whole(file, "an old one");
    ASSERT_EQ(to(file).exit_code, 0);
    const std::string first = text_of(file);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5 could store the second
    ASSERT_EQ(to(file).exit_code, 0);
    EXPECT_TRUE(text_of(file) == first) << file;
  }
  EXPECT_THAT(text_of(h5_), ::testing::StartsWith("\x89HDF"));
}

TEST_F(Export, RefusalsLeaveNothing) {
  expect_refused(recipe_.folder() / "model.pb", {}, 2, {"model.pb", ".onnx", ".h5"});
  expect_refused(h5_, {"--half"}, 2, {"head.h5", ".onnx", "--half", "--head-only"});
  expect_refused(h5_, {"--head-only"}, 2, {"head.h5", ".onnx", "--half", "--head-only"});
  expect_refused(onnx_, {"--set", "data.preprocess=rescale"}, 2,
                 {"preprocess changed from caffe to rescale"});
  expect_refused(onnx_, {"--head-only", "--set", "data.resize=nearest"}, 2, {"resize changed"});
  expect_refused(h5_, {"--set", "data.resize=nearest"}, 2, {"resize changed"});
  expect_refused(recipe_.folder() / "none" / "model.onnx", {}, 6, {"none/model.onnx"});
  expect_refused(recipe_.folder() / "none" / "head.h5", {}, 6, {"none/head.h5"});
  // Read-only, also for root.
  expect_refused("/sys/model.onnx", {}, 6, {"/sys/model.onnx", "check its permissions"});
  expect_refused("/sys/head.h5", {}, 6, {"/sys/head.h5", "check its permissions"});
  std::filesystem::create_directory(onnx_);
  expect_refused(onnx_, {}, 6, {"not a regular file"});
}

TEST_F(Export, AFullDiskKeepsTheOldFile) {
  write_file_whole(onnx_, "an old one");
  // The file may have 1 MiB (in units of 512 bytes).
  const std::string command = "ulimit -f 2048; exec '" + std::string(GRAFT_PROGRAM) + "' export '" +
                              recipe_.output("run").string() + "' -o '" + onnx_.string() + "'";
  ChildOptions shell;
  shell.program = "/bin/sh";
  const Outcome outcome = graft_program({"-c", command}, shell);
  EXPECT_EQ(outcome.exit_code, 6) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("model.onnx.partial"));
  EXPECT_EQ(text_of(onnx_), "an old one");
  EXPECT_FALSE(std::filesystem::exists(partial_path(onnx_)));
}

TEST_F(Export, OtherWeightsThanThoseOfTheRunAreRefused) {
  const Config config = load_config(recipe_.output("run"), {}, process_environment());
  Vgg16Weights other = load_vgg16_weights(config.backbone.weights);
  other.layers[0].bias[0] += 1.0F;
  const std::filesystem::path file = recipe_.folder() / "other.safetensors";
  save_vgg16_weights(file, other);
  const std::vector<std::string> with_others = {"--set", "backbone.weights=" + file.string()};
  expect_refused(onnx_, with_others, 2, {"the weights changed", "graft run"});
  std::filesystem::remove(file);
  expect_refused(onnx_, with_others, 6, {"there is no weights file"});
  // The head needs none.
  EXPECT_EQ(to(h5_, with_others).exit_code, 0);
  EXPECT_EQ(to(onnx_, {"--head-only", with_others[0], with_others[1]}).exit_code, 0);
}

TEST_F(Export, AClassNameThatIsNotUtf8IsRefused) {
  const std::filesystem::path head = recipe_.result("run") / "head.safetensors";
  std::string bytes = text_of(head);
  bytes[bytes.find("brown")] = '\xe9';
  write_file_whole(head, bytes);
  for (const std::filesystem::path& file : {onnx_, h5_})
    expect_refused(file, {}, 4, {"head.safetensors", "UTF-8"});
}

}  // namespace
}  // namespace graft::test
