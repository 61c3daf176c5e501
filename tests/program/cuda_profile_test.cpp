// --trace, --profile and NVTX on a GPU; here on the virtual one.

#include <gmock/gmock.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <set>

#include "tests/program/cuda_support.h"
#include "tests/program/nvtx_calls.h"
#include "tests/program/recipe.h"
#include "tests/support/trace_events.h"

namespace graft::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr const char* compute = "cuda compute (virtual GPU: order, no times)";
constexpr const char* head = "cuda head (virtual GPU: order, no times)";

bool is_of(const std::string& launch, const std::string& kernel) {
  const std::size_t place = launch.find(kernel + "_kernel");
  if (place == std::string::npos || place == 0) return false;
  const char before = launch[place - 1];  // not the end of another kernel's name
  return before != '_' && std::islower(static_cast<unsigned char>(before)) == 0;
}

std::size_t launches_of(const std::vector<std::string>& launches, const std::string& kernel) {
  return static_cast<std::size_t>(std::ranges::count_if(
      launches, [&](const std::string& name) { return is_of(name, kernel); }));
}

// Those inside the profiled ranges.
std::vector<std::string> profiled(const VirtualGpuReport& report) {
  std::vector<std::string> launches;
  for (const auto& [first, end] : report.profiled) {
    launches.insert(launches.end(), report.launches.begin() + static_cast<std::ptrdiff_t>(first),
                    report.launches.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return launches;
}

std::vector<TracedSpan> of_device(const std::vector<TracedSpan>& spans) {
  std::vector<TracedSpan> device;
  std::ranges::copy_if(spans, std::back_inserter(device),
                       [](const TracedSpan& span) { return span.enqueued.has_value(); });
  return device;
}

// The bytes that `kernel` promises for each launch are those that the virtual GPU counted, up to
// complete sectors. The first `untraced` launches have no span.
void expect_promises_kept(const std::string& kernel, const std::vector<TracedSpan>& device,
                          const VirtualGpuReport& report, std::size_t untraced) {
  std::vector<std::size_t> moved;
  for (std::size_t i = 0; i < report.launches.size(); ++i) {
    if (is_of(report.launches[i], kernel)) moved.push_back(report.moved[i]);
  }
  const std::vector<TracedSpan> promised = named(device, kernel);
  ASSERT_FALSE(promised.empty()) << kernel;
  ASSERT_EQ(moved.size(), promised.size() + untraced) << kernel;
  for (std::size_t i = 0; i < promised.size(); ++i) {
    const auto bytes = static_cast<double>(promised[i].bytes);
    EXPECT_NEAR(static_cast<double>(moved[i + untraced]), bytes, bytes / 50 + 256) << kernel;
  }
}

class CudaProfile : public ::testing::Test {
 protected:
  // Four batches of two training photos, two of validation photos.
  CudaOutcome run(const std::string& command, const std::string& name,
                  std::vector<std::string> more = {},
                  const std::map<std::string, std::string>& settings = {}) {
    more.insert(more.end(), {"--device", "cuda", "--set", "backbone.batch_size=2"});
    CudaOutcome outcome = run_on_virtual_gpu(recipe_.arguments(command, name, more), settings);
    EXPECT_EQ(outcome.outcome.exit_code, 0) << outcome.outcome.error;
    EXPECT_THAT(outcome.report.errors, IsEmpty());
    return outcome;
  }

  const Recipe recipe_;
};

TEST_F(CudaProfile, ATraceHasARowForEachStreamWithKernelsInTheirOrder) {
  for (const std::string seed : {"0", "1", "2"}) {
    const auto file = recipe_.folder() / ("trace " + seed);
    run("extract", seed, {"--trace", file.string()}, {{"VGPU_SEED", seed}});
    const std::string text = text_of(file);
    EXPECT_EQ(fault_of_trace(text), "");
    const std::vector<TracedSpan> device = of_device(traced_spans(text));
    std::set<std::string> rows;
    std::vector<std::string> of_batch, layers;
    for (const TracedSpan& span : device) {
      rows.insert(span.thread);
      if (span.thread != compute || span.number != 3) continue;
      of_batch.push_back(span.name);
      if (span.name == "convolution") layers.push_back(span.layer);
    }
    EXPECT_THAT(rows, UnorderedElementsAre("cuda copy in (virtual GPU: order, no times)", compute,
                                           "cuda copy out (virtual GPU: order, no times)"));
    EXPECT_EQ(named(device, "preprocess").size(), 6U);
    EXPECT_EQ(named(device, "copy").size(), 12U);
    ASSERT_FALSE(of_batch.empty());
    EXPECT_EQ(of_batch.front(), "preprocess");
    EXPECT_EQ(of_batch.back(), "cast_features");
    EXPECT_EQ(std::ranges::count(of_batch, "bias_relu_max_pool"), 5);
    ASSERT_EQ(layers.size(), 13U);
    EXPECT_EQ(layers.front(), "block1_conv1");
    EXPECT_EQ(layers.back(), "block5_conv3");
  }
}

// Three steps, then a chunk of validation photos. The head that trains and the one that evaluates
// share a row.
TEST_F(CudaProfile, ATraceHasARowForTheHeadsStream) {
  const auto file = recipe_.folder() / "trace";
  run("run", "a", {"--trace", file.string()});
  EXPECT_EQ(fault_of_trace(text_of(file)), "");
  std::vector<std::string> of_step;
  const std::vector<TracedSpan> spans = traced_spans(text_of(file));
  const std::vector<TracedSpan> device = of_device(spans);
  for (const TracedSpan& span : device) {
    if (span.thread != head || span.number != 0) continue;
    of_step.push_back(span.layer.empty() ? span.name : span.name + " " + span.layer);
    if (span.name == "advance") break;
  }
  EXPECT_THAT(of_step,
              ElementsAre("gather_rows", "product dense", "relu_dropout dense", "product dense_1",
                          "sigmoid_cross_entropy", "kernel_gradient dense_1", "column_sums dense_1",
                          "input_gradient dense_1", "relu_dropout_backward dense",
                          "kernel_gradient dense", "column_sums dense", "rmsprop", "advance"));
  EXPECT_EQ(named(device, "rmsprop").size(), named(spans, "step").size());
}

TEST_F(CudaProfile, TheHeadsKernelsCarryTheBytesThatTheyPromise) {
  const auto file = recipe_.folder() / "trace";
  const VirtualGpuReport report = run("run", "a", {"--trace", file.string()}).report;
  const std::vector<TracedSpan> device = of_device(traced_spans(text_of(file)));
  for (const TracedSpan& span : device) {
    if (span.thread != head) continue;
    const bool is_product = span.name == "product" || span.name.ends_with("_gradient");
    EXPECT_EQ(span.bytes == 0, is_product) << span.name;
  }
  for (const std::string kernel : {"gather_rows", "relu_dropout", "sigmoid_cross_entropy",
                                   "column_sums", "relu_dropout_backward", "rmsprop"}) {
    expect_promises_kept(kernel, device, report, 0);
  }
}

// Each also ran once without a tracer, when the backbone was made.
TEST_F(CudaProfile, TheDevicesWorkCarriesTheBytesThatItPromises) {
  const auto file = recipe_.folder() / "trace";
  const VirtualGpuReport report = run("extract", "a", {"--trace", file.string()}).report;
  const std::vector<TracedSpan> device = of_device(traced_spans(text_of(file)));
  for (const TracedSpan& span : device) {
    EXPECT_EQ(span.bytes == 0, span.name == "convolution") << span.name;
  }
  for (const std::string kernel : {"preprocess", "bias_relu_max_pool", "cast_features"}) {
    expect_promises_kept(kernel, device, report, named(device, kernel).size() / 6);
  }
}

// With spans around its kernels the network runs without its graphs.
TEST_F(CudaProfile, TracedFeaturesAreTheSameBytes) {
  const CudaOutcome plain = run("run", "plain");
  const CudaOutcome traced =
      run("run", "traced", {"--trace", (recipe_.folder() / "trace").string()});
  EXPECT_GT(plain.report.calls.at("cudaGraphLaunch"), 0);
  EXPECT_FALSE(traced.report.calls.contains("cudaGraphLaunch"));
  EXPECT_GT(traced.report.calls.at("cudaEventElapsedTime"), 0);
  EXPECT_FALSE(plain.report.calls.contains("cudaEventElapsedTime"));
  EXPECT_TRUE(same_results(recipe_.output("traced"), recipe_.output("plain")));
}

TEST_F(CudaProfile, AProfileIsOnAroundTheKernelsOfItsBatches) {
  const CudaOutcome plain = run("run", "plain");
  const CudaOutcome done = run("run", "a", {"--profile", "batches:1-2"});
  EXPECT_EQ(done.report.calls.at("cudaProfilerStart"), 1);
  EXPECT_EQ(done.report.calls.at("cudaProfilerStop"), 1);
  const auto launches = profiled(done.report);
  EXPECT_EQ(launches_of(launches, "preprocess"), 2U);
  EXPECT_EQ(launches_of(launches, "cast_features"), 2U);
  EXPECT_EQ(launches_of(launches, "bias_relu_max_pool"), 10U);
  EXPECT_EQ(launches_of(launches, "rmsprop"), 0U);
  EXPECT_GT(launches_of(done.report.launches, "rmsprop"), 0U);
  // No tracer wants kernels, so the run uses graphs as it does without --profile.
  EXPECT_EQ(done.report.calls.at("cudaGraphLaunch"), plain.report.calls.at("cudaGraphLaunch"));
  EXPECT_TRUE(same_results(recipe_.output("a"), recipe_.output("plain")));
}

// The validation photos' batches are counted from 0 again.
TEST_F(CudaProfile, AProfileEndsWithItsSetOfPhotos) {
  const CudaOutcome done = run("extract", "a", {"--profile", "batches:2-9"});
  EXPECT_EQ(launches_of(profiled(done.report), "preprocess"), 2U);
  EXPECT_THAT(done.outcome.error, HasSubstr("the last one profiled is 3"));
}

TEST_F(CudaProfile, AProfileOfEpochsHasTheirStepsAndNoOthers) {
  const CudaOutcome done = run("run", "a", {"--profile", "epoch:2", "--set", "train.epochs=3"});
  EXPECT_EQ(done.report.calls.at("cudaProfilerStart"), 1);
  EXPECT_EQ(done.report.calls.at("cudaProfilerStop"), 1);
  const std::size_t steps = launches_of(done.report.launches, "rmsprop");
  EXPECT_GT(steps, 0U);
  EXPECT_EQ(launches_of(profiled(done.report), "rmsprop"), steps / 3);
  EXPECT_EQ(launches_of(profiled(done.report), "preprocess"), 0U);
}

TEST_F(CudaProfile, TheTraceSaysWhatWasProfiled) {
  const auto file = recipe_.folder() / "trace";
  run("extract", "a", {"--profile", "batches:1-2", "--trace", file.string()});
  EXPECT_EQ(fault_of_trace(text_of(file)), "");
  const auto spans = traced_spans(text_of(file));
  const auto range = named(spans, "profiled");
  ASSERT_EQ(range.size(), 1U);
  std::vector<std::uint64_t> batches;
  for (const TracedSpan& span : named(spans, "preprocess")) {
    if (!span.enqueued) continue;
    if (*span.enqueued >= range[0].begin && *span.enqueued <= range[0].end) {
      batches.push_back(span.number);
    }
  }
  EXPECT_THAT(batches, ElementsAre(1U, 2U));
}

TEST_F(CudaProfile, ARangeThatNeverCameIsAWarning) {
  const CudaOutcome done = run("extract", "a", {"--profile", "batches:70-80"});
  EXPECT_FALSE(done.report.calls.contains("cudaProfilerStart"));
  EXPECT_THAT(done.outcome.error, HasSubstr("batches:70-80: nothing was profiled"));
}

TEST_F(CudaProfile, AutoThatTakesTheCpuIsExitCode5) {
  const CudaOutcome done = run_on_virtual_gpu(
      recipe_.arguments("run", "a", {"--device", "auto", "--profile", "epoch:1"}),
      {{"VGPU_DEVICES", "0"}});
  EXPECT_EQ(done.outcome.exit_code, 5);
  EXPECT_THAT(done.outcome.error, HasSubstr("starts and stops a GPU's profiler"));
}

TEST_F(CudaProfile, AProfilerThatRefusesIsAWarning) {
  for (const std::string call : {"cudaProfilerStart", "cudaProfilerStop"}) {
    const CudaOutcome done =
        run("extract", call, {"--profile", "batches:1"}, {{"VGPU_FAIL", call + ":1:999"}});
    EXPECT_THAT(done.outcome.error,
                HasSubstr("the device's profiler could not be started or stopped"));
  }
}

TEST_F(CudaProfile, ATraceThatTheDeviceDoesNotServeIsExitCode5) {
  for (const std::string call : {"cudaEventElapsedTime:3:1", "cudaEventRecord:9:1"}) {
    const auto file = recipe_.folder() / "trace";
    const CudaOutcome done = run_on_virtual_gpu(
        recipe_.arguments("extract", "a", {"--device", "cuda", "--trace", file.string()}),
        {{"VGPU_FAIL", call}});
    EXPECT_EQ(done.outcome.exit_code, 5) << call << done.outcome.error;
    EXPECT_THAT(done.outcome.error, HasSubstr(call.substr(0, call.find(':'))));
    EXPECT_EQ(fault_of_trace(text_of(file)), "");
    EXPECT_THAT(done.report.errors, IsEmpty()) << call;
  }
}

TEST_F(CudaProfile, NvtxNamesStreamsAndMarksKernelsByLayer) {
  const auto file = recipe_.folder() / "calls";
  run("run", "a", {},
      {{"NVTX_CALLS", file.string()}, {"NVTX_INJECTION64_PATH", GRAFT_NVTX_INJECTION}});
  const NvtxCalls calls = read_nvtx_calls(file);
  EXPECT_EQ(calls.fault, "");
  // The head that evaluates is another than the one that was trained.
  EXPECT_THAT(std::set(calls.streams.begin(), calls.streams.end()),
              UnorderedElementsAre("cuda copy in", "cuda compute", "cuda copy out", "cuda head"));
  const auto ranges = all_ranges(calls);
  for (const char* range :
       {"extract/backbone/copy", "extract/backbone/preprocess",
        "extract/backbone/block1_conv1/convolution",
        "extract/backbone/block1_conv2/bias_relu_max_pool", "extract/backbone/cast_features",
        "train/epoch/step/forward", "train/epoch/step/backward/column_sums",
        "train/epoch/step/backward/relu_dropout_backward", "train/epoch/step/rmsprop"}) {
    EXPECT_THAT(ranges, Contains(range));
  }
}

}  // namespace
}  // namespace graft::test
