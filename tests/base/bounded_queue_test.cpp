#include "engine/base/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace graft {
namespace {

TEST(BoundedQueue, KeepsTheOrder) {
  BoundedQueue<int> queue(3);
  std::jthread producer([&] {
    for (int i = 0; i < 1000; ++i) queue.push(i);
    queue.close();
  });
  int expected = 0;
  while (const auto item = queue.pop()) EXPECT_EQ(*item, expected++);
  EXPECT_EQ(expected, 1000);
}

TEST(BoundedQueue, AProducerIsNeverFurtherAheadThanTheCapacity) {
  constexpr int capacity = 4;
  BoundedQueue<int> queue(capacity);
  std::atomic<int> pushed = 0;
  std::atomic<int> popped = 0;
  std::jthread producer([&] {
    for (int i = 0; i < 500; ++i) {
      queue.push(i);
      ++pushed;
    }
    queue.close();
  });
  int ahead = 0;
  while (queue.pop()) {
    ++popped;
    // `pushed` may count one item that was popped before the count above.
    ahead = std::max(ahead, pushed.load() - popped.load());
  }
  EXPECT_LE(ahead, capacity + 1);
}

TEST(BoundedQueue, ClosingWakesAWaitingProducerAndRefusesItsItem) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.push(1));
  std::atomic<bool> taken = true;
  std::jthread producer([&] { taken = queue.push(2); });
  queue.close();
  producer.join();
  EXPECT_FALSE(taken);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, MovesItemsThatCannotBeCopied) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  ASSERT_TRUE(queue.push(std::make_unique<int>(7)));
  const auto item = queue.pop();
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(**item, 7);
}

}  // namespace
}  // namespace graft
