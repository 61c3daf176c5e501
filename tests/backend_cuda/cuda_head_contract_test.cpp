// What the CUDA head promises and what it refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/backend/cuda/head/training_rows.h"
#include "engine/base/error.h"
#include "tests/backend_cuda/cuda_head_test.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

HeadOptions small_options(std::size_t classes = 2) {
  HeadOptions options;
  options.inputs = 20;
  options.hidden = {12};
  options.classes = classes;
  options.batch_size = 8;
  return options;
}

class CudaHead : public test::CudaHeadTest {
 protected:
  std::unique_ptr<Head> make_with_state(const HeadOptions& options, bool resident = true) {
    auto head = make_cuda(options, resident);
    head->set_state(test::random_state(options, 1));
    return head;
  }

  template <typename Action>
  static void expect_error(ErrorKind kind, const Action& action, const std::string& part) {
    try {
      action();
      ADD_FAILURE() << "no error; expected one about: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }
  template <typename Action>
  static void expect_usage(const Action& action, const std::string& part) {
    expect_error(ErrorKind::usage, action, part);
  }
};

TEST_F(CudaHead, RefusesOptionsOutOfRange) {
  HeadOptions options = small_options();
  options.inputs = 0;
  expect_usage([&] { make_cuda(options); }, "0 inputs");
  options = small_options();
  options.dropout = 1.0;
  expect_usage([&] { make_cuda(options); }, "dropout rate is 1");
  options = small_options();
  options.hidden = {4, 0};
  expect_usage([&] { make_cuda(options); }, "0 units");
}

TEST_F(CudaHead, RefusesWhatTheGpuCannotHoldBeforeItTakesMemory) {
  const auto refused = [&](const HeadOptions& options) {
    expect_error(
        ErrorKind::device, [&] { make_cuda(options); }, "GiB of memory on the GPU, and");
    expect_error(
        ErrorKind::device, [&] { make_cuda(options); }, "machine: choose smaller layers");
  };
  HeadOptions wide = small_options();
  wide.hidden = {std::size_t{1} << 20U, std::size_t{1} << 20U};  // of 12 TiB
  refused(wide);
  HeadOptions many_rows = small_options();
  many_rows.batch_size = std::size_t{1} << 60U;
  refused(many_rows);
}

TEST_F(CudaHead, RefusesWorkBeforeItHasParameters) {
  const auto head = make_cuda(small_options());
  const test::Samples samples = test::random_samples(4, 20, 2, 1);
  std::vector<float> probabilities(8);
  head->set_training_data(samples.view(), samples.labels);
  expect_usage([&] { head->state(); }, "set_state first");
  expect_usage([&] { head->train_step(test::first_rows(1), 0); }, "set_state first");
  expect_usage([&] { head->evaluate(samples.view(), samples.labels); }, "set_state first");
  expect_usage([&] { head->predict(samples.view(), probabilities); }, "set_state first");
}

TEST_F(CudaHead, RefusesAStateOfAnotherHead) {
  const auto head = make_cuda(small_options());
  HeadOptions wider = small_options();
  wider.hidden = {13};
  expect_usage([&] { head->set_state(test::random_state(wider, 1)); }, "layer 0 are 20 × 13");
}

TEST_F(CudaHead, RefusesFeaturesLabelsAndBatchesThatDoNotFit) {
  const auto head = make_with_state(small_options());
  test::Samples samples = test::random_samples(10, 20, 2, 1);
  const test::Samples narrow = test::random_samples(4, 19, 2, 1);
  expect_usage([&] { head->train_step(test::first_rows(1), 0); }, "no training rows");
  expect_usage([&] { head->set_training_data(narrow.view(), narrow.labels); }, "19 values");
  expect_usage([&] { head->evaluate(samples.view(), std::span(samples.labels).first(3)); },
               "3 labels for 10 rows");
  std::vector<float> seven(7);
  expect_usage([&] { head->predict(samples.view(), seven); }, "room for 7");
  head->set_training_data(samples.view(), samples.labels);
  expect_usage([&] { head->train_step({}, 0); }, "0 rows");
  expect_usage([&] { head->train_step(test::first_rows(9), 0); }, "9 rows; it takes 1 to 8");
  expect_usage([&] { head->train_step(std::vector<std::uint32_t>{1, 10}, 0); }, "row 10 of 10");
  expect_usage([&] { head->train_step(test::first_rows(2), 1ULL << 48U); }, "2^48");
  EXPECT_TRUE(test::same_bytes(head->state(), test::random_state(small_options(), 1)));
  EXPECT_EQ(head->take_totals().count, 0U);
  samples.labels[2] = 2;
  expect_usage([&] { head->set_training_data(samples.view(), samples.labels); },
               "label of row 2 is 2");
}

TEST_F(CudaHead, StateIsWhatWasSetAndAbsentMeanSquaresAreZero) {
  const HeadOptions options = small_options(3);
  const auto head = make_cuda(options);
  HeadState state = test::random_state(options, 6);
  state.mean_squares[0].kernel[5] = 0.25F;
  state.mean_squares[1].bias[2] = 0.5F;
  head->set_state(state);
  EXPECT_TRUE(test::same_bytes(head->state(), state));
  head->set_state({state.parameters, {}});
  state.mean_squares[0].kernel[5] = 0.0F;
  state.mean_squares[1].bias[2] = 0.0F;
  EXPECT_TRUE(test::same_bytes(head->state(), state));
}

TEST_F(CudaHead, TotalsAddUpOverBatchesWeighedBySizeAndStartAgain) {
  for (const std::size_t classes : {2, 4}) {
    const HeadOptions options = small_options(classes);
    const auto gpu = make_with_state(options);
    const auto cpu = make_cpu(options);
    cpu->set_state(test::random_state(options, 1));
    const test::Samples samples = test::random_samples(10, 20, classes, 1);
    for (Head* head : {gpu.get(), cpu.get()}) {
      head->set_training_data(samples.view(), samples.labels);
      head->train_step(test::first_rows(8), 0);
      head->train_step(test::first_rows(2), 1);
      head->train_step(test::first_rows(1), 2);
    }
    const Totals expected = cpu->take_totals();
    const Totals actual = gpu->take_totals();
    EXPECT_EQ(actual.count, 11U);
    EXPECT_EQ(actual.correct, expected.correct);
    EXPECT_NEAR(actual.loss_sum, expected.loss_sum, 1e-5 * expected.loss_sum);
    EXPECT_EQ(gpu->take_totals().count, 0U);
    EXPECT_EQ(gpu->take_totals().loss_sum, 0.0);
  }
}

// Chunks of 256 rows.
TEST_F(CudaHead, EvaluatesAndPredictsAsTheCpuDoesForAnyNumberOfRows) {
  for (const std::size_t classes : {2, 4}) {
    const HeadOptions options = small_options(classes);
    const auto gpu = make_with_state(options);
    const auto cpu = make_cpu(options);
    cpu->set_state(test::random_state(options, 1));
    for (const std::size_t rows : {0, 1, 255, 256, 257, 800}) {
      const test::Samples samples = test::random_samples(rows, 20, classes, 3);
      const Totals expected = cpu->evaluate(samples.view(), samples.labels);
      const Totals actual = gpu->evaluate(samples.view(), samples.labels);
      EXPECT_EQ(actual.count, rows);
      EXPECT_EQ(actual.correct, expected.correct);
      EXPECT_NEAR(actual.loss(), expected.loss(), 1e-6 * expected.loss());
      std::vector<float> expected_rows(rows * classes);
      std::vector<float> actual_rows(rows * classes);
      cpu->predict(samples.view(), expected_rows);
      gpu->predict(samples.view(), actual_rows);
      EXPECT_TRUE(test::nearly_equal(actual_rows, expected_rows, 1e-6)) << rows << " rows";
    }
    EXPECT_EQ(gpu->take_totals().count, 0U);  // evaluation is not training
  }
}

TEST_F(CudaHead, EvaluatesWhatLiesBehindTheViewNow) {
  const auto head = make_with_state(small_options());
  test::Samples samples = test::random_samples(9, 20, 2, 3);
  const double before = head->evaluate(samples.view(), samples.labels).loss();
  for (float& value : samples.features) value = -value;
  EXPECT_NE(head->evaluate(samples.view(), samples.labels).loss(), before);
}

TEST_F(CudaHead, EvaluationBetweenStepsChangesNothing) {
  const HeadOptions options = small_options();
  const test::Samples samples = test::random_samples(24, 20, 2, 2);
  const test::Samples others = test::random_samples(300, 20, 2, 9);
  const auto trained = [&](bool evaluate, bool resident) {
    const auto head = make_with_state(options, resident);
    head->set_training_data(samples.view(), samples.labels);
    std::uint64_t step = 0;
    for (const auto& rows : test::shuffled_batches(24, 8, 1)) {
      head->train_step(rows, step++);
      if (evaluate) head->evaluate(others.view(), others.labels);
    }
    EXPECT_EQ(head->take_totals().count, 24U);
    return head->state();
  };
  const HeadState plain = trained(false, true);
  EXPECT_TRUE(test::same_bytes(trained(true, true), plain));
  EXPECT_TRUE(test::same_bytes(trained(true, false), plain));
}

TEST_F(CudaHead, ANanFeatureShowsInTheLoss) {
  const auto head = make_with_state(small_options());
  test::Samples samples = test::random_samples(4, 20, 2, 1);
  samples.features[25] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(head->evaluate(samples.view(), samples.labels).loss()));
}

// Its tensors take two launches of RMSprop.
TEST_F(CudaHead, ADeepHeadTrainsAsOnTheCpu) {
  HeadOptions options = small_options();
  options.hidden.assign(40, 6);
  options.dropout = 0.0;
  const test::Samples samples = test::random_samples(8, 20, 2, 1);
  const auto step = [&](Head& head) {
    HeadState state = test::random_state(options, 1);
    for (DenseParameters& layer : state.parameters) std::ranges::fill(layer.bias, 0.1F);
    head.set_state(state);
    head.set_training_data(samples.view(), samples.labels);
    head.train_step(test::first_rows(8), 0);
    return head.state();
  };
  const HeadState expected = step(*make_cpu(options));
  const HeadState actual = step(*make_cuda(options));
  for (std::size_t layer = 0; layer < 41; ++layer) {
    EXPECT_TRUE(test::nearly_equal(actual.mean_squares[layer].kernel,
                                   expected.mean_squares[layer].kernel, 1e-4))
        << "layer " << layer;
    EXPECT_NE(actual.mean_squares[layer].bias,
              std::vector<float>(actual.mean_squares[layer].bias.size()));
  }
}

// ---- Where the training rows are ----

class CudaTrainingRows : public test::CudaHeadTest {};

TEST_F(CudaTrainingRows, AreOnTheDeviceWhenTheyFitAndNoLimitForbidsIt) {
  const test::Samples samples = test::random_samples(100, 20, 2, 1);
  constexpr std::size_t bytes = std::size_t{100} * 21 * 4;
  cuda::FeatureRing ring(16, 20);
  const cuda::Stream compute;
  const auto resident = [&](std::size_t limit) {
    cuda::TrainingRows rows(8, ring, limit);
    rows.set(samples.view(), samples.labels, *device_, compute);
    EXPECT_EQ(rows.count(), 100U);
    return rows.resident();
  };
  EXPECT_TRUE(resident(bytes));
  EXPECT_FALSE(resident(bytes - 1));
  // All but the reserve is taken: they stream.
  const std::size_t free = device_->memory_now().free;
  cuda::DeviceBuffer most(free - cuda::TrainingRows::reserve - bytes / 2);
  EXPECT_FALSE(resident(bytes));
  most = {};
  EXPECT_TRUE(resident(bytes));
}

TEST_F(CudaTrainingRows, StreamWhenTheDeviceRefusesThem) {
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU fails on demand";
  const test::Samples samples = test::random_samples(100, 20, 2, 1);
  cuda::FeatureRing ring(16, 20);
  const cuda::Stream compute;
  cuda::TrainingRows rows(8, ring, SIZE_MAX);
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)("cudaMalloc:1:2");
  rows.set(samples.view(), samples.labels, *device_, compute);
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)("");
  EXPECT_FALSE(rows.resident());
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(CudaTrainingRows, ResidentAndStreamedBatchesAreTheRowsAskedFor) {
  const test::Samples samples = test::random_samples(200, 20, 2, 1);
  for (const std::size_t limit : {SIZE_MAX, std::size_t{0}}) {
    cuda::FeatureRing ring(16, 20);
    const cuda::Stream compute;
    cuda::TrainingRows rows(2, ring, limit);
    rows.set(samples.view(), samples.labels, *device_, compute);
    ASSERT_EQ(rows.resident(), limit != 0);
    // The host asks for all batches before it waits for one: both rings go round.
    const test::DeviceArray<float> features(std::size_t{200} * 20);
    const test::DeviceArray<std::uint32_t> labels(200);
    cuda::KernelTrace trace;
    const auto batches = test::shuffled_batches(200, 2, 3);
    std::size_t done = 0;
    for (const auto& wanted : batches) {
      const cuda::DeviceRows batch = rows.batch(wanted, compute, trace);
      GRAFT_CUDA_CHECK(cudaMemcpyAsync(features.get() + done * 20, batch.features,
                                       wanted.size() * 80, cudaMemcpyDeviceToDevice,
                                       compute.get()));
      GRAFT_CUDA_CHECK(cudaMemcpyAsync(labels.get() + done, batch.labels, wanted.size() * 4,
                                       cudaMemcpyDeviceToDevice, compute.get()));
      rows.release(compute);
      done += wanted.size();
    }
    compute.wait();
    const std::vector<float> actual = features.host();
    const std::vector<std::uint32_t> actual_labels = labels.host();
    std::size_t at = 0;
    for (const auto& wanted : batches) {
      for (const std::uint32_t row : wanted) {
        EXPECT_TRUE(std::equal(actual.begin() + static_cast<std::ptrdiff_t>(at * 20),
                               actual.begin() + static_cast<std::ptrdiff_t>(at * 20 + 20),
                               samples.view().row(row)))
            << "row " << row;
        EXPECT_EQ(actual_labels[at++], samples.labels[row]);
      }
    }
  }
}

}  // namespace
}  // namespace graft
