// Each call of the CUDA runtime and of cuDNN that a backbone makes fails once: an Error(device), and
// no leak. A cuDNN call that fails while plans are built may also cost one candidate; the features
// must then be right all the same.

#include "tests/backend_cuda/backbone/cuda_backbone_test.h"
#include "tests/backend_cuda/faults.h"

namespace graft {
namespace {

using test::Batch;
using test::same_bytes;
using test::set_faults;
using test::small_images;
using test::some_weights;
using ::testing::HasSubstr;

class CudaBackboneFaults : public test::FaultTest<test::CudaBackboneTest> {
 protected:
  // All that a run does: a backend of its own, plans, the backbone, three batches.
  std::vector<float> run() {
    cuda::CudaBackend backend(0, 1);
    const auto backbone = backend.make_backbone(some_weights(), options_);
    return test::features_in_flight(backend, *backbone, options_, 3).back();
  }

  void expect_failure(const std::string& function, long call, const std::vector<float>& expected) {
    const bool of_cudnn = function.starts_with("cudnn");
    const std::string fault = fmt::format("{}:{}:{}", function, call, of_cudnn ? 4000 : 801);
    std::vector<float> features;
    if (!test::fails_on_the_device(fault, [&] { features = run(); })) {
      EXPECT_TRUE(of_cudnn && same_bytes(features, expected)) << "succeeds in spite of " << fault;
    }
    test::expect_no_leaks(fault);
  }

  BackboneOptions options_ = small_images(1);
};

TEST_F(CudaBackboneFaults, EachCallThatFailsIsADeviceErrorAndLeavesNothingBehind) {
  backend_.reset();
  set_faults("");
  const std::vector<float> expected = run();
  const std::map<std::string, long> counted = test::counted_calls();
  EXPECT_GE(counted.size(), 15U);
  for (const auto& [function, count] : counted) {
    // A device ends a capture also when it reports an error; here the call that fails is not made,
    // and the stream would stay in it.
    if (test::is_release(function) || function == "cudaStreamEndCapture") continue;
    expect_failure(function, 1, expected);
    if (function == "cudaStreamSynchronize") continue;  // the others are the destructor's
    if (count > 2) expect_failure(function, count / 2, expected);
    if (count > 1) expect_failure(function, count, expected);
  }
}

// Each engine that the backbone would take first cannot be built, or fails when it is executed.
TEST_F(CudaBackboneFaults, AnotherEngineServesWhereOneFails) {
  cuda::BackboneSpec spec(options_);
  spec.choose_plans(cuda::CudnnDevice::current(), nullptr);
  std::string faults = "cudaMalloc:0:2";  // none
  bool executed = false;
  for (const auto& plan : spec.plans) {
    executed = !executed;
    faults += fmt::format(",engine.{}:{}:{}", executed ? "execute" : "finalize",
                          std::stol(plan->engine().substr(7)), executed ? 5000 : 4000);
  }
  const Batch batch(*backend_, options_, 1, 2);
  set_faults(faults);
  const auto backbone = backend_->make_backbone(some_weights(), options_);
  test::compute(*backbone, batch);
  set_faults("");
  EXPECT_TRUE(
      test::nearly_equal(batch.rows(), test::cpu_features(some_weights(), options_, batch), 1e-4));
  const std::vector<std::string> warnings = backend_->take_warnings();
  EXPECT_THAT(warnings, ::testing::Contains(HasSubstr(
                            " is skipped for the convolution of 1x32x32, 4 to 64 channels, fp32")));
}

TEST_F(CudaBackboneFaults, AfterAStickyErrorEverythingNamesTheFirstCause) {
  const auto backbone = backend_->make_backbone(some_weights(), options_);
  const Batch first(*backend_, options_, 1, 1), second(*backend_, options_, 1, 2);
  const Backbone::Ticket ticket = test::submit(*backbone, first);
  set_faults("cudaGraphLaunch:1:719");
  const std::string cause = test::error_of([&] { test::submit(*backbone, second); });
  set_faults("");
  EXPECT_THAT(cause, HasSubstr("A batch of the backbone failed: cudaGraphLaunch"));
  EXPECT_THAT(cause, HasSubstr("cudaErrorLaunchFailure (719)"));
  EXPECT_THAT(cause, HasSubstr("start the run again to go on"));
  EXPECT_EQ(test::error_of([&] { backbone->wait(ticket); }), cause);
  EXPECT_EQ(test::error_of([&] { backend_->allocate_host(64); }), cause);
  EXPECT_EQ(test::error_of([&] { backend_->numerics(options_); }), cause);
  EXPECT_EQ(test::error_of([&] { backend_->make_backbone(some_weights(), options_); }), cause);
  GRAFT_VIRTUAL_GPU(vgpu_revive)();
}

TEST_F(CudaBackboneFaults, ABatchTakesNoMemoryAndWaitsForNoOtherBatch) {
  for (const Precision precision : {Precision::fp32, Precision::fp16}) {
    BackboneOptions options = options_;
    options.precision = precision;
    const auto backbone = backend_->make_backbone(some_weights(), options);
    std::vector<Batch> batches;
    for (std::uint32_t i = 0; i < 3; ++i) batches.emplace_back(*backend_, options, 1, i);
    set_faults("");
    for (const Batch& batch : batches) test::submit(*backbone, batch);
    const std::map<std::string, long> counted = test::counted_calls();
    EXPECT_EQ(counted.at("cudaGraphLaunch"), 3);
    EXPECT_EQ(counted.at("cudaMemcpyAsync"), precision == Precision::fp16 ? 9 : 6);
    for (const char* function :
         {"cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaMalloc", "cudaHostAlloc",
          "cudaEventSynchronize", "cudaLaunchKernel", "cudnnBackendExecute"}) {
      EXPECT_EQ(counted.count(function), 0U) << function;
    }
  }
}

// The calls that only halves need: the flag's memory, its reset and its copy.
TEST_F(CudaBackboneFaults, TheFlagsCallsThatFailAreDeviceErrorsToo) {
  backend_.reset();
  options_.precision = Precision::fp16;
  options_.features = {{Layer::block1}, Pooling::average};
  set_faults("");
  const std::vector<float> expected = run();
  const std::map<std::string, long> counted = test::counted_calls();
  for (const char* function : {"cudaHostAlloc", "cudaMemsetAsync", "cudaMemcpyAsync"}) {
    for (long call = 1; call <= counted.at(function); ++call) {
      expect_failure(function, call, expected);
    }
  }
}

}  // namespace
}  // namespace graft
