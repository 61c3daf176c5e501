#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include "engine/base/error.h"
#include "engine/head/trainer.h"
#include "golden_values.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

TEST(EpochOrder, IsTheOneThatPublishedPhiloxGives) {
  EXPECT_THAT(epoch_order(10, 1, 0), ElementsAreArray(golden::order_10_seed_1_epoch_0));
  EXPECT_THAT(epoch_order(10, 1, 1), ElementsAreArray(golden::order_10_seed_1_epoch_1));
  EXPECT_THAT(epoch_order(10, 2, 0), ElementsAreArray(golden::order_10_seed_2_epoch_0));
  EXPECT_THAT(epoch_order(33, 0x123456789ABCDEF0U, 70000),
              ElementsAreArray(golden::order_33_seed_1311768467463790320_epoch_70000));
}

TEST(EpochOrder, HoldsEveryRowOnce) {
  for (const std::size_t rows : {1U, 2U, 3U, 4U, 5U, 64U, 1000U}) {
    auto order = epoch_order(rows, 9, 3);
    std::vector<std::uint32_t> every_row(rows);
    std::iota(every_row.begin(), every_row.end(), 0U);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, every_row);
  }
}

TEST(EpochOrder, OfNoRowsAndOfOneIsTrivial) {
  EXPECT_THAT(epoch_order(0, 1, 0), IsEmpty());
  EXPECT_THAT(epoch_order(1, 1, 0), ElementsAre(0U));
}

TEST(EpochOrder, DiffersByEpochAndBySeed) {
  EXPECT_NE(epoch_order(100, 1, 0), epoch_order(100, 1, 1));
  EXPECT_NE(epoch_order(100, 1, 0), epoch_order(100, 2, 0));
  EXPECT_EQ(epoch_order(100, 1, 5), epoch_order(100, 1, 5));
}

// Over 4,000 epochs each row is expected first 4000/8 = 500 times, with a standard deviation of
// sqrt(4000 · 1/8 · 7/8) ≈ 21; five of them is 105.
TEST(EpochOrder, PutsEveryRowFirstEquallyOften) {
  std::vector<int> times_first(8);
  for (std::uint64_t epoch = 0; epoch < 4000; ++epoch) ++times_first[epoch_order(8, 1, epoch)[0]];
  for (const int times : times_first) EXPECT_NEAR(times, 500, 105);
}

TEST(EpochOrder, MoreRowsThanThirtyTwoBitsNumberAreRefused) {
  EXPECT_THROW(epoch_order(std::size_t{1} << 32U, 1, 0), Error);
}

}  // namespace
}  // namespace graft
