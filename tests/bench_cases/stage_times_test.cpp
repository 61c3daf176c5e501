#include "bench/cases/stage_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace graft::test {
namespace {

std::vector<std::string> names_of(const bench::StageTimes& times) {
  std::vector<std::string> names;
  for (const auto& [name, seconds] : times.shares_of(1.0)) {
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

}  // namespace
}  // namespace graft::test
