// A GPU as a BenchDevice. Every case of every suite runs, on the virtual GPU without an error and
// without a time; failures are sentences.

#include "bench/cuda/cuda_bench_device.h"

#include <gmock/gmock.h>

#include <fmt/format.h>

#include <map>
#include <regex>
#include <set>

#include "engine/backend/cuda/runtime/resources.h"
#include "engine/base/error.h"
#include "tests/bench_cuda/nvml_stub.h"
#include "tests/kernels_cuda/cuda_test.h"
#include "tests/support/support.h"

namespace graft::bench {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Axes tiny_axes(std::vector<Precision> precisions) {
  return {{1, 2}, {{32, 32}, {32, 48}}, std::move(precisions)};
}
Axes one_point(Precision precision) {
  return {{1}, {{32, 32}}, {precision}};
}

class CudaBench : public test::CudaTest {
 protected:
  CudaBenchDevice make(CudaBenchOptions options = {}) {
    BenchSetup setup;
    setup.config.threads = 1;
    setup.config.head.hidden = {16};
    setup.scratch = [folder = folder_.path()] { return folder; };
    if (!options.flush_bytes && test::on_virtual_gpu()) options.flush_bytes = 4096;
    return CudaBenchDevice(0, setup, options);
  }

  // `hot`: how many executions follow the cold one.
  static void run_all(BenchDevice& device, const std::vector<Case>& cases, std::size_t hot) {
    ASSERT_FALSE(cases.empty());
    for (const Case& what : cases) {
      SCOPED_TRACE(what.name);
      const auto subject = what.prepare();
      const bool timed = device.has_timer() || what.clock == Clock::host;
      EXPECT_EQ(subject->sample(CacheState::cold, 1) > 0.0, timed);
      if (hot == 0) continue;
      EXPECT_EQ(subject->sample(CacheState::hot, hot) > 0.0, timed);
    }
  }

  // The sentence of the Error that `work` throws.
  template <typename Work>
  static std::string refusal(Work&& work, ErrorKind kind = ErrorKind::device) {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
  }

  test::TemporaryFolder folder_;
};

Case bias_relu_case(CudaBenchDevice& device) {
  const auto cases = device.cases(Suite::kernels, one_point(Precision::fp32));
  const auto found =
      std::ranges::find(cases, "kernels/bias_relu/fp32/pixels:1024/channels:64", &Case::name);
  return found == cases.end() ? Case{} : *found;
}

void expect_unique_names(const std::vector<Case>& cases) {
  std::set<std::string> names;
  for (const Case& what : cases) EXPECT_TRUE(names.insert(what.name).second) << what.name;
}

TEST_F(CudaBench, EveryKernelRunsInEveryStorageType) {
  CudaBenchDevice device = make();
  const auto cases =
      device.cases(Suite::kernels,
                   tiny_axes({Precision::fp32, Precision::tf32, Precision::fp16, Precision::bf16}));
  expect_unique_names(cases);
  run_all(device, cases, 2);
}

TEST_F(CudaBench, TheKernelsAreThoseOfTheFolder) {
  CudaBenchDevice device = make();
  std::set<std::string> kernels;
  for (const Case& what : device.cases(Suite::kernels, one_point(Precision::fp16))) {
    EXPECT_THAT(what.name, StartsWith("kernels/"));
    if (what.name.starts_with("kernels/launch_")) continue;
    EXPECT_EQ(what.clock, Clock::device);
    EXPECT_GT(what.cost.bytes, 0.0) << what.name;
    kernels.insert(what.name.substr(8, what.name.find('/', 8) - 8));
  }
  EXPECT_EQ(kernels,
            (std::set<std::string>{"bias_relu", "bias_relu_max_pool", "cast_features",
                                   "column_sums", "gather_rows", "global_pool", "preprocess",
                                   "relu_dropout", "relu_dropout_backward", "rmsprop",
                                   "sigmoid_cross_entropy", "sigmoid_probabilities",
                                   "softmax_cross_entropy", "softmax_probabilities"}));
}

TEST_F(CudaBench, LaunchesAreTimedByTheHostManyInASample) {
  CudaBenchDevice device = make();
  std::vector<Case> launches = device.cases(Suite::kernels, one_point(Precision::fp32));
  std::erase_if(launches,
                [](const Case& what) { return !what.name.starts_with("kernels/launch_"); });
  ASSERT_EQ(launches.size(), 2U);
  EXPECT_EQ(launches[0].name, "kernels/launch_kernel");
  EXPECT_EQ(launches[1].name, "kernels/launch_graph/nodes:20");
  for (const Case& what : launches) {
    EXPECT_EQ(what.clock, Clock::host);
    EXPECT_GE(what.sequence, 100U);
    EXPECT_GT(what.prepare()->sample(CacheState::cold, 300), 0.0) << what.name;
  }
}

TEST_F(CudaBench, ACostIsWhatTheHeaderPromises) {
  CudaBenchDevice device = make();
  const auto cases = device.cases(Suite::kernels, one_point(Precision::fp16));
  const auto found =
      std::ranges::find(cases, "kernels/bias_relu/fp16/pixels:1024/channels:64", &Case::name);
  ASSERT_NE(found, cases.end());
  EXPECT_EQ(found->cost.bytes, 2.0 * 2 * 1024 * 64 + 4 * 64);
  EXPECT_EQ(found->cost.arithmetic, Precision::fp16);
}

class CudaBenchLayers : public CudaBench, public ::testing::WithParamInterface<Precision> {};

TEST_P(CudaBenchLayers, EveryEngineRunsWithWhatFollowsIt) {
  CudaBenchDevice device = make();
  std::vector<Case> cases = device.cases(Suite::layers, one_point(GetParam()));
  expect_unique_names(cases);
  // The first layer's padded channels, and a layer without and with a pool; the others are only
  // larger.
  std::erase_if(cases, [](const Case& what) {
    return !what.name.starts_with("layers/block1_") &&
           !what.name.starts_with("layers/block2_conv1");
  });
  run_all(device, cases, 0);
}

TEST_P(CudaBenchLayers, EachConvolutionHasEachPossibleEpilogue) {
  CudaBenchDevice device = make();
  std::set<std::string> found;
  for (const Case& what : device.cases(Suite::layers, one_point(GetParam()))) {
    static const std::regex pattern(
        "layers/(block\\d_conv\\d)/(\\w+)/size:32/batch:1/engine:[^/,]+/"
        "epilogue:(\\w+)");
    std::smatch parts;
    ASSERT_TRUE(std::regex_match(what.name, parts, pattern)) << what.name;
    EXPECT_EQ(parts[2].str(), name_of(GetParam()));
    EXPECT_GT(what.cost.flop, 0.0);
    EXPECT_GT(what.cost.bytes, 0.0);
    found.insert(parts[1].str() + " " + parts[3].str());
  }
  for (const Vgg16Layer& layer : vgg16_layers) {
    const std::string name(layer.name);
    const char* epilogue = layer.pool_after ? " bias_relu_max_pool" : " bias_relu";
    EXPECT_THAT(found, Contains(name + epilogue));
    EXPECT_EQ(found.count(name + " fused") != 0 && layer.pool_after, false) << name;
  }
}

// At 75×75 the pools drop odd rows and columns in three of five blocks.
TEST_P(CudaBenchLayers, EveryWayCostsTheSameAndAllLayersTheBackbonesArithmetic) {
  CudaBenchDevice device = make();
  const Axes axes = {{2}, {{75, 75}}, {GetParam()}};
  std::map<std::string, Cost> layers;
  for (const Case& what : device.cases(Suite::layers, axes)) {
    const std::string layer = what.name.substr(7, what.name.find('/', 7) - 7);
    const Cost& first = layers.try_emplace(layer, what.cost).first->second;
    EXPECT_EQ(what.cost.flop, first.flop) << what.name;
    EXPECT_EQ(what.cost.bytes, first.bytes) << what.name;
    EXPECT_EQ(what.cost.arithmetic, GetParam()) << what.name;
  }
  EXPECT_EQ(layers.size(), vgg16_convolutions);
  double flop = 0.0;
  for (const auto& [name, cost] : layers) flop += cost.flop;
  const auto backbone = device.cases(Suite::backbone, axes);
  ASSERT_EQ(backbone.size(), 1U);
  EXPECT_EQ(flop, backbone.front().cost.flop);
}

INSTANTIATE_TEST_SUITE_P(EachPrecision, CudaBenchLayers,
                         ::testing::Values(Precision::fp32, Precision::tf32, Precision::fp16,
                                           Precision::bf16),
                         [](const auto& given) { return std::string(name_of(given.param)); });

TEST_F(CudaBench, TheSuitesOfEveryBackendRun) {
  CudaBenchDevice device = make();
  for (const Suite suite : {Suite::backbone, Suite::head, Suite::pipeline}) {
    const auto cases = device.cases(suite, one_point(Precision::fp16));
    expect_unique_names(cases);
    run_all(device, cases, 0);
  }
}

TEST_F(CudaBench, ListingTakesNoMemory) {
  CudaBenchDevice device = make();
  std::size_t before = 0, after = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&before, &total), cudaSuccess);
  for (const Suite suite : all_suites) device.cases(suite, one_point(Precision::fp16));
  ASSERT_EQ(cudaMemGetInfo(&after, &total), cudaSuccess);
  EXPECT_EQ(before, after);
}

TEST_F(CudaBench, TheVirtualGpuIsNamedAndHasNoTimer) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "a real GPU has a timer";
  CudaBenchDevice device = make();
  EXPECT_FALSE(device.has_timer());
  const DeviceIdentity identity = device.identity();
  EXPECT_THAT(identity.name, StartsWith("virtual GPU ("));
  EXPECT_EQ(identity.device, "cuda:0");
  EXPECT_THAT(identity.instruction_set, StartsWith("sm_"));
  EXPECT_THAT(identity.driver, StartsWith("for CUDA "));
  EXPECT_NE(identity.cudnn, "");
  EXPECT_GT(identity.memory_bytes, 0U);
}

TEST_F(CudaBench, CeilingsAreMeasuredWithATimer) {
  CudaBenchDevice device = make();
  const Precision precisions[] = {Precision::fp16, Precision::bf16, Precision::tf32};
  const Ceilings ceilings = device.ceilings(precisions, {});
  EXPECT_EQ(ceilings.bytes_per_second > 0.0, device.has_timer());
  EXPECT_EQ(ceilings.flop_per_second.count(Precision::fp32) != 0, device.has_timer());
}

TEST_F(CudaBench, CeilingsCanBeInterrupted) {
  CudaBenchDevice device = make();
  std::stop_source stop;
  stop.request_stop();
  refusal([&] { device.ceilings({}, stop.get_token()); }, ErrorKind::interrupted);
}

TEST_F(CudaBench, ConditionsAreOfTheDeviceOnItsBus) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "the stub has the virtual GPU's place on the bus";
  CudaBenchOptions options;
  options.nvml_library = NVML_STUB;
  CudaBenchDevice device = make(options);
  EXPECT_EQ(device.conditions().clock_mhz, 1755.0);
  EXPECT_EQ(device.identity().driver, "580.65.06");
  EXPECT_EQ(make().conditions().clock_mhz, std::nullopt);
}

TEST_F(CudaBench, WhatDoesNotFitIsRefusedBeforeMemoryIsTaken) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "the memory of other GPUs is not known";
  CudaBenchDevice device = make();
  const cuda::DeviceBuffer of_another(std::size_t{20} << 30U);  // of 24 GiB
  const Axes huge = {{668}, {{224, 224}}, {Precision::fp32}};
  const auto cases = device.cases(Suite::kernels, huge);
  const auto is_bias_relu = [](const Case& one) {
    return one.name.starts_with("kernels/bias_relu/fp32/");
  };
  EXPECT_THAT(refusal([&] { std::ranges::find_if(cases, is_bias_relu)->prepare(); }),
              ::testing::AllOf(StartsWith("kernels/bias_relu/fp32/"),
                               HasSubstr(" of GPU memory, but cuda:0 has "),
                               HasSubstr("choose smaller batches")));
}

TEST_F(CudaBench, UnsupportedAxesAreWrongUsage) {
  CudaBenchDevice device = make();
  const Axes axes = {{1}, {{16, 16}}, {Precision::fp32}};
  for (const Suite suite : {Suite::kernels, Suite::layers})
    refusal([&] { device.cases(suite, axes); }, ErrorKind::usage);
}

TEST_F(CudaBench, AFailedCallIsASentenceThatNamesTheCase) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU makes calls fail";
  for (const char* fault : {"cudaMalloc:1:2", "cudaMemsetAsync:1:1", "cudaLaunchKernel:1:701",
                            "cudaStreamSynchronize:1:1"}) {
    SCOPED_TRACE(fault);
    CudaBenchDevice device = make();
    const Case what = bias_relu_case(device);
    GRAFT_VIRTUAL_GPU(vgpu_set_faults)(fault);
    EXPECT_THAT(refusal([&] { what.prepare(); }), StartsWith(what.name + " failed: "));
    GRAFT_VIRTUAL_GPU(vgpu_set_faults)("");
  }
}

TEST_F(CudaBench, AFailureInASampleIsASentenceAndTheNextSampleRuns) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU makes calls fail";
  CudaBenchDevice device = make();
  const Case what = bias_relu_case(device);
  const auto subject = what.prepare();
  for (const char* fault :
       {"cudaLaunchKernel:1:701", "cudaLaunchKernel:2:701", "cudaEventRecord:1:1",
        "cudaEventRecord:2:1", "cudaEventElapsedTime:1:1"}) {
    SCOPED_TRACE(fault);
    GRAFT_VIRTUAL_GPU(vgpu_set_faults)(fault);
    EXPECT_THAT(refusal([&] { subject->sample(CacheState::hot, 1); }),
                StartsWith(what.name + " failed: "));
    GRAFT_VIRTUAL_GPU(vgpu_set_faults)("");
    EXPECT_EQ(subject->sample(CacheState::hot, 1), 0.0);
  }
}

TEST_F(CudaBench, ACeilingsKernelThatDidNotRunIsDetected) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU skips launches";
  // Each ceiling runs twice, and the blocking kernel before the second.
  for (const auto& [first, what] :
       {std::pair(1, "a copy"), std::pair(4, "fp32"), std::pair(7, "fp16")}) {
    SCOPED_TRACE(what);
    CudaBenchDevice device = make();
    const Precision precisions[] = {Precision::fp16};
    GRAFT_VIRTUAL_GPU(vgpu_set_faults)
    (fmt::format("cudaLaunchKernel:{}:0,cudaLaunchKernel:{}:0", first, first + 2).c_str());
    EXPECT_THAT(
        refusal([&] { device.ceilings(precisions, {}); }),
        StartsWith(fmt::format("the kernel that measures {} computed wrong numbers", what)));
    GRAFT_VIRTUAL_GPU(vgpu_set_faults)("");
  }
}

TEST_F(CudaBench, NothingIsLeftBehind) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU counts what is not freed";
  {
    CudaBenchDevice device = make();
    const auto cases = device.cases(Suite::kernels, one_point(Precision::fp32));
    run_all(device, {cases.front(), cases.back()}, 1);
    device.ceilings({}, {});
  }
  EXPECT_EQ(GRAFT_VIRTUAL_GPU(vgpu_check_leaks)(), 0);
}

TEST(CudaBenchDeviceOfNoOrdinal, IsRefused) {
  BenchSetup setup;
  EXPECT_THROW(CudaBenchDevice(99, setup), Error);
}

}  // namespace
}  // namespace graft::bench
