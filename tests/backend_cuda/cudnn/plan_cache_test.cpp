// Plans are chosen once and kept in memory and in a folder. Damaged files are replaced, and none of
// it stops a run.

#include "engine/backend/cuda/cudnn/plan_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "engine/backend/cuda/cudnn/autotune.h"
#include "engine/base/file.h"
#include "tests/backend_cuda/cudnn/cudnn_test.h"
#include "tests/backend_cuda/faults.h"

namespace graft {
namespace {

using cuda::choose_plan;
using cuda::ChosenBy;
using cuda::ConvolutionPlan;
using cuda::ConvolutionProblem;
using cuda::CudnnDevice;
using cuda::PlanCache;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const ConvolutionProblem layer = {2, 5, 7, 16, 24, Precision::fp16, true};

// One layer's plan in a folder of its own.
class PlanFolder : public ::testing::Test {
 protected:
  PlanFolder() : first_(find(device_)) {}

  std::string find(const CudnnDevice& device, const ConvolutionProblem& problem = layer) {
    PlanCache cache(plans_);
    made_ = 0;
    const auto plan = cache.get(device, problem, ChosenBy::heuristics, [&] {
      ++made_;
      return std::move(test::candidates(device, problem, 1).at(0));
    });
    warnings_ = cache.warnings();
    return plan->engine();
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(plans_))
      all.push_back(entry.path());
    return all;
  }
  // Rewrites the one file.
  void write(const std::string& text) { write_file_whole(files().at(0), text); }
  std::string text() const { return read_text_file(files().at(0), 1U << 24U); }
  // A file that is not trusted is reported, and replaced by what was there before.
  void expect_replaced(const std::string& bad, const std::string& reason) {
    const std::string good = text();
    write(bad);
    EXPECT_EQ(find(device_), first_);
    EXPECT_EQ(made_, 1) << reason;
    ASSERT_EQ(warnings_.size(), 1U) << reason;
    EXPECT_THAT(
        warnings_[0],
        AllOf(StartsWith(files().at(0).string() + " is not used and will be "), HasSubstr(reason)));
    EXPECT_EQ(text(), good);
    EXPECT_EQ(find(device_), first_);
    EXPECT_EQ(made_, 0);
  }
  std::string changed(const std::string& key, const nlohmann::json& value) const {
    nlohmann::json entry = nlohmann::json::parse(text());
    entry.at(key) = value;
    return entry.dump();
  }

  test::TemporaryFolder folder_;
  std::filesystem::path plans_ = folder_ / "cache" / "plans";
  CudnnDevice device_ = CudnnDevice::described(test::described_gpu(90));
  int made_ = 0;
  std::vector<std::string> warnings_;
  std::string first_;
};

TEST_F(PlanFolder, KeepsAPlanForTheNextProcess) {
  EXPECT_EQ(made_, 1);
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(files().size(), 1U);
  EXPECT_EQ(find(device_), first_);
  EXPECT_EQ(made_, 0);
}

TEST_F(PlanFolder, KeepsPlansOfOtherProblemsAndDevicesApart) {
  const auto other_device = CudnnDevice::described(test::described_gpu(80));
  find(other_device);
  EXPECT_EQ(made_, 1);
  ConvolutionProblem other = layer;
  other.bias_relu = false;
  find(device_, other);
  EXPECT_EQ(made_, 1);
  other.batch = 3;
  find(device_, other);
  EXPECT_EQ(made_, 1);
  EXPECT_EQ(files().size(), 4U);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(PlanFolder, ReplacesADamagedFile) {
  expect_replaced("", ".plan:1:1: ");
  expect_replaced(text().substr(0, text().size() / 2), ".plan:5:");
  expect_replaced("[1, 2]", "expected an object");
  expect_replaced("{}", "\"format\" is missing");
  expect_replaced(changed("format", "graft convolution plan 0"), "it is of another version");
  expect_replaced(changed("key", "something else"), "it is for something else");
  expect_replaced(changed("fused", false), "its digest is wrong");
  expect_replaced(changed("plan", "{}"), "its digest is wrong");
  expect_replaced(changed("digest", "0123456789abcdef0123456789abcdef"), "its digest is wrong");
}

TEST_F(PlanFolder, TrustsNeitherAFileNorAFolderThatOthersCanWrite) {
  using std::filesystem::perms;
  const auto open_to_group = [](const std::filesystem::path& path) {
    std::filesystem::permissions(path, perms::group_write, std::filesystem::perm_options::add);
  };
  const mode_t usual = ::umask(0);
  open_to_group(files().at(0));
  EXPECT_EQ(find(device_), first_);
  ::umask(usual);
  EXPECT_EQ(made_, 1);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0], HasSubstr("other users can write it"));
  find(device_);
  EXPECT_EQ(made_, 0) << "the new one is for this user alone, whatever the umask";
  open_to_group(plans_);
  find(device_);
  EXPECT_EQ(made_, 1);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0], HasSubstr("chmod go-w"));
}

TEST_F(PlanFolder, WritesNothingWithoutAFolder) {
  PlanCache cache;
  int made = 0;
  for (int n = 0; n < 2; ++n) {
    cache.get(device_, layer, ChosenBy::heuristics, [&] {
      ++made;
      return std::move(test::candidates(device_, layer, 1).at(0));
    });
  }
  EXPECT_EQ(made, 1);
  EXPECT_TRUE(cache.warnings().empty());
}

TEST_F(PlanFolder, ThatCannotBeWrittenIsOneWarningAndStopsNothing) {
  write_file_whole(folder_ / "file", "not a folder");
  PlanCache cache(folder_ / "file" / "plans");
  for (const std::size_t batch : {1U, 2U}) {
    ConvolutionProblem problem = layer;
    problem.batch = batch;
    EXPECT_NE(choose_plan(device_, problem, false, cache), nullptr);
  }
  ASSERT_EQ(cache.warnings().size(), 1U);
  EXPECT_EQ(cache.warnings()[0].find("plans are not kept for the next run: "), 0U)
      << cache.warnings()[0];
}

TEST_F(PlanFolder, AFailureToMakeAPlanIsNotKept) {
  PlanCache cache(plans_);
  const ConvolutionProblem other = {1, 5, 7, 16, 24, Precision::fp16, false};
  const auto fail = []() -> ConvolutionPlan { throw std::runtime_error("no"); };
  EXPECT_EQ(test::error_of([&] { cache.get(device_, other, ChosenBy::heuristics, fail); }), "no");
  EXPECT_NE(choose_plan(device_, other, false, cache), nullptr);
}

TEST(ChosenPlans, TakeBiasAndReluInWhereTheyMay) {
  const auto device = CudnnDevice::described(test::described_gpu(80));
  PlanCache cache;
  for (const Precision precision : test::all_precisions) {
    for (const bool bias_relu : {false, true}) {
      const ConvolutionProblem problem = {4, 18, 18, 64, 64, precision, bias_relu};
      EXPECT_EQ(choose_plan(device, problem, false, cache)->problem().bias_relu, bias_relu);
    }
  }
}

TEST(ChosenPlans, OfNoDeviceAreNotTimed) {
  const auto device = CudnnDevice::described(test::described_gpu(80));
  PlanCache cache;
  // The same object: the way of choosing is part of the key.
  EXPECT_EQ(choose_plan(device, layer, true, cache), choose_plan(device, layer, false, cache));
}

// ---- On a device ----

class TrialRuns : public test::FaultTest<test::CudaTest> {
 protected:
  void SetUp() override {
    test::FaultTest<test::CudaTest>::SetUp();
    if (!IsSkipped()) device_.emplace(CudnnDevice::current());
  }
  void TearDown() override {
    device_.reset();
    if (test::on_virtual_gpu()) test::set_faults("");
    test::CudaTest::TearDown();
  }
  // "engine 34" of the chosen plan.
  std::string chosen(bool autotune) {
    const std::string engine = choose_plan(*device_, layer, autotune, cache_)->engine();
    return engine.substr(0, engine.find(','));
  }
  std::optional<CudnnDevice> device_;
  PlanCache cache_;
};

TEST_F(TrialRuns, SkipAnEngineThatFailsWithAWarning) {
  const std::string first = chosen(false);
  const std::string number = first.substr(std::string("engine ").size());
  EXPECT_TRUE(cache_.warnings().empty());
  for (const auto& [fault, reason] :
       {std::pair<std::string, std::string>{"engine.finalize:{}:4000", "(4000)"},
        {"engine.execute:{}:5000",
         "cudnnBackendExecute(handle_.get(), plan_.get(), arguments.get()) failed with "
         "CUDNN_STATUS_EXECUTION_FAILED (5000)"},
        {"engine.saturate:{}:1", "it hides an overflow of fp16"}}) {
    test::set_faults(fmt::format(fmt::runtime(fault), number));
    for (const bool autotune : {false, true}) {
      cache_ = PlanCache();
      EXPECT_NE(chosen(autotune), first) << fault;
      std::size_t of_first = 0;
      for (const std::string& warning : cache_.take_warnings()) {
        if (warning.find("cuDNN's " + first + " is skipped") == std::string::npos) continue;
        ++of_first;
        EXPECT_THAT(warning, AllOf(HasSubstr("convolution of 2x5x7, 16 to 24 channels, fp16"),
                                   HasSubstr(reason)));
      }
      // Autotune also times the convolution alone.
      EXPECT_GE(of_first, 1U) << fault;
      EXPECT_LE(of_first, autotune ? 2U : 1U) << fault;
    }
  }
}

// The slow fallback engines come last, fused or not.
TEST_F(TrialRuns, OfFusedPlansThatAllFailAreFollowedByThoseThatAreNotFused) {
  std::string faults;
  cuda::Warnings warnings;
  offer_plans(*device_, layer, cuda::PlanSource::heuristics, cuda::ChosenBy::heuristics, warnings,
              [&](const cuda::ConvolutionPlan& plan) {
                const std::string engine = plan.engine().substr(std::string("engine ").size());
                faults += fmt::format("{}engine.execute:{}:5000", faults.empty() ? "" : ",",
                                      engine.substr(0, engine.find(',')));
                return false;
              });
  test::set_faults(faults);
  EXPECT_FALSE(choose_plan(*device_, layer, false, cache_)->problem().bias_relu);
  for (const std::string& warning : cache_.take_warnings())
    EXPECT_THAT(warning, HasSubstr(" is skipped for the convolution of ")) << faults;
}

TEST_F(TrialRuns, OfEnginesThatAllFailAreOneSentence) {
  test::set_faults("engine.execute:-1:5000");
  for (const bool autotune : {false, true}) {
    EXPECT_THAT(
        test::error_of([&] { chosen(autotune); }),
        AllOf(StartsWith("cuDNN 9."), HasSubstr(" has no deterministic plan that runs for a "
                                                "convolution of 2x5x7, 16 to 24")));
  }
}

TEST_F(TrialRuns, OnADeviceThatFailsAreAnError) {
  test::set_faults("engine.execute:-1:5000,cudaStreamSynchronize:1:801");
  EXPECT_THROW(chosen(false), cuda::Failure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorNotSupported);
}

TEST_F(TrialRuns, AreNotRepeatedForAPlanInTheCache) {
  const test::TemporaryFolder folder;
  for (const long runs : {1L, 0L}) {
    cache_ = PlanCache(folder.path());
    test::set_faults("");
    chosen(false);
    const auto calls = test::counted_calls();
    EXPECT_EQ(calls.count("cudnnBackendExecute"), static_cast<std::size_t>(runs));
  }
}

class Autotune : public test::CudaTest {};

TEST_F(Autotune, TimesOnceAndKeepsTheWinner) {
  const test::TemporaryFolder folder;
  const auto device = CudnnDevice::current();
  for (const bool bias_relu : {false, true}) {
    ConvolutionProblem problem = layer;
    problem.bias_relu = bias_relu;
    std::string winner;
    {
      PlanCache cache(folder.path());
      const auto plan = choose_plan(device, problem, true, cache);
      winner = plan->engine();
      auto expected = problem;
      expected.bias_relu = plan->problem().bias_relu;
      EXPECT_EQ(plan->problem(), expected);
      EXPECT_TRUE(bias_relu || !plan->problem().bias_relu);
      const test::ConvolutionData<__half> data(plan->problem());
      EXPECT_TRUE(test::nearly_equal(data.run(*plan), data.expected(), 1e-3));
      // By heuristics is another choice, kept beside it.
      EXPECT_NE(choose_plan(device, problem, false, cache), plan);
    }
    PlanCache next(folder.path());
    const int again = [&] {
      int made = 0;
      const auto plan = next.get(device, problem, ChosenBy::time, [&] {
        ++made;
        return std::move(test::candidates(device, problem, 1).at(0));
      });
      EXPECT_EQ(plan->engine(), winner);
      return made;
    }();
    EXPECT_EQ(again, 0);
    EXPECT_TRUE(next.warnings().empty());
  }
}

TEST_F(Autotune, SkipsPlansThatDoNotFitAndFailsWhenNoneDoes) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU fails on demand";
  const auto device = CudnnDevice::current();
  PlanCache cache;
  // The fifth allocation is the first workspace: x, filters, bias and y come before it.
  test::set_faults("cudaMalloc:5:2");
  EXPECT_NE(choose_plan(device, layer, true, cache), nullptr);
  test::set_faults("cudaMalloc:4:2");
  ConvolutionProblem other = layer;
  other.batch = 1;
  EXPECT_EQ(test::error_of([&] { choose_plan(device, other, true, cache); }).find("cudaMalloc"),
            0U);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);  // the backend's boundary takes it back
  test::set_faults("");
  EXPECT_NE(choose_plan(device, other, true, cache), nullptr);
}

}  // namespace
}  // namespace graft
