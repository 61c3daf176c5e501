// global_pool against its reference implementation.

#include "kernels/cuda/global_pool.h"

#include "tests/kernels_cuda/cuda_test.h"
#include "tests/reference/feature_map_ops.h"

namespace graft {
namespace {

using test::DeviceArray;
using test::nearly_equal;
using test::numbers;
using test::odd_numbers;
using test::random_numbers;
using test::rounded;
using test::stored;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

template <typename T>
class GlobalPool : public test::CudaStorageTest<T> {
 protected:
  // Rows of features with one more float before, between and behind the statistics.
  struct Rows {
    std::vector<float> average, maximum;  // images × channels
    std::vector<float> others;            // all the rest
  };
  static Rows run(const std::vector<float>& values, const reference::BatchShape& shape,
                  bool wants_average = true, bool wants_maximum = true, std::size_t offset = 0) {
    const std::size_t stride = 2 * shape.channels + 3;
    const DeviceArray<T> in(stored<T>(values), offset);
    const DeviceArray<float> out(std::vector<float>(shape.images * stride, -1.0F), 1);
    float* const first = out.get() + 1;
    cuda::global_pool({wants_average ? first : nullptr,
                       wants_maximum ? first + shape.channels + 1 : nullptr, stride},
                      in.get(), {shape.images, shape.height, shape.width, shape.channels}, nullptr);
    EXPECT_TRUE(out.guards_intact());
    const std::vector<float> all = out.host();
    Rows rows;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::size_t column = i % stride;
      const bool between = column == 0 || column == shape.channels + 1 || column + 1 == stride;
      (between                    ? rows.others
       : column <= shape.channels ? rows.average
                                  : rows.maximum)
          .push_back(all[i]);
    }
    return rows;
  }

  static void expect_pooled(const std::vector<float>& values, const reference::BatchShape& shape,
                            std::size_t offset = 0) {
    const auto expected = reference::global_pool(values, shape);
    const Rows rows = run(values, shape, true, true, offset);
    ASSERT_TRUE(nearly_equal(rows.average, expected.average, 1e-6))
        << shape.images << " × " << shape.height << " × " << shape.width << " × " << shape.channels;
    ASSERT_TRUE(nearly_equal(rows.maximum, expected.maximum, 0.0))
        << shape.images << " × " << shape.height << " × " << shape.width << " × " << shape.channels;
    ASSERT_EQ(rows.others, std::vector<float>(3 * shape.images, -1.0F));
  }
  static std::vector<float> map(const reference::BatchShape& shape, std::uint32_t seed) {
    return rounded<T>(random_numbers(shape.count(), seed));
  }
};
TYPED_TEST_SUITE(GlobalPool, test::StorageTypes);

TYPED_TEST(GlobalPool, IsTheReferenceForEverySize) {
  for (std::size_t height = 1; height <= 5; ++height) {
    for (std::size_t width = 1; width <= 9; ++width) {
      const reference::BatchShape shape = {2, height, width, 64};
      this->expect_pooled(this->map(shape, 1), shape);
    }
  }
}

TYPED_TEST(GlobalPool, IsTheReferenceForEveryChannelCountAndAlignment) {
  for (std::size_t channels = 0; channels <= 66; ++channels) {
    const reference::BatchShape shape = {2, 4, 3, channels};
    this->expect_pooled(this->map(shape, 2), shape, channels % 5);
  }
  for (const std::size_t channels : {128, 256, 512}) {
    const reference::BatchShape shape = {2, 4, 3, channels};
    this->expect_pooled(this->map(shape, 2), shape);
  }
}

// A block has at most 32 warps.
TYPED_TEST(GlobalPool, RowsBeyondTheBlocksWarpsComeByTurns) {
  for (const std::size_t height : {31, 32, 33, 65, 75}) {
    const reference::BatchShape shape = {1, height, 3, 64};
    this->expect_pooled(this->map(shape, 3), shape);
  }
}

TYPED_TEST(GlobalPool, ANanInAChannelMakesItsStatisticsNan) {
  const reference::BatchShape shape = {2, 34, 2, 64};
  for (const std::size_t pixel : {0, 1, 2, 63, 64, 67, 68, 135}) {
    std::vector<float> values = this->map(shape, 4);
    values[pixel * 64 + 13] = nan;
    const auto rows = this->run(values, shape);
    const std::size_t at = pixel / 68 * 64 + 13;
    EXPECT_TRUE(std::isnan(rows.average[at]) && std::isnan(rows.maximum[at])) << pixel;
    this->expect_pooled(values, shape);
  }
}

TYPED_TEST(GlobalPool, InfinitiesStay) {
  const reference::BatchShape shape = {1, 2, 2, 64};
  this->expect_pooled(rounded<TypeParam>(odd_numbers(shape.count(), 5)), shape);
  const std::vector<float> lowest(shape.count(), -std::numeric_limits<float>::infinity());
  this->expect_pooled(lowest, shape);
}

TYPED_TEST(GlobalPool, WritesOnlyWhatIsWanted) {
  const reference::BatchShape shape = {2, 3, 5, 64};
  const std::vector<float> values = this->map(shape, 6), untouched(2 * 64, -1.0F);
  const auto both = this->run(values, shape);
  const auto average = this->run(values, shape, true, false);
  EXPECT_EQ(average.average, both.average);
  EXPECT_EQ(average.maximum, untouched);
  const auto maximum = this->run(values, shape, false, true);
  EXPECT_EQ(maximum.average, untouched);
  EXPECT_EQ(maximum.maximum, both.maximum);
}

TYPED_TEST(GlobalPool, RefusesAMapWithoutPixels) {
  const DeviceArray<TypeParam> in(64);
  const DeviceArray<float> out(64);
  const auto error = [&](const cuda::BatchShape& shape) {
    return test::error_of([&] {
      cuda::global_pool({out.get(), nullptr, 64}, in.get(), shape, nullptr);
    });
  };
  EXPECT_NE(error({1, 0, 1, 64}), "");
  EXPECT_NE(error({1, 1, 0, 64}), "");
  EXPECT_EQ(error({0, 0, 0, 64}), "");
}

}  // namespace
}  // namespace graft
