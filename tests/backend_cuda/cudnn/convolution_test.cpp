// Promises of a plan: the convolution of plain loops, the requested precision, the same after it was
// stored; and the messages when there is no plan.

#include <nlohmann/json.hpp>
#include <optional>

#include "engine/backend/cuda/runtime/errors.h"
#include "tests/backend_cuda/cudnn/cudnn_test.h"
#include "tests/backend_cuda/faults.h"

namespace graft {
namespace {

using cuda::ChosenBy;
using cuda::ConvolutionPlan;
using cuda::ConvolutionProblem;
using cuda::CudnnDevice;
using test::candidates;
using test::error_of;
using test::read_back;

// ---- Without a device ----

TEST(CudnnPlans, OfFp32UseNoTensorCores) {
  for (const int architecture : {80, 90}) {
    const auto device = CudnnDevice::described(test::described_gpu(architecture));
    for (const bool bias_relu : {false, true}) {
      const auto plans = candidates(device, {32, 75, 75, 128, 128, Precision::fp32, bias_relu});
      EXPECT_FALSE(plans.empty());
      for (const ConvolutionPlan& plan : plans) {
        EXPECT_FALSE(test::has_note(plan, "tensor core")) << plan.engine();
        EXPECT_FALSE(test::has_note(plan, "nondeterministic")) << plan.engine();
        EXPECT_EQ(plan.problem().bias_relu, bias_relu);
      }
    }
  }
}

TEST(CudnnPlans, OfTheOtherPrecisionsUseThem) {
  const auto device = CudnnDevice::described(test::described_gpu(90));
  for (const Precision precision : {Precision::tf32, Precision::fp16, Precision::bf16}) {
    const auto plans = candidates(device, {32, 75, 75, 128, 128, precision, true}, 1);
    ASSERT_EQ(plans.size(), 1U);
    EXPECT_TRUE(test::has_note(plans[0], "tensor core")) << plans[0].engine();
  }
}

TEST(CudnnPlans, OfHalfTypesNeitherTransformNorSumInHalf) {
  const auto device = CudnnDevice::described(test::described_gpu(80));
  for (const ConvolutionPlan& plan :
       candidates(device, {32, 75, 75, 128, 128, Precision::fp16, false})) {
    EXPECT_FALSE(test::has_note(plan, "Winograd")) << plan.engine();
    EXPECT_FALSE(test::has_note(plan, "sums in reduced precision")) << plan.engine();
  }
}

// Stream-K, which the heuristics put first here, would round an image's values by its place.
TEST(CudnnPlans, CutNoSumByAnImagesPlaceInTheBatch) {
  const auto device = CudnnDevice::described(test::described_gpu(100));
  for (const bool bias_relu : {false, true}) {
    const ConvolutionProblem problem = {256, 9, 9, 512, 512, Precision::fp16, bias_relu};
    const auto plans = candidates(device, problem);
    ASSERT_FALSE(plans.empty());
    std::string text;
    for (const ConvolutionPlan& plan : plans) {
      EXPECT_EQ(plan.engine().find("STREAM_K 1"), std::string::npos) << plan.engine();
      if (plan.engine().find("STREAM_K 0") != std::string::npos) text = plan.serialised();
    }
    const std::string knob = "\"CUDNN_KNOB_TYPE_STREAM_K\":";
    const std::size_t at = text.find(knob);
    ASSERT_NE(at, std::string::npos);
    text[at + knob.size()] = '1';
    EXPECT_EQ(error_of([&] { read_back(device, problem, text); }),
              "its sums depend on an image's place in the batch");
  }
}

// Hopper's engines cut the last tiles' sums at knob WORKSPACE 0, unless all tiles fill their waves.
TEST(CudnnPlans, HaveNoWorkspaceForPartialSums) {
  const auto device = CudnnDevice::described(test::described_gpu(90));
  const ConvolutionProblem problem = {16, 28, 28, 512, 512, Precision::tf32, true};
  std::string text;
  for (const ConvolutionPlan& plan : candidates(device, problem)) {
    if (plan.engine().find("WORKSPACE 0") == std::string::npos) continue;
    EXPECT_LE(plan.workspace_bytes(), 131U) << plan.engine();
    text = plan.serialised();
  }
  ASSERT_FALSE(text.empty());
  auto plan = nlohmann::json::parse(text);
  auto& knobs = plan.at("engine").at("knobChoices");
  knobs.at("CUDNN_KNOB_TYPE_TILE_CGA_M") = 4;
  knobs.at("CUDNN_KNOB_TYPE_TILE_CGA_N") = 1;
  knobs.at("CUDNN_KNOB_TYPE_TILE_SIZE") = 9;
  EXPECT_EQ(error_of([&] { read_back(device, problem, plan.dump()); }),
            "its sums depend on an image's place in the batch");
  knobs.at("CUDNN_KNOB_TYPE_WORKSPACE") = 1;
  EXPECT_EQ(error_of([&] { read_back(device, problem, plan.dump()); }), "");
}

TEST(CudnnPlans, TakeHalfOfTheMemoryAsWorkspaceAtMost) {
  GpuProperties gpu = test::described_gpu(80);
  const ConvolutionProblem problem = {32, 224, 224, 64, 64, Precision::fp32, false};
  const auto plans = candidates(CudnnDevice::described(gpu), problem);
  const auto large = std::ranges::max_element(plans, {}, &ConvolutionPlan::workspace_bytes);
  gpu.memory = 2 * large->workspace_bytes() - 2;
  const auto device = CudnnDevice::described(gpu);
  const auto fewer = candidates(device, problem);
  EXPECT_FALSE(fewer.empty());
  EXPECT_LT(fewer.size(), plans.size());
  for (const ConvolutionPlan& plan : fewer) EXPECT_LE(plan.workspace_bytes(), gpu.memory / 2);
  EXPECT_EQ(error_of([&] { read_back(device, problem, large->serialised()); }),
            "its workspace is too large for the GPU");
}

// In fp32 the heuristics propose only tensor cores here for batches above 16.
TEST(CudnnPlans, OfLargeBatchesHaveTheEnginesOfSmallOnes) {
  const auto device = CudnnDevice::described(test::described_gpu(90));
  ConvolutionProblem problem = {16, 28, 28, 512, 512, Precision::fp32, true};
  const std::string engine = candidates(device, problem, 1).at(0).engine();
  for (const std::size_t batch : {32U, 100U, 256U}) {
    problem.batch = batch;
    EXPECT_EQ(candidates(device, problem, 1).at(0).engine(), engine) << batch;
  }
}

// Without a device such an engine is not proposed.
TEST(CudnnPlans, AreCompiledAtRunTimeOnlyToBeTimed) {
  const auto device = CudnnDevice::described(test::described_gpu(90));
  const ConvolutionProblem problem = {16, 28, 28, 512, 512, Precision::fp16, true};
  auto plan = nlohmann::json::parse(candidates(device, problem, 1).at(0).serialised());
  plan.at("engine").at("engineId") = 49;
  plan.at("engine").at("knobChoices").clear();
  const auto read = [&](ChosenBy chosen_by) {
    return error_of(
        [&] { ConvolutionPlan::deserialised(device, problem, chosen_by, plan.dump()); });
  };
  EXPECT_EQ(read(ChosenBy::heuristics), "its engine is compiled at run time");
  EXPECT_NE(read(ChosenBy::time), "its engine is compiled at run time");
}

TEST(CudnnPlans, CandidatesAreDistinctAndBeginWithTheFirst) {
  const auto device = CudnnDevice::described(test::described_gpu(80));
  const ConvolutionProblem problem = {32, 37, 37, 256, 256, Precision::fp16, true};
  const auto plans = candidates(device, problem);
  ASSERT_GT(plans.size(), 3U);
  EXPECT_EQ(plans[0].engine(), candidates(device, problem, 1).at(0).engine());
  std::vector<std::string> engines;
  for (const ConvolutionPlan& plan : plans) engines.push_back(plan.engine());
  std::ranges::sort(engines);
  EXPECT_TRUE(std::ranges::adjacent_find(engines) == engines.end());
}

TEST(CudnnPlans, AreOneForADescriptionAndDoNotRun) {
  const auto device = CudnnDevice::described(test::described_gpu(90));
  EXPECT_FALSE(device.can_run());
  EXPECT_EQ(device.compute_capability(), 90);
  const auto plans = candidates(device, test::small_problem(Precision::fp32, false), 1);
  ASSERT_EQ(plans.size(), 1U);
  EXPECT_EQ(error_of([&] { plans[0].run(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr); }),
            "a plan for a described GPU cannot run");
  EXPECT_NE(device.identity(), CudnnDevice::described(test::described_gpu(80)).identity());
}

TEST(CudnnPlans, ComeBackFromTheirText) {
  const auto device = CudnnDevice::described(test::described_gpu(90));
  for (const Precision precision : test::all_precisions) {
    const auto problem = test::small_problem(precision, true);
    const auto plans = candidates(device, problem, 1);
    ASSERT_EQ(plans.size(), 1U);
    const auto again = read_back(device, problem, plans[0].serialised());
    EXPECT_EQ(again.engine(), plans[0].engine());
    EXPECT_EQ(again.notes(), plans[0].notes());
    EXPECT_EQ(again.workspace_bytes(), plans[0].workspace_bytes());
    EXPECT_EQ(again.problem(), problem);
  }
}

TEST(CudnnPlans, ThatDoNotFitAreRefused) {
  const auto device = CudnnDevice::described(test::described_gpu(90));
  const auto problem = test::small_problem(Precision::tf32, false);
  const auto plans = candidates(device, problem);
  const auto tensor_core = std::ranges::find_if(
      plans, [](const ConvolutionPlan& plan) { return test::has_note(plan, "tensor core"); });
  ASSERT_NE(tensor_core, plans.end());
  const std::string text = tensor_core->serialised();
  const auto load = [&](const CudnnDevice& on, ConvolutionProblem as, const std::string& from) {
    return error_of([&] { read_back(on, as, from); });
  };
  EXPECT_EQ(load(device, problem, text), "");

  ConvolutionProblem larger = problem;
  larger.batch += 1;
  EXPECT_EQ(load(device, larger, text), "it is a plan for another convolution");
  // A float plan that rounds to TF32 must not come back as an exact one.
  ConvolutionProblem exact = problem;
  exact.precision = Precision::fp32;
  EXPECT_EQ(load(device, exact, text), "its engine does not keep the precision");
  const auto other = CudnnDevice::described(test::described_gpu(80));
  EXPECT_NE(load(other, problem, text), "");
  EXPECT_EQ(load(device, problem, text.substr(0, text.size() / 2)),
            "the text of the plan is not JSON");
  EXPECT_EQ(load(device, problem, "{}").find("the plan's text lacks something ("), 0U);
}

TEST(CudnnPlans, OfAPrecisionThatTheGpuLacksAreRefusedWithASentence) {
  const auto device = CudnnDevice::described(test::described_gpu(75));
  EXPECT_FALSE(candidates(device, test::small_problem(Precision::fp16, true), 1).empty());
  for (const Precision precision : {Precision::bf16, Precision::tf32}) {
    EXPECT_EQ(error_of([&] { candidates(device, test::small_problem(precision, false)); }),
              fmt::format("\"precision\": \"{}\" needs a GPU of sm_80 or later, and this is sm_75: "
                          "choose \"fp16\" or \"fp32\"",
                          name_of(precision)));
  }
}

TEST(CudnnDeviceDescription, OfAnUnknownArchitectureIsRefused) {
  GpuProperties gpu = test::described_gpu(90);
  gpu.compute_capability = 101;  // cuDNN would end the process
  EXPECT_EQ(error_of([&] { CudnnDevice::described(gpu); }),
            fmt::format("cuDNN {} plans for sm_101 only on such a GPU; choose one of sm_75, sm_80, "
                        "sm_86, sm_87, sm_89, sm_90, sm_100, sm_103, sm_120, sm_121",
                        cuda::cudnn_version()));
}

TEST(CudnnVersion, MustBeThatOfTheBuildOrNewerInTheSameMajor) {
  const std::string version = cuda::cudnn_version();
  EXPECT_EQ(error_of([] { cuda::check_cudnn_version(99999); }), "");
  for (const auto& [loaded, name] :
       {std::pair<std::size_t, const char*>{90100, "9.1.0"}, {100000, "10.0.0"}}) {
    const std::string said = error_of([loaded = loaded] { cuda::check_cudnn_version(loaded); });
    EXPECT_EQ(said.find(fmt::format("cuDNN {} was loaded, and this program was built for cuDNN 9.",
                                    name)),
              0U)
        << said;
  }
}

TEST(ConvolutionProblems, CountTheirWork) {
  const ConvolutionProblem problem = {2, 5, 7, 16, 24, Precision::fp16, true};
  EXPECT_EQ(problem.flop(), 2.0 * 2 * 5 * 7 * 9 * 16 * 24);
  EXPECT_EQ(problem.bytes(), 2.0 * (2 * 5 * 7 * (16 + 24) + 9 * 16 * 24 + 24));
  EXPECT_EQ(cuda::text_of(problem), "2x5x7, 16 to 24 channels, fp16, with bias and ReLU");
}

// ---- On a device ----

class CudnnRun : public test::CudaTest {};
class CudnnFaults : public test::FaultTest<test::CudaTest> {};

template <typename T>
void expect_convolution(const ConvolutionProblem& problem, double tolerance) {
  const auto device = CudnnDevice::current();
  const auto plans = candidates(device, problem, 1);
  ASSERT_EQ(plans.size(), 1U) << cuda::text_of(problem);
  const test::ConvolutionData<T> data(problem);
  const auto y = data.run(plans[0]);
  EXPECT_TRUE(test::nearly_equal(y, data.expected(), tolerance))
      << cuda::text_of(problem) << ", " << plans[0].engine();
  // What was stored computes the same bytes.
  const auto again = read_back(device, problem, plans[0].serialised());
  EXPECT_EQ(again.engine(), plans[0].engine());
  EXPECT_EQ(data.run(again), y);
}

// Odd sizes, one pixel, each channel count of a first layer, and 1 to 3 images.
std::vector<ConvolutionProblem> small_shapes(Precision precision) {
  std::vector<ConvolutionProblem> shapes;
  for (const bool bias_relu : {false, true}) {
    shapes.push_back({1, 1, 1, 64, 64, precision, bias_relu});
    shapes.push_back({2, 9, 6, 8, 64, precision, bias_relu});
    shapes.push_back({3, 5, 7, 64, 128, precision, bias_relu});
  }
  return shapes;
}

TEST_F(CudnnRun, ConvolvesInFloat) {
  for (const auto& shape : small_shapes(Precision::fp32)) expect_convolution<float>(shape, 2e-6);
}
TEST_F(CudnnRun, ConvolvesInTf32) {
  // 10 bits of mantissa in each factor.
  for (const auto& shape : small_shapes(Precision::tf32)) expect_convolution<float>(shape, 2e-3);
}
TEST_F(CudnnRun, ConvolvesInHalf) {
  for (const auto& shape : small_shapes(Precision::fp16)) expect_convolution<__half>(shape, 1e-3);
}
TEST_F(CudnnRun, ConvolvesInBfloat16) {
  for (const auto& shape : small_shapes(Precision::bf16))
    expect_convolution<__nv_bfloat16>(shape, 8e-3);
}

TEST_F(CudnnRun, EveryCandidateComputesTheSame) {
  const auto problem = test::small_problem(Precision::fp32, true);
  const test::ConvolutionData<float> data(problem);
  const auto expected = data.expected();
  for (const ConvolutionPlan& plan : candidates(CudnnDevice::current(), problem)) {
    EXPECT_TRUE(test::nearly_equal(data.run(plan), expected, 1e-5)) << plan.engine();
  }
}

TEST_F(CudnnRun, IsCapturedInAGraph) {
  const auto problem = test::small_problem(Precision::fp32, false);
  const auto plan = std::move(candidates(CudnnDevice::current(), problem, 1).at(0));
  const test::ConvolutionData<float> data(problem);
  const test::DeviceArray<float> x(data.x);
  const test::DeviceArray<float> filters(data.filters);
  const test::DeviceArray<float> y(data.expected().size());
  const test::DeviceArray<std::byte> workspace(plan.workspace_bytes());
  const cuda::Stream stream;
  const auto run_plan = [&] {
    plan.run(stream.get(), x.get(), filters.get(), nullptr, y.get(), workspace.get());
  };
  run_plan();  // loads its code, which a capture can forbid
  const cuda::Graph graph(stream, run_plan);
  for (int run = 0; run < 2; ++run) {
    GRAFT_CUDA_CHECK(cudaMemset(y.get(), 0, data.expected().size() * sizeof(float)));
    GRAFT_CUDA_CHECK(cudaDeviceSynchronize());
    graph.launch(stream);
    stream.wait();
    EXPECT_TRUE(test::nearly_equal(y.host(), data.expected(), 2e-6));
  }
}

// A plan that cannot be built costs that candidate only, and is a warning.
TEST_F(CudnnFaults, APlanThatFailsToBuildIsSkipped) {
  const auto problem = test::small_problem(Precision::fp16, true);
  const auto device = CudnnDevice::current();
  const std::string first = candidates(device, problem, 1).at(0).engine();
  const std::string number = first.substr(0, first.find(','));
  test::set_faults("engine.finalize:" + number.substr(7) + ":4000");
  cuda::Warnings warnings;
  std::string next;
  offer_plans(device, problem, cuda::PlanSource::heuristics, ChosenBy::heuristics, warnings,
              [&](ConvolutionPlan& plan) {
                next = plan.engine();
                return true;
              });
  test::set_faults("");
  EXPECT_NE(next, "");
  EXPECT_FALSE(next.starts_with(number + ","));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0],
              ::testing::StartsWith("cuDNN's " + number +
                                    " is skipped for the convolution of 2x5x7, 16 to 24 channels, "
                                    "fp16, with bias and ReLU: "
                                    "cudnnBackendFinalize(descriptor_) failed with "
                                    "CUDNN_STATUS_INTERNAL_ERROR (4000)"));
}

TEST_F(CudnnFaults, APlanThatTheDeviceFailsToBuildIsAnError) {
  const auto problem = test::small_problem(Precision::fp16, true);
  const auto device = CudnnDevice::current();
  test::set_faults("engine.finalize:-1:4000,cudaDeviceSynchronize:1:801");
  EXPECT_THROW(candidates(device, problem, 1), cuda::Failure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorNotSupported);
  test::set_faults("");
}

// Each call of cuDNN fails once: an error, or a warning where another plan may serve.
TEST_F(CudnnFaults, EachFailureIsOneSentenceAndLeaksNothing) {
  const auto problem = test::small_problem(Precision::fp16, true);
  const test::ConvolutionData<__half> data(problem);
  const auto expect_sentence = [](const std::string& said) {
    EXPECT_NE(said.find(" failed with CUDNN_STATUS_INTERNAL_ERROR (4000)"), std::string::npos)
        << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  };
  // Whether a plan was skipped.
  const auto work = [&] {
    const auto device = CudnnDevice::current();
    cuda::Warnings warnings;
    std::optional<ConvolutionPlan> plan;
    for (const auto source : {cuda::PlanSource::heuristics, cuda::PlanSource::fallback}) {
      if (plan) break;
      offer_plans(device, problem, source, ChosenBy::heuristics, warnings,
                  [&](ConvolutionPlan& offered) {
                    plan = std::move(offered);
                    return true;
                  });
    }
    for (const std::string& warning : warnings) expect_sentence(warning);
    if (plan) data.run(read_back(device, problem, plan->serialised()));
    return !warnings.empty();
  };
  for (const char* function :
       {"cudnnCreate", "cudnnBackendCreateDescriptor", "cudnnBackendSetAttribute",
        "cudnnBackendFinalize", "cudnnBackendGetAttribute", "cudnnSetStream",
        "cudnnBackendExecute"}) {
    bool failed = true;
    int calls = 0;
    for (; failed && calls < 500; ++calls) {
      constexpr int internal_error = 4000;
      test::set_faults(fmt::format("{}:{}:{}", function, calls + 1, internal_error));
      try {
        failed = work();
      } catch (const cuda::LibraryFailure& failure) {
        EXPECT_EQ(failure.code(), internal_error);
        expect_sentence(failure.what());
      }
    }
    EXPECT_GT(calls, 1) << function << " was never called";
    EXPECT_LT(calls, 500) << function;
  }
  test::expect_no_leaks("after all");
}

}  // namespace
}  // namespace graft
