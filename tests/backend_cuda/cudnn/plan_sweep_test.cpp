// The plans that each GPU of the registry gets for VGG16, by heuristics and without a device, in
// each precision, for two image sizes and batches of 1 to 1024: no fallback engine, fused where they
// may be, no sums by place, a bounded workspace.

#include <ostream>
#include <set>
#include <tuple>

#include "engine/backend/cuda/backbone/backbone_spec.h"
#include "engine/backend/cuda/cudnn/autotune.h"
#include "engine/forecast/gpu_registry.h"
#include "tests/backend_cuda/cudnn/cudnn_test.h"

namespace graft {

// How GoogleTest shows a parameter.
void PrintTo(const Gpu& gpu, std::ostream* out) {
  *out << gpu.properties.name;
}

namespace {

using cuda::ConvolutionPlan;
using cuda::ConvolutionProblem;
using cuda::CudnnDevice;

// These properties are given to cuDNN. Of GPUs that differ in memory alone, the smallest: its
// workspaces have the lowest limit.
auto known_to_cudnn(const Gpu& gpu) {
  const GpuProperties& of = gpu.properties;
  return std::tuple(of.compute_capability, of.multiprocessors, of.clock_khz, of.memory_clock_khz,
                    of.l2_cache);
}

std::vector<Gpu> distinct_gpus() {
  std::vector<Gpu> distinct;
  for (const Gpu& gpu : gpu_registry()) {
    const auto same = std::ranges::find(distinct, known_to_cudnn(gpu), known_to_cudnn);
    if (same == distinct.end()) {
      distinct.push_back(gpu);
    } else if (gpu.properties.memory < same->properties.memory) {
      *same = gpu;
    }
  }
  return distinct;
}

std::vector<std::size_t> batches_of(ImageSize image) {
  constexpr std::size_t most = 1024;  // of backbone.batch_size
  std::vector<std::size_t> batches = {3, 24, 100};
  for (std::size_t batch = 1; batch <= most; batch *= 2) batches.push_back(batch);
  const std::size_t largest = largest_usual_batch(image);
  std::erase_if(batches, [&](std::size_t batch) { return batch > largest; });
  if (largest < most) batches.push_back(largest);
  return batches;
}

long long knob(const ConvolutionPlan& plan, const std::string& name, long long otherwise) {
  const auto at = plan.engine().find(", " + name + " ");
  return at == std::string::npos ? otherwise
                                 : std::stoll(plan.engine().substr(at + 3 + name.size()));
}

void expect_good(const CudnnDevice& device, const ConvolutionProblem& problem) {
  cuda::Warnings warnings;
  const ConvolutionPlan plan = forecast_plan(device, problem, warnings);
  const std::string context = cuda::text_of(problem) + ": " + plan.engine();
  EXPECT_TRUE(warnings.empty()) << context << "; " << warnings[0];
  EXPECT_EQ(plan.problem().bias_relu, problem.bias_relu) << context;
  EXPECT_EQ(knob(plan, "STREAM_K", 0), 0) << context;
  EXPECT_TRUE(knob(plan, "WORKSPACE", 1) == 1 || plan.workspace_bytes() <= 131) << context;
  EXPECT_LE(plan.workspace_bytes(), device.memory() / 2) << context;
  if (problem.precision != Precision::fp32) return;
  EXPECT_FALSE(test::has_note(plan, "tensor core")) << context;
  // The slow engines that are left where the heuristics cut their list. On other architectures, and
  // for the first layer, the heuristics themselves prefer them.
  const std::set<int> with_better = {75, 80, 90};
  if (problem.input_channels == 4 || !with_better.contains(device.compute_capability())) return;
  EXPECT_FALSE(plan.engine().starts_with("engine 1,") || plan.engine().starts_with("engine 11,"))
      << context;
}

class PlanSweep : public ::testing::TestWithParam<Gpu> {};

TEST_P(PlanSweep, HasAGoodPlanForEachLayerAndBatch) {
  const auto device = CudnnDevice::described(GetParam().properties);
  std::size_t count = 0;
  for (const Precision precision : test::all_precisions) {
    if (peak_flop_per_second(GetParam(), precision) == 0.0) continue;
    std::set<ConvolutionProblem> problems;
    for (const std::uint32_t side : {150U, 224U}) {
      for (const std::size_t batch : batches_of({side, side})) {
        BackboneOptions options;
        options.image_size = {side, side};
        options.precision = precision;
        options.batch_size = batch;
        const cuda::BackboneSpec spec(options);
        for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
          problems.insert(spec.problem(layer));
        }
      }
    }
    for (const ConvolutionProblem& problem : problems) expect_good(device, problem);
    count += problems.size();
  }
  EXPECT_GE(count, 600U);
}

INSTANTIATE_TEST_SUITE_P(Registry, PlanSweep, ::testing::ValuesIn(distinct_gpus()),
                         [](const auto& instance) {
                           std::string name = instance.param.properties.name;
                           std::erase(name, ' ');
                           return name;
                         });

}  // namespace
}  // namespace graft
