// What a tracer is told of the head's work on the device.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/trace.h"
#include "tests/backend_cuda/head/cuda_head_test.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t steps = 200;

HeadOptions small_options(std::size_t classes) {
  HeadOptions options;
  options.inputs = 20;
  options.hidden = {12};
  options.classes = classes;
  options.batch_size = 8;
  return options;
}

class Listener final : public Tracer {
 public:
  explicit Listener(TraceDetail detail) : detail_(detail) {}

  TraceDetail detail() const noexcept override { return detail_; }
  void name_thread(const std::string& /*name*/) override {}
  void begin(const char* name, std::uint64_t number) noexcept override {
    if (std::string_view(name) != "product") return;
    most_untold = std::max(most_untold, number + 1 - told);
  }
  void end() noexcept override {}
  void device_span(const DeviceSpan& span) noexcept override {
    told = span.batch + 1;
    spans.push_back(span);
  }

  std::vector<DeviceSpan> spans;
  std::uint64_t told = 0, most_untold = 0;  // batches

 private:
  const TraceDetail detail_;
};

std::vector<std::string> names_of(const std::vector<DeviceSpan>& spans, std::uint64_t batch) {
  std::vector<std::string> names;
  for (const DeviceSpan& span : spans) {
    if (span.batch != batch) continue;
    names.push_back(span.name);
    if (span.layer != nullptr) names.back() += std::string(" ") + span.layer;
  }
  return names;
}

class CudaHeadTracing : public test::CudaHeadTest {
 protected:
  HeadState trained(Tracer* tracer, std::size_t classes, bool resident) {
    const HeadOptions options = small_options(classes);
    const test::Samples samples = test::random_samples(8 * steps - 3, 20, classes, 2);
    const auto head =
        cuda::make_cuda_head(options, *device_, resident ? cuda::all_that_fit : 0, tracer);
    head->set_state(test::random_state(options, 1));
    head->set_training_data(samples.view(), samples.labels, {});
    const std::vector<std::uint32_t> order = test::shuffled_rows(samples.labels.size(), 3);
    head->begin_epoch(order, 0);
    for (std::size_t step = 0; step < steps; ++step) head->train_step();
    head->take_totals();
    return head->state();
  }
};

TEST_F(CudaHeadTracing, EachStepsKernelsAreToldInTheirOrderWithTheirLayers) {
  for (const bool resident : {true, false}) {
    Listener listener(TraceDetail::device_times);
    trained(&listener, 2, resident);
    std::vector<std::string> expected = {resident ? "gather_rows" : "copy",
                                         "product dense",
                                         "relu_dropout dense",
                                         "product dense_1",
                                         "sigmoid_cross_entropy",
                                         "kernel_gradient dense_1",
                                         "column_sums dense_1",
                                         "input_gradient dense_1",
                                         "relu_dropout_backward dense",
                                         "kernel_gradient dense",
                                         "column_sums dense",
                                         "rmsprop",
                                         "advance"};
    ASSERT_EQ(listener.spans.size(), steps * expected.size());
    for (std::size_t step = 0; step < steps; ++step) {
      ASSERT_EQ(names_of(listener.spans, step), expected) << "step " << step;
    }
    for (std::size_t i = 1; i < listener.spans.size(); ++i) {
      const DeviceSpan& span = listener.spans[i];
      EXPECT_GE(span.begin, listener.spans[i - 1].end);
      EXPECT_GE(span.end, span.begin);
      EXPECT_EQ(std::string_view(span.row), listener.spans[0].row);
    }
  }
}

// An epoch does not wait: what is kept must not grow with its steps.
TEST_F(CudaHeadTracing, StepsAreToldWhileOthersAreStillGivenToTheDevice) {
  const bool is_virtual = test::on_virtual_gpu();
  for (const std::uint64_t seed : {0, 1, 2}) {
    if (is_virtual) GRAFT_VIRTUAL_GPU(vgpu_set_seed)(seed);
    for (const bool resident : {true, false}) {
      Listener listener(TraceDetail::device_times);
      trained(&listener, 2, resident);
      EXPECT_EQ(listener.told, steps);
      EXPECT_LE(listener.most_untold, 66U) << (resident ? "resident" : "streamed");
    }
  }
  if (is_virtual) GRAFT_VIRTUAL_GPU(vgpu_set_seed)(0);
}

// In chunks of 256 rows.
TEST_F(CudaHeadTracing, EvaluationAndPredictionAreToldByChunks) {
  Listener listener(TraceDetail::device_times);
  const HeadOptions options = small_options(4);
  const test::Samples samples = test::random_samples(256 * 19 + 1, 20, 4, 3);
  const auto head = cuda::make_cuda_head(options, *device_, cuda::all_that_fit, &listener);
  head->set_state(test::random_state(options, 1));
  test::evaluate(*head, samples.view(), samples.labels);
  EXPECT_EQ(listener.told, 20U);
  std::vector<float> probabilities(samples.labels.size() * 4);
  head->predict(samples.view(), probabilities);
  EXPECT_EQ(listener.told, 40U);
  EXPECT_LE(listener.most_untold, 7U);
  EXPECT_THAT(names_of(listener.spans, 19),
              ElementsAre("product dense", "relu_dropout dense", "product dense_1",
                          "softmax_cross_entropy"));
  EXPECT_THAT(names_of(listener.spans, 39),
              ElementsAre("product dense", "relu_dropout dense", "product dense_1",
                          "softmax_probabilities", "copy"));
}

TEST_F(CudaHeadTracing, WhoWantsNoTimesIsToldOfTheHostsSpansAlone) {
  Listener listener(TraceDetail::kernels);
  trained(&listener, 2, true);
  EXPECT_THAT(listener.spans, IsEmpty());
  EXPECT_GT(listener.most_untold, 0U);
}

// Its kernels run one by one, those of a head without a tracer as a graph.
TEST_F(CudaHeadTracing, ATracedHeadLearnsTheSameBytes) {
  for (const std::size_t classes : {2, 4}) {
    const HeadState plain = trained(nullptr, classes, true);
    for (const bool resident : {true, false}) {
      Listener listener(TraceDetail::device_times);
      EXPECT_TRUE(test::same_bytes(trained(&listener, classes, resident), plain));
    }
  }
}

}  // namespace
}  // namespace graft
