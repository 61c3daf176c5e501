// What `graft plan` prints for plans that are known.

#include "tools/graft/forecast_text.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "tests/forecast/described_module.h"
#include "tests/support/support.h"

namespace graft::program {
namespace {

using test::DescribedModule;
using test::error_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

GpuForecast known_forecast(std::size_t batch, std::size_t memory) {
  BackboneOptions options;
  options.batch_size = batch;
  options.precision = Precision::fp16;
  return forecast_for_gpu(DescribedModule(), *find_gpu("A100 80GB"), memory, options);
}

constexpr std::size_t eighty_gib = std::size_t{80} << 30U;

TEST(ForecastText, SaysWhatItIsOf) {
  EXPECT_THAT(
      forecast_text(known_forecast(10, eighty_gib)),
      StartsWith(
          "A100 80GB (sm_80): 108 multiprocessors, 80.0 GiB, 2039 GB/s, 312.0 "
          "TFLOP/s in fp16\n"
          "  from: NVIDIA A100 Tensor Core GPU data sheet\n"
          "VGG16 at 150×150, batch 10, fp16; execution plans of cuDNN 9.9.9, by its heuristics\n"
          "features: 8192 values an image\n"));
}

TEST(ForecastText, SaysWhichLayersArePooled) {
  BackboneOptions options;
  options.batch_size = 10;
  options.features = {{Layer::block1, Layer::block3}, Pooling::average_max};
  const GpuForecast forecast =
      forecast_for_gpu(DescribedModule(), *find_gpu("A100 80GB"), eighty_gib, options);
  const std::string text = forecast_text(forecast);
  EXPECT_THAT(text, HasSubstr("\nfeatures: 640 values an image\n"));
  EXPECT_THAT(text, HasSubstr("(tensor core, Winograd); then 2 kernels\n"));
  const auto json = nlohmann::json::parse(forecast_json(forecast));
  EXPECT_EQ(json.at("features"), 640);
}

// Ten images: 10 GFLOP at 312 TFLOP/s are 32.1 µs, 10 MB at 2,039 GB/s 4.9 µs. With Winograd 40
// GFLOP are 32.1 µs; 10 MB after it 4.9 µs more.
TEST(ForecastText, HasALineForEachLayerAndOneForAll) {
  EXPECT_THAT(
      forecast_text(known_forecast(10, eighty_gib)),
      HasSubstr(
          "layer         GFLOP    MB  workspace MiB  at least us  limited by  engine\n"
          "block1_conv1  10.00  10.0            0.0         32.1  arithmetic  engine 1; bias and "
          "ReLU fused\n"
          "block1_conv2  40.00  30.0           20.0         37.0  arithmetic  engine 2, TILE 3 "
          "(tensor core, Winograd); then a kernel\n"
          "total         50.00  40.0           20.0         69.0  arithmetic\n"));
}

TEST(ForecastText, SaysThatItIsABoundAndNoMeasurement) {
  const std::string text = forecast_text(known_forecast(10, eighty_gib));
  EXPECT_THAT(text, HasSubstr("at most 144913 images/s, limited by arithmetic"));
  EXPECT_THAT(text, HasSubstr("bounds from nominal figures, not measurements"));
  EXPECT_THAT(text, HasSubstr("some stay in the\nL2 cache"));
}

TEST(ForecastText, HasTheMemoryByPartAndWhatAutoIs) {
  const std::string text = forecast_text(known_forecast(10, eighty_gib));
  EXPECT_THAT(text, HasSubstr("device memory             MiB\n"
                              "activations, 2 buffers   80.0\n"
                              "workspace                20.0\n"
                              "weights                 100.0\n"
                              "images in flight         10.0\n"
                              "features in flight       10.0\n"
                              "total                   220.0\n"));
  EXPECT_THAT(text, HasSubstr("75.0 GiB of 80.0 GiB can be used"));
  EXPECT_THAT(text, HasSubstr("it fits\nbackbone.precision \"auto\" is tf32 on this GPU; "
                              "backbone.batch_size \"auto\" is 256 in fp16\n"));
  const std::string small = forecast_text(known_forecast(100, std::size_t{1} << 30U));
  EXPECT_THAT(small, HasSubstr("it does NOT fit\nbackbone.precision \"auto\" is tf32 on this GPU; "
                               "backbone.batch_size \"auto\" is 32 in fp16\n"));
}

TEST(ForecastJson, HasTheSameInWholeUnits) {
  const auto json = nlohmann::json::parse(forecast_json(known_forecast(10, eighty_gib)));
  EXPECT_EQ(json.at("version"), 2);
  EXPECT_THAT(json.at("note").get<std::string>(), HasSubstr("not measurements"));
  EXPECT_EQ(json.at("gpu").at("name"), "A100 80GB");
  EXPECT_EQ(json.at("gpu").at("architecture"), "sm_80");
  EXPECT_EQ(json.at("gpu").at("flop_per_second"), 312e12);
  EXPECT_EQ(json.at("gpu").at("memory_bytes"), eighty_gib);
  EXPECT_EQ(json.at("cudnn"), "9.9.9");
  EXPECT_EQ(json.at("precision"), "fp16");
  EXPECT_EQ(json.at("batch_size"), 10);
  ASSERT_EQ(json.at("layers").size(), 2U);
  const auto& layer = json.at("layers")[1];
  EXPECT_EQ(layer.at("name"), "block1_conv2");
  EXPECT_EQ(layer.at("engine"), "engine 2, TILE 3");
  EXPECT_EQ(layer.at("notes"), (std::vector<std::string>{"tensor core", "Winograd"}));
  EXPECT_EQ(layer.at("workspace_bytes"), DescribedModule::workspace_bytes);
  EXPECT_EQ(layer.at("convolution_flop"), 4e10);
  EXPECT_NEAR(layer.at("bound_seconds").get<double>(), 1e10 / 312e12 + 1e7 / 2039e9, 1e-9);
  EXPECT_NEAR(json.at("bound").at("seconds").get<double>(), 2e10 / 312e12 + 1e7 / 2039e9, 1e-9);
  EXPECT_EQ(json.at("bound").at("limited_by"), "arithmetic");
  EXPECT_EQ(json.at("memory").at("total_bytes"), std::size_t{220} << 20U);
  EXPECT_EQ(json.at("fits"), true);
  EXPECT_EQ(json.at("automatic").at("precision"), "tf32");
  EXPECT_EQ(json.at("automatic").at("batch_size"), 256);
}

TEST(ParseMemory, TakesNumbersWithAUnit) {
  EXPECT_EQ(parse_memory("24GiB"), std::uint64_t{24} << 30U);
  EXPECT_EQ(parse_memory("24 GiB"), std::uint64_t{24} << 30U);
  EXPECT_EQ(parse_memory("0.5GiB"), std::uint64_t{1} << 29U);
  EXPECT_EQ(parse_memory("8192MiB"), std::uint64_t{8} << 30U);
  EXPECT_EQ(parse_memory("24GB"), 24'000'000'000U);
  EXPECT_EQ(parse_memory("1MB"), 1'000'000U);
}

TEST(ParseMemory, RefusesAllElse) {
  for (const char* text : {"", "24", "GiB", "-1GiB", "1e3GiB", "0GiB", "1.2.3GiB", ".GiB", "nanGiB",
                           "24KiB", "24gib", "99999999999999999999999GiB", "9999999999GiB"}) {
    EXPECT_THAT(error_of([&] { parse_memory(text); }), HasSubstr("write 24GiB")) << text;
  }
}

TEST(ChosenGpu, IsByNameOrByArchitecture) {
  EXPECT_EQ(chosen_gpu("rtx 4090", "").properties.name, "RTX 4090");
  EXPECT_EQ(chosen_gpu("", "sm_90").properties.name, "H100 SXM");
  EXPECT_THAT(error_of([] { chosen_gpu("", ""); }), HasSubstr("give one of"));
  EXPECT_THAT(error_of([] { chosen_gpu("L4", "sm_89"); }), HasSubstr("give one of"));
}

TEST(ChosenGpu, AnUnknownOneIsRefusedWithWhatItMayBe) {
  EXPECT_THAT(error_of([] { chosen_gpu("H100", ""); }),
              HasSubstr("did you mean \"H100 PCIe\" or \"H100 SXM\"?"));
  EXPECT_THAT(error_of([] { chosen_gpu("RTX 4O90", ""); }), HasSubstr("\"RTX 4090\"?"));
  EXPECT_THAT(error_of([] { chosen_gpu("abacus", ""); }), HasSubstr("there are T4, A30"));
  for (const char* architecture : {"sm_70", "90", "sm_090", "sm_90a"}) {
    EXPECT_THAT(error_of([&] { chosen_gpu("", architecture); }),
                HasSubstr("there are sm_75, sm_80, sm_86"))
        << architecture;
  }
}

}  // namespace
}  // namespace graft::program
