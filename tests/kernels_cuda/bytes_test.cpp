// The bytes that a launch moves, as the virtual GPU counts them, against those that the header of
// its kernel promises: at most 2 % more, and no access of a warp touches more sectors than its
// bytes need.

#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/cast_features.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/gather_rows.h"
#include "kernels/cuda/global_pool.h"
#include "kernels/cuda/preprocess.h"
#include "kernels/cuda/relu_dropout.h"
#include "kernels/cuda/rmsprop.h"
#include "kernels/cuda/training_step.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft {
namespace {

using test::DeviceArray;

using cuda::MovedBytes;

#define GRAFT_NEEDS_VIRTUAL_GPU() \
  if (!test::on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU counts sectors"

// Of the last launch of a kernel; `kernel`: a part of the mangled name.
VgpuCounters counters_of(const char* kernel) {
  VgpuCounters counted = {};
  GRAFT_CUDA_CHECK(cudaDeviceSynchronize());
  EXPECT_EQ(GRAFT_VIRTUAL_GPU(vgpu_last_launch)(kernel, &counted), 1) << kernel;
  return counted;
}

// `split_sectors`: that loads may touch beyond what their bytes need.
void expect_moved(const char* kernel, const MovedBytes& promise, std::size_t split_sectors = 0) {
  constexpr double slack = 1.02;
  const VgpuCounters counted = counters_of(kernel);
  const auto read = static_cast<double>(32 * counted.distinct_sectors_read);
  const auto written = static_cast<double>(32 * counted.distinct_sectors_written);
  EXPECT_LE(read, slack * static_cast<double>(promise.read)) << kernel;
  EXPECT_LE(written, slack * static_cast<double>(promise.written)) << kernel;
  // Less would mean that the launch did not do its work.
  EXPECT_GE(read, static_cast<double>(promise.read)) << kernel;
  EXPECT_GE(written, static_cast<double>(promise.written)) << kernel;
  EXPECT_LE(counted.sectors_loaded, counted.sectors_loaded_minimum + split_sectors) << kernel;
  EXPECT_EQ(counted.sectors_stored, counted.sectors_stored_minimum) << kernel;
  // Every sector is stored once, but for a last incomplete pack: its values go one by one.
  EXPECT_LE(counted.sectors_stored, counted.distinct_sectors_written + 7) << kernel;
}

// A thread of a half type needs eight biases, 32 bytes, which it loads as two packs: each touches
// the sectors of both. They come from the L1 cache, and are no bytes of the memory.
template <typename T>
std::size_t split_bias_sectors(std::size_t warps, std::size_t channels) {
  return sizeof(T) == 4 ? 0 : warps * std::min<std::size_t>(32, channels / 8);
}

// VGG16 at 150×150, one image: the activations before the pools of its five blocks.
struct BlockEnd {
  std::size_t side, channels;
  std::size_t count() const { return side * side * channels; }
};
constexpr BlockEnd block_ends[] = {{150, 64}, {75, 128}, {37, 256}, {18, 512}, {9, 512}};

template <typename T>
class Bytes : public test::CudaStorageTest<T> {
 protected:
  static std::vector<T> halves(std::size_t count) {
    return std::vector<T>(count, test::to_storage<T>(0.5F));
  }
};
TYPED_TEST_SUITE(Bytes, test::StorageTypes);

TYPED_TEST(Bytes, OfBiasRelu) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  using T = TypeParam;
  for (const BlockEnd& end : block_ends) {
    const DeviceArray<T> values(this->halves(end.count()));
    const DeviceArray<float> bias(std::vector<float>(end.channels, 0.25F));
    cuda::bias_relu(values.get(), bias.get(), end.side * end.side, end.channels, nullptr);
    const std::size_t warps = (end.count() * sizeof(T) / 16 + 31) / 32;
    expect_moved("16bias_relu_kernel",
                 cuda::bias_relu_bytes(sizeof(T), end.side * end.side, end.channels),
                 split_bias_sectors<T>(warps, end.channels));
  }
}

TYPED_TEST(Bytes, OfBiasReluMaxPool) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  using T = TypeParam;
  for (const BlockEnd& end : block_ends) {
    const std::size_t pooled_side = end.side / 2;
    const std::size_t outputs = pooled_side * pooled_side * end.channels;
    const DeviceArray<T> in(this->halves(end.count())), out(outputs);
    const DeviceArray<float> bias(std::vector<float>(end.channels, 0.25F));
    const cuda::BatchShape shape = {1, end.side, end.side, end.channels};
    cuda::bias_relu_max_pool(out.get(), in.get(), bias.get(), shape, nullptr);
    const std::size_t line_packs = pooled_side * end.channels * sizeof(T) / 16;
    const std::size_t warps = pooled_side * ((line_packs + 31) / 32);
    expect_moved("25bias_relu_max_pool_kernel", cuda::bias_relu_max_pool_bytes(sizeof(T), shape),
                 split_bias_sectors<T>(warps, end.channels));
  }
}

TYPED_TEST(Bytes, OfPreprocess) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  using T = TypeParam;
  constexpr std::size_t pixels = 150 * 150;
  const DeviceArray<std::uint8_t> rgb(std::vector<std::uint8_t>(3 * pixels, 99));
  const DeviceArray<float> tables(std::vector<float>(3 * 256, 0.5F));
  for (const std::size_t channels : {3, 4, 8}) {
    const DeviceArray<T> out(pixels * channels);
    cuda::preprocess(out.get(), rgb.get(), {tables.get(), {0, 1, 2}}, pixels, channels, nullptr);
    expect_moved("17preprocess_kernel", cuda::preprocess_bytes(sizeof(T), pixels, channels));
  }
}

TYPED_TEST(Bytes, OfCastFeatures) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  constexpr std::size_t count = 4 * 4 * 512;
  const DeviceArray<TypeParam> in(this->halves(count));
  const DeviceArray<float> out(count);
  cuda::cast_features(out.get(), in.get(), count, nullptr);
  expect_moved("20cast_features_kernel", cuda::cast_features_bytes(sizeof(TypeParam), count));
}

// The maps after the pools, for both statistics and for one.
TYPED_TEST(Bytes, OfGlobalPool) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  using T = TypeParam;
  for (const BlockEnd& end : block_ends) {
    const cuda::BatchShape shape = {2, end.side / 2, end.side / 2, end.channels};
    const DeviceArray<T> in(this->halves(2 * shape.height * shape.width * end.channels));
    const DeviceArray<float> out(4 * end.channels);
    cuda::global_pool({out.get(), out.get() + end.channels, 2 * end.channels}, in.get(), shape,
                      nullptr);
    expect_moved("18global_pool_kernel", cuda::global_pool_bytes(sizeof(T), shape, 2));
    cuda::global_pool({nullptr, out.get(), 2 * end.channels}, in.get(), shape, nullptr);
    expect_moved("18global_pool_kernel", cuda::global_pool_bytes(sizeof(T), shape, 1));
  }
}

// The head of the recipe: 8192 features, 256 hidden units, a batch of 16.
class HeadBytes : public test::CudaTest {
 protected:
  static constexpr std::size_t rows = 16, columns = 8192, units = 256;
};

TEST_F(HeadBytes, OfGatherRows) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  const DeviceArray<float> features(std::vector<float>(rows * columns, 1.0F)), out(rows * columns);
  const DeviceArray<std::uint32_t> labels(std::vector<std::uint32_t>(rows, 1)), out_labels(rows);
  std::vector<std::uint32_t> order(rows);
  for (std::size_t i = 0; i < rows; ++i) order[i] = static_cast<std::uint32_t>(rows - 1 - i);
  const DeviceArray<std::uint32_t> indices(order);
  const DeviceArray<float> factors(std::vector<float>(2 * columns, 1.0F));
  const DeviceArray<std::uint64_t> zero(std::vector<std::uint64_t>{0});
  cuda::GatherSource source = {features.get(), labels.get(), columns};
  for (const bool normalized : {false, true}) {
    if (normalized) source.mean = factors.get();
    if (normalized) source.scale = factors.get() + columns;
    cuda::gather_rows(out.get(), out_labels.get(), source, indices.get(), zero.get(), rows,
                      nullptr);
    const VgpuCounters counted = counters_of("18gather_rows_kernel");
    const MovedBytes promise = cuda::gather_rows_bytes(rows, columns, normalized);
    EXPECT_EQ(32 * counted.distinct_sectors_read, promise.read + 24);  // a sector for 8 bytes
    EXPECT_EQ(32 * counted.distinct_sectors_written, promise.written);
    EXPECT_EQ(counted.sectors_loaded, counted.sectors_loaded_minimum);
    EXPECT_EQ(counted.sectors_stored, counted.sectors_stored_minimum);
  }
}

TEST_F(HeadBytes, OfReluDropout) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  const DeviceArray<float> values(std::vector<float>(rows * units, 1.0F));
  const DeviceArray<float> gradient(std::vector<float>(rows * units, 1.0F));
  const DeviceArray<float> bias(std::vector<float>(units, 1.0F));
  const Dropout dropout = {{1, RandomPurpose::dropout, 0, 0}, 1U << 23U, 2.0F};
  const DeviceArray<std::uint64_t> step(std::vector<std::uint64_t>{0});
  cuda::relu_dropout(values.get(), bias.get(), rows, units, dropout, step.get(), nullptr);
  expect_moved("19relu_dropout_kernel", cuda::relu_dropout_bytes(rows, units));
  cuda::relu_dropout_backward(gradient.get(), values.get(), rows * units, 2.0F, nullptr);
  expect_moved("28relu_dropout_backward_kernel", cuda::relu_dropout_backward_bytes(rows * units));
}

TEST_F(HeadBytes, OfColumnSums) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  const DeviceArray<float> delta(std::vector<float>(rows * units, 1.0F)), sums(units);
  cuda::column_sums(sums.get(), delta.get(), rows, units, nullptr);
  expect_moved("18column_sums_kernel", cuda::column_sums_bytes(rows, units));
}

TEST_F(HeadBytes, OfRmsprop) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  std::vector<std::unique_ptr<DeviceArray<float>>> arrays;
  const auto array = [&](std::size_t count) {
    arrays.push_back(std::make_unique<DeviceArray<float>>(std::vector<float>(count, 0.5F)));
    return arrays.back()->get();
  };
  std::vector<cuda::ParameterTensor> tensors;
  std::size_t all = 0;
  for (const std::size_t count : {512 * units, units, units, std::size_t{1}}) {
    tensors.push_back({array(count), array(count), array(count), count});
    all += count;
  }
  const DeviceArray<float> rate(std::vector<float>{1e-3F});
  for (const bool inside : {true, false}) {
    cuda::rmsprop(tensors, {0.0F, 0.9F, 0.1F, 1e-7F, inside}, rate.get(), nullptr);
    expect_moved("14rmsprop_kernel", cuda::rmsprop_bytes(all));
  }
}

// Both counters and the rate in one sector.
TEST_F(HeadBytes, OfAdvance) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  const DeviceArray<cuda::TrainingStep> now(std::vector<cuda::TrainingStep>(1));
  cuda::advance(now.get(), rows, {1e-4, 100}, nullptr);
  const VgpuCounters counted = counters_of("14advance_kernel");
  EXPECT_EQ(cuda::advance_bytes().read, 16U);
  EXPECT_EQ(cuda::advance_bytes().written, 20U);
  EXPECT_EQ(counted.distinct_sectors_read, 1U);
  EXPECT_EQ(counted.distinct_sectors_written, 1U);
}

// The last layer: a few values for a row, of which a warp takes some each. Nothing is counted twice
// over the launches of one call.
void expect_moved_by_all(std::initializer_list<const char*> kernels, const MovedBytes& promise) {
  MovedBytes moved;
  for (const char* kernel : kernels) {
    const VgpuCounters counted = counters_of(kernel);
    moved.read += 32 * counted.distinct_sectors_read;
    moved.written += 32 * counted.distinct_sectors_written;
  }
  // A sector is more than the 16 bytes of the totals.
  EXPECT_GE(moved.read, promise.read);
  EXPECT_LE(moved.read, promise.read + promise.read / 50 + 32);
  EXPECT_GE(moved.written, promise.written);
  EXPECT_LE(moved.written, promise.written + promise.written / 50 + 32);
}

class LossBytes : public test::CudaTest {
 protected:
  static constexpr std::size_t rows = 1024, classes = 24;
};
struct LossData {
  DeviceArray<std::uint32_t> labels;
  DeviceArray<float> logits, out;
  DeviceArray<cuda::LossTotals> row_losses, totals{std::vector<cuda::LossTotals>(1)};
  LossData(std::size_t rows, std::size_t classes)
      : labels(std::vector<std::uint32_t>(rows, 1)),
        logits(std::vector<float>(rows * classes, 0.5F)),
        out(2 * rows * classes),
        row_losses(rows) {}
};

TEST_F(LossBytes, OfSigmoidCrossEntropy) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  const LossData data(rows, classes);
  const DeviceArray<float> two(std::vector<float>(2, 1.0F));
  for (const float* weights :
       {static_cast<const float*>(nullptr), static_cast<const float*>(two.get())}) {
    cuda::sigmoid_cross_entropy(data.logits.get(), data.labels.get(), rows, weights, data.out.get(),
                                data.totals.get(), nullptr);
    expect_moved_by_all({"28sigmoid_cross_entropy_kernel"},
                        cuda::sigmoid_cross_entropy_bytes(rows, true, weights != nullptr));
  }
  cuda::sigmoid_probabilities(data.logits.get(), rows, data.out.get(), nullptr);
  expect_moved_by_all({"28sigmoid_probabilities_kernel"}, cuda::sigmoid_probabilities_bytes(rows));
}

TEST_F(LossBytes, OfSoftmaxCrossEntropy) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  const LossData data(rows, classes);
  // Each class has rows: all weights are read.
  std::vector<std::uint32_t> every(rows);
  for (std::size_t i = 0; i < rows; ++i) every[i] = static_cast<std::uint32_t>(i % classes);
  const DeviceArray<std::uint32_t> labels(every);
  const DeviceArray<float> ones(std::vector<float>(classes, 1.0F));
  for (const float* weights :
       {static_cast<const float*>(nullptr), static_cast<const float*>(ones.get())}) {
    cuda::softmax_cross_entropy(data.logits.get(), labels.get(), rows, classes, weights,
                                data.out.get(), data.row_losses.get(), data.totals.get(), nullptr);
    expect_moved_by_all({"28softmax_cross_entropy_kernel", "21add_row_losses_kernel"},
                        cuda::softmax_cross_entropy_bytes(rows, classes, true, weights != nullptr));
  }
  cuda::softmax_probabilities(data.logits.get(), rows, classes, data.out.get(), nullptr);
  expect_moved_by_all({"28softmax_probabilities_kernel"},
                      cuda::softmax_probabilities_bytes(rows, classes));
}

TEST_F(LossBytes, OfMeanLogits) {
  GRAFT_NEEDS_VIRTUAL_GPU();
  const LossData data(rows, classes);
  for (const std::size_t views : {2, 4}) {
    for (const std::size_t outputs : {std::size_t{1}, classes}) {
      cuda::mean_logits(data.logits.get(), rows / views, views, outputs, data.out.get(), nullptr);
      expect_moved_by_all({"18mean_logits_kernel"},
                          cuda::mean_logits_bytes(rows / views, views, outputs));
    }
  }
}

}  // namespace
}  // namespace graft
