#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/support/forked.h"

namespace graft::cpu {
namespace {

TEST(ThreadPool, HasAtLeastOneThread) {
  EXPECT_EQ(ThreadPool(0).threads(), 1U);
  EXPECT_EQ(ThreadPool(1).threads(), 1U);
  EXPECT_EQ(ThreadPool(3).threads(), 3U);
}

TEST(ThreadPool, CallsEachPieceOnceWithAThreadInRange) {
  for (const std::size_t threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (const std::size_t pieces : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> calls(pieces);
      std::atomic<bool> in_range = true;
      pool.parallel_for(pieces, [&](std::size_t piece, std::size_t thread) {
        ++calls.at(piece);
        if (thread >= threads) in_range = false;
      });
      for (std::size_t piece = 0; piece < pieces; ++piece) {
        ASSERT_EQ(calls[piece], 1) << threads << " threads, piece " << piece;
      }
      EXPECT_TRUE(in_range);
    }
  }
}

TEST(ThreadPool, AThreadNumberIsNeverUsedByTwoAtOnce) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> users(4);
  std::atomic<bool> shared = false;
  pool.parallel_for(500, [&](std::size_t, std::size_t thread) {
    if (++users[thread] != 1) shared = true;
    std::this_thread::yield();
    --users[thread];
  });
  EXPECT_FALSE(shared);
}

TEST(ThreadPool, WhatThePiecesWroteIsSeenByTheCaller) {
  ThreadPool pool(3);
  std::vector<std::size_t> values(300);
  for (std::size_t job = 1; job <= 2000; ++job) {
    pool.parallel_for(values.size(),
                      [&](std::size_t piece, std::size_t) { values[piece] += piece; });
  }
  for (std::size_t piece = 0; piece < values.size(); ++piece) {
    ASSERT_EQ(values[piece], 2000 * piece);
  }
}

// Pauses on both sides of the time for which a waiting thread looks for work before it sleeps.
TEST(ThreadPool, CallsEachPieceOnceWhenThreadsWakeLate) {
  ThreadPool pool(2);
  for (int job = 0; job < 300; ++job) {
    std::this_thread::sleep_for(std::chrono::microseconds(job % 150));
    const std::size_t pieces = 1 + static_cast<std::size_t>(job) % 4;
    std::vector<std::atomic<int>> calls(pieces);
    pool.parallel_for(pieces, [&](std::size_t piece, std::size_t) { ++calls.at(piece); });
    for (const std::atomic<int>& count : calls) ASSERT_EQ(count, 1) << "job " << job;
  }
}

TEST(ThreadPool, OneThreadRunsPiecesInOrderOnTheCaller) {
  ThreadPool pool(1);
  std::vector<std::size_t> order;
  const auto caller = std::this_thread::get_id();
  pool.parallel_for(5, [&](std::size_t piece, std::size_t) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    order.push_back(piece);
  });
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
}

TEST(ThreadPool, RethrowsAnExceptionAndStaysUsable) {
  for (const std::size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    const auto fails = [](std::size_t piece, std::size_t) {
      if (piece == 5) throw std::runtime_error("piece 5");
    };
    EXPECT_THROW(pool.parallel_for(100, fails), std::runtime_error);
    std::atomic<std::size_t> done = 0;
    pool.parallel_for(100, [&](std::size_t, std::size_t) { ++done; });
    EXPECT_EQ(done, 100U);
  }
}

TEST(ThreadPool, AFailureLeavesTheRestOfTheJobUndone) {
  ThreadPool pool(1);
  std::size_t done = 0;
  EXPECT_THROW(pool.parallel_for(100,
                                 [&](std::size_t piece, std::size_t) {
                                   if (piece == 3) throw std::runtime_error("stop");
                                   ++done;
                                 }),
               std::runtime_error);
  EXPECT_EQ(done, 3U);
}

// Those that run already must end, too: the child would else wait for them until its alarm.
TEST(ThreadPool, AThreadThatCannotStartIsAnErrorAndNoHang) {
  if (const char* why = test::why_no_memory_limit()) GTEST_SKIP() << why;
  const test::Ending ending = test::in_child([] {
    alarm(20);
    test::limit_more_memory(std::uint64_t{64} << 20U);  // a few stacks
    try {
      const ThreadPool pool(1000);
      return 1;
    } catch (const std::system_error&) {
      return ThreadPool(2).threads() == 2 ? 0 : 2;  // what the others took is free again
    }
  });
  EXPECT_TRUE(ending.succeeded()) << "code " << ending.exit_code << ", signal " << ending.signal;
}

TEST(AvailableCores, IsAtLeastOneAndNoMoreThanTheMachineHas) {
  EXPECT_GE(available_cores(), 1U);
  if (std::thread::hardware_concurrency() != 0) {
    EXPECT_LE(available_cores(), std::thread::hardware_concurrency());
  }
}

}  // namespace
}  // namespace graft::cpu
