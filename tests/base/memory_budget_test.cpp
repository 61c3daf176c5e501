// A budget of memory for several threads.

#include "engine/base/memory_budget.h"

#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "engine/base/error.h"

namespace graft {
namespace {

TEST(MemoryBudget, ThreadsNeverHoldMoreThanTheLimit) {
  MemoryBudget budget(100);
  std::atomic<std::int64_t> held = 0;
  std::atomic<bool> exceeded = false;
  {
    std::vector<std::jthread> threads;
    for (std::int64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::int64_t i = 0; i < 500; ++i) {
          const std::int64_t bytes = 1 + (i * 37 + thread * 11) % 100;
          const auto reservation = budget.reserve(static_cast<std::uint64_t>(bytes), {});
          if ((held += bytes) > 100) exceeded = true;
          held -= bytes;
        }
      });
    }
  }
  EXPECT_FALSE(exceeded);
  EXPECT_TRUE(budget.reserve(100, {}).try_resize(100));  // all of it is free again
}

TEST(MemoryBudget, ALargeReservationIsNotOvertakenBySmallOnes) {
  MemoryBudget budget(100);
  std::optional<MemoryBudget::Reservation> first = budget.reserve(60, {});
  std::vector<std::uint64_t> order;
  std::mutex mutex;
  const auto reserve = [&](std::uint64_t bytes) {
    const auto reservation = budget.reserve(bytes, {});
    const std::lock_guard lock(mutex);
    order.push_back(bytes);
  };
  std::jthread large([&] { reserve(90); });
  while (budget.waiting() < 1) std::this_thread::yield();
  std::jthread small([&] { reserve(20); });  // would fit at once
  while (budget.waiting() < 2) std::this_thread::yield();
  EXPECT_TRUE(order.empty());
  first.reset();
  large.join();
  small.join();
  EXPECT_THAT(order, ::testing::ElementsAre(90, 20));
}

TEST(MemoryBudget, AHolderGrowsIfTheBytesAreFree) {
  MemoryBudget budget(100);
  auto one = budget.reserve(40, {});
  auto other = budget.reserve(40, {});
  EXPECT_FALSE(one.try_resize(61));
  EXPECT_TRUE(one.try_resize(60));
  EXPECT_FALSE(other.try_resize(41));
  EXPECT_TRUE(one.try_resize(10));
  EXPECT_TRUE(other.try_resize(90));
}

TEST(MemoryBudget, AStopEndsTheWait) {
  MemoryBudget budget(10);
  const auto all = budget.reserve(10, {});
  std::stop_source stop;
  std::jthread stopper([&] {
    while (budget.waiting() < 1) std::this_thread::yield();
    stop.request_stop();
  });
  try {
    budget.reserve(1, stop.get_token());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
  EXPECT_EQ(budget.waiting(), 0U);
}

}  // namespace
}  // namespace graft
