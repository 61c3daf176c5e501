#include "bench/cases/stage_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace graft::test {
namespace {

std::vector<std::string> names_of(const bench::StageTimes& times) {
  std::vector<std::string> names;
  for (const auto& [name, seconds] : times.seconds()) {
    names.push_back(name);
    EXPECT_GE(seconds, 0.0) << name;
  }
  return names;
}

TEST(StageTimes, CountPartsAndNotWhatHoldsThem) {
  bench::StageTimes times;
  {
    const TraceSpan photo(&times, "photo", 1);
    const TraceSpan decode(&times, "decode", 1);
  }
  { const TraceSpan write(&times, "write", 2); }
  EXPECT_THAT(names_of(times), ::testing::ElementsAre("decode", "write"));
}

TEST(StageTimes, SpansOfOtherThreadsAreNoParts) {
  bench::StageTimes times;
  const TraceSpan wait(&times, "wait");
  std::thread([&] { const TraceSpan decode(&times, "decode"); }).join();
  EXPECT_THAT(names_of(times), ::testing::ElementsAre("decode"));
}

TEST(StageTimes, ClearForgetsSpansThatAreOpen) {
  bench::StageTimes times;
  times.begin("a", 0);
  times.clear();
  times.end();
  EXPECT_TRUE(times.seconds().empty());
}

}  // namespace
}  // namespace graft::test
