// The same bytes in every legal order of the streams, and each call of the CUDA runtime and of
// cuBLASLt failing once.

#include "tests/backend_cuda/faults.h"
#include "tests/backend_cuda/head/cuda_head_test.h"

namespace graft {
namespace {

using test::counted_calls;
using test::set_faults;
using ::testing::HasSubstr;

HeadOptions options(std::size_t classes = 3) {
  HeadOptions options;
  options.inputs = 24;
  options.hidden = {16, 8};
  options.classes = classes;
  options.batch_size = 4;
  return options;
}

class CudaHeadOrder : public test::CudaHeadTest {
 protected:
  struct Result {
    HeadState state;
    Totals trained, evaluated;
    std::vector<float> probabilities;
  };
  // Two epochs of each set, which the host enqueues without a wait; training rows that change
  // half-way.
  Result run(bool resident) {
    const test::Samples first = test::random_samples(150, 24, 3, 1);
    const test::Samples second = test::random_samples(130, 24, 3, 2);
    Result result;
    const auto head = make_cuda(options(), resident);
    head->set_state(test::random_state(options(), 1));
    std::uint64_t step = 0;
    for (const test::Samples* samples : {&first, &second}) {
      head->set_training_data(samples->view(), samples->labels, {});
      for (const std::uint32_t seed : {3, 4}) {
        const auto order = test::shuffled_rows(samples->labels.size(), seed);
        head->begin_epoch(order, step);
        for (std::size_t row = 0; row < order.size(); row += 4, ++step) head->train_step();
      }
    }
    result.probabilities.resize(first.labels.size() * 3);
    head->predict(first.view(), result.probabilities);
    result.evaluated = test::evaluate(*head, second.view(), second.labels);
    result.trained = head->take_totals();
    result.state = head->state();
    return result;
  }
};

TEST_F(CudaHeadOrder, TheBytesAreTheSameInEveryOrderResidentAndStreamed) {
  const bool is_virtual = test::on_virtual_gpu();
  const Result expected = run(true);
  EXPECT_EQ(expected.trained.count, 560U);
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    if (is_virtual) GRAFT_VIRTUAL_GPU(vgpu_set_seed)(seed);
    for (const bool resident : {true, false}) {
      const Result result = run(resident);
      EXPECT_TRUE(test::same_bytes(result.state, expected.state)) << "seed " << seed;
      EXPECT_TRUE(test::same_bytes(result.probabilities, expected.probabilities));
      EXPECT_EQ(result.trained.loss_sum, expected.trained.loss_sum);
      EXPECT_EQ(result.evaluated.loss_sum, expected.evaluated.loss_sum);
      EXPECT_EQ(result.evaluated.correct, expected.evaluated.correct);
    }
  }
  if (is_virtual) GRAFT_VIRTUAL_GPU(vgpu_set_seed)(0);
}

// ---- Failures ----

class CudaHeadFaults : public test::FaultTest<test::CudaHeadTest> {
 protected:
  struct Stage {
    std::unique_ptr<Head> head;
    test::Samples samples = test::random_samples(10, 24, 3, 1);
    std::vector<float> probabilities = std::vector<float>(30);
  };
  struct Action {
    const char* name;
    void (*act)(CudaHeadFaults&, Stage&);
    bool resident = true;
  };

  Stage prepared(const Action& action) {
    Stage stage;
    if (std::string(action.name) == "make") return stage;
    stage.head = make_cuda(options(), action.resident);
    stage.head->set_state(test::random_state(options(), 1));
    stage.head->set_training_data(stage.samples.view(), stage.samples.labels, {});
    stage.head->set_validation_data(stage.samples.view(), stage.samples.labels);
    test::train_step(*stage.head, test::first_rows(4), 0);
    stage.head->take_totals();
    return stage;
  }

  void expect_failure(const Action& action, const std::string& function, long call) {
    const int code = function.starts_with("cublas") ? 13 : 801;
    const std::string fault = fmt::format("{}:{}:{}", function, call, code);
    Stage stage = prepared(action);
    EXPECT_TRUE(test::fails_on_the_device(fault, [&] { action.act(*this, stage); }))
        << action.name << " succeeds in spite of " << fault;
    set_faults("");
    stage.head.reset();
    test::expect_no_leaks(action.name + (", " + fault));
  }

  static const std::vector<Action>& actions() {
    static const auto step = [](CudaHeadFaults&, Stage& stage) {
      test::train_step(*stage.head, test::first_rows(4), 1);
      stage.head->take_totals();
    };
    static const auto first_step = [](CudaHeadFaults&, Stage& stage) {
      test::train_step(*stage.head, test::first_rows(3), 1);
    };
    static const auto evaluate = [](CudaHeadFaults&, Stage& stage) { stage.head->evaluate(); };
    static const std::vector<Action> all = {
        {"make", [](CudaHeadFaults& test, Stage& s) { s.head = test.make_cuda(options()); }},
        {"set_state",
         [](CudaHeadFaults&, Stage& s) { s.head->set_state(test::random_state(options(), 2)); }},
        {"state", [](CudaHeadFaults&, Stage& s) { s.head->state(); }},
        {"set_training_data",
         [](CudaHeadFaults&, Stage& s) {
           s.head->set_training_data(s.samples.view(), s.samples.labels, {});
         }},
        {"set_validation_data",
         [](CudaHeadFaults&, Stage& s) {
           s.head->set_validation_data(s.samples.view(), s.samples.labels);
         }},
        {"resident step", step},
        {"streamed step", step, false},
        {"first step of a size", first_step},
        {"evaluate", evaluate},
        {"streamed evaluate", evaluate, false},
        {"predict",
         [](CudaHeadFaults&, Stage& s) { s.head->predict(s.samples.view(), s.probabilities); }}};
    return all;
  }
};

TEST_F(CudaHeadFaults, EachCallThatFailsIsADeviceErrorAndLeavesNothingBehind) {
  for (const Action& action : actions()) {
    Stage stage = prepared(action);
    set_faults("");
    action.act(*this, stage);
    const std::map<std::string, long> counted = counted_calls();
    stage.head.reset();
    EXPECT_GE(counted.size(), 3U) << action.name;
    for (const auto& [function, count] : counted) {
      if (test::is_release(function)) continue;
      for (long call = 1; call <= count; ++call) {
        // Of many like calls the first and the last few.
        if (call > 4 && call + 4 <= count) continue;
        expect_failure(action, function, call);
      }
    }
  }
}

TEST_F(CudaHeadFaults, AfterAStickyErrorEverythingNamesTheFirstCause) {
  Stage stage = prepared({"resident step", nullptr});
  set_faults("cudaLaunchKernel:2:719");
  const std::string first =
      test::error_of([&] { test::train_step(*stage.head, test::first_rows(3), 1); });
  set_faults("");
  EXPECT_THAT(first, HasSubstr("A training step failed: launch of "));
  EXPECT_THAT(first, HasSubstr("cudaErrorLaunchFailure (719)"));
  EXPECT_EQ(test::error_of([&] { stage.head->state(); }), first);
  EXPECT_EQ(test::error_of([&] { stage.head->take_totals(); }), first);
  GRAFT_VIRTUAL_GPU(vgpu_revive)();
  stage.head.reset();
  test::expect_no_leaks("after a sticky error");
}

// cuBLAS has a CUDA runtime of its own: what it met is not the last error of ours.
TEST_F(CudaHeadFaults, ALibraryThatFailsOnALostDeviceNamesWhatTheDeviceSays) {
  Stage stage = prepared({"resident step", nullptr});
  set_faults("cublasLtMatmul:1:13,cudaDeviceSynchronize:1:700");
  const std::string first =
      test::error_of([&] { test::train_step(*stage.head, test::first_rows(3), 1); });
  set_faults("");
  EXPECT_THAT(first, HasSubstr("CUBLAS_STATUS_EXECUTION_FAILED"));
  EXPECT_THAT(first, HasSubstr(", after cudaErrorIllegalAddress (700): "));
  EXPECT_THAT(first, HasSubstr("the work on the GPU is lost"));
  EXPECT_EQ(test::error_of([&] { stage.head->take_totals(); }), first);
  GRAFT_VIRTUAL_GPU(vgpu_revive)();
  stage.head.reset();
}

TEST_F(CudaHeadFaults, MemoryThatIsRefusedIsASentenceWithSizes) {
  for (const char* fault : {"cudaMalloc:1:2", "cudaMalloc:5:2", "cudaHostAlloc:2:2"}) {
    set_faults(fault);
    EXPECT_THAT(test::error_of([&] { make_cuda(options()); }),
                ::testing::MatchesRegex("The head needs .* GiB of memory on the GPU, and .* are "
                                        "free; .* smaller train.batch_size or data.image_size\\."));
    set_faults("");
    EXPECT_NO_THROW(make_cuda(options()));
    test::expect_no_leaks(fault);
  }
}

TEST_F(CudaHeadFaults, AnAlgorithmThatIsNotPedanticServesWhereThereIsNoOther) {
  set_faults("cublasLtMatmulAlgoGetHeuristic:1:15");
  EXPECT_NO_THROW(make_cuda(options()));
  set_faults("cublasLtMatmulAlgoGetHeuristic:1:15,cublasLtMatmulAlgoGetHeuristic:2:15");
  EXPECT_THAT(test::error_of([&] { make_cuda(options()); }),
              HasSubstr("CUBLAS_STATUS_NOT_SUPPORTED"));
  set_faults("");
}

// ---- Calls ----

class CudaHeadCalls : public test::FaultTest<test::CudaHeadTest> {
 protected:
  using Calls = std::map<std::string, long>;
  static constexpr std::size_t rows = 118;  // 29 batches of 4, one of 2
  static constexpr long steps = 30;
};

// A step is one call, and the host is ahead of the GPU until it asks for a result.
TEST_F(CudaHeadCalls, OfAnEpochAreOneLaunchForEachStep) {
  const test::Samples samples = test::random_samples(rows, 24, 3, 1);
  const auto order = test::shuffled_rows(rows, 2);
  for (const bool resident : {true, false}) {
    const auto head = make_cuda(options(), resident);
    head->set_state(test::random_state(options(), 1));
    head->set_training_data(samples.view(), samples.labels, {});
    const auto train = [&](std::uint64_t epoch) {
      set_faults("");
      head->begin_epoch(order, epoch * steps);
      for (long step = 0; step < steps; ++step) head->train_step();
      return counted_calls();
    };
    const Calls first = train(0);
    EXPECT_EQ(first.at("cudaGraphLaunch"), steps - 2);  // but the first of each size
    EXPECT_EQ(first.at("cudaGraphInstantiate"), 2);
    // Twice for each size, at work and into the graph: gather, 2 × (ReLU and dropout, backward),
    // loss (2 for softmax), 3 column sums, RMSprop, advance.
    EXPECT_EQ(first.at("cudaLaunchKernel"), 4 * (resident ? 12 : 11));
    EXPECT_EQ(first.at("cublasLtMatmul"), 4 * 8);
    for (std::uint64_t epoch = 1; epoch < 3; ++epoch) {
      Calls calls = train(epoch);
      if (!resident) {  // the ring: a copy to the device, one to the batch
        EXPECT_EQ(calls.at("cudaMemcpyAsync"), 2 * steps + 1);
        EXPECT_EQ(calls.at("cudaEventSynchronize"), steps);
        calls = {{"cudaGraphLaunch", calls.at("cudaGraphLaunch")},
                 {"cudaStreamSynchronize", calls.at("cudaStreamSynchronize")}};
      } else {  // an epoch's order and its first step
        EXPECT_EQ(calls.at("cudaMemcpyAsync"), 2);
        calls.erase("cudaMemcpyAsync");
        calls.erase("cudaSetDevice");
      }
      EXPECT_EQ(calls, (Calls{{"cudaGraphLaunch", steps}, {"cudaStreamSynchronize", 1}}));
    }
  }
}

TEST_F(CudaHeadCalls, OfAnEvaluationCopyNoResidentRows) {
  const test::Samples samples = test::random_samples(600, 24, 3, 1);  // 3 chunks
  for (const bool resident : {true, false}) {
    const auto head = make_cuda(options(), resident);
    head->set_state(test::random_state(options(), 1));
    head->set_validation_data(samples.view(), samples.labels);
    head->evaluate();
    set_faults("");
    head->evaluate();
    const Calls calls = counted_calls();
    EXPECT_EQ(calls.at("cudaMemcpyAsync"), resident ? 1 : 4);  // the totals, and the chunks
    EXPECT_EQ(calls.count("cudaMalloc"), 0U);
  }
}

}  // namespace
}  // namespace graft
