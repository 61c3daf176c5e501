#include <gmock/gmock.h>

#include <new>

#include "bench/harness/measure.h"
#include "engine/base/error.h"
#include "fake_device.h"
#include "made_results.h"
#include "tests/support/support.h"

namespace graft::bench::test {
namespace {

using ::graft::test::error_of;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<Case> three_cases = {made_case("kernels/one"), made_case("kernels/two"),
                                       made_case("kernels/three")};

struct Ran {
  Result result;
  std::vector<Result> after_each;
};

Ran run_of(FakeDevice& device, const std::vector<Case>& cases = three_cases,
           std::stop_token stop = {}, const About& about = {}) {
  Ran run;
  std::vector<Case> own;
  for (const Case& one : cases) own.push_back(device.own(one));
  run.result = bench::run(
      device, own, Method{}, [&](const Result& result) { run.after_each.push_back(result); }, stop,
      about, device.time);
  return run;
}

class Run : public ::testing::Test {
 protected:
  FakeDevice device;
};

TEST_F(Run, MeasuresTheCeilingsAndThenEachCaseAndSaysWhatItWas) {
  const About about = {{"0.1.0", "abc", true, "gcc", "Release"}, "{}"};
  const Ran run = run_of(device, three_cases, {}, about);
  EXPECT_EQ(device.ceilings_measured, 1U);
  EXPECT_THAT(device.asked_precisions, ElementsAre(Precision::fp16));
  EXPECT_EQ(run.result.ceilings.bytes_per_second, 1e12);
  EXPECT_EQ(run.result.device.name, "a fake");
  EXPECT_EQ(run.result.build.commit, "abc");
  EXPECT_TRUE(run.result.complete);
  ASSERT_EQ(run.result.measurements.size(), 3U);
  EXPECT_EQ(run.result.measurements[2].what.name, "kernels/three");
}

TEST_F(Run, GivesTheResultBeforeTheFirstAndAfterEachCaseAsIncomplete) {
  const Ran run = run_of(device);
  ASSERT_EQ(run.after_each.size(), 4U);
  EXPECT_EQ(run.after_each[0].date, run.result.date);
  EXPECT_EQ(run.after_each[0].ceilings.bytes_per_second, 0.0) << "before they are measured";
  for (std::size_t index = 0; index < 4; ++index) {
    EXPECT_EQ(run.after_each[index].measurements.size(), index);
    EXPECT_EQ(run.after_each[index].complete, index == 3);
  }
}

TEST_F(Run, HasTheDateOfToday) {
  EXPECT_THAT(run_of(device).result.date, ::testing::MatchesRegex("20[0-9]{2}-[0-9]{2}-[0-9]{2}T"
                                                                  "[0-9]{2}:[0-9]{2}:[0-9]{2}Z"));
}

TEST_F(Run, GoesOnAfterACaseThatFails) {
  device.at_prepare = [](const Case& which) {
    if (which.name == "kernels/two") throw Error(ErrorKind::device, "Out of memory.");
  };
  const Ran run = run_of(device);
  EXPECT_TRUE(run.result.complete);
  EXPECT_EQ(run.result.measurements[1].failure, "Out of memory.");
  EXPECT_EQ(run.result.measurements[2].ended, Ended::settled);
}

TEST_F(Run, InterruptedKeepsWhatItHas) {
  std::stop_source stop;
  device.at_prepare = [&](const Case& which) {
    if (which.name == "kernels/two") stop.request_stop();
  };
  const Ran run = run_of(device, three_cases, stop.get_token());
  EXPECT_FALSE(run.result.complete);
  ASSERT_EQ(run.result.measurements.size(), 2U);
  EXPECT_EQ(run.result.measurements[0].ended, Ended::settled);
  EXPECT_EQ(run.result.measurements[1].ended, Ended::interrupted);
  EXPECT_EQ(run.after_each.size(), 3U);
}

TEST_F(Run, InterruptedWhileTheCeilingsAreMeasuredIsIncomplete) {
  device.at_ceilings = [](std::stop_token) { throw Error(ErrorKind::interrupted, "Stopped."); };
  const Ran run = run_of(device);
  EXPECT_FALSE(run.result.complete);
  EXPECT_TRUE(run.result.measurements.empty());
}

TEST_F(Run, CeilingsThatCannotBeMeasuredBecomeAWarning) {
  device.at_ceilings = [](std::stop_token) { throw Error(ErrorKind::device, "No memory."); };
  const Ran run = run_of(device);
  EXPECT_TRUE(run.result.complete);
  EXPECT_THAT(run.result.warnings, Contains("the ceilings could not be measured: No memory."));
  device.at_ceilings = [](std::stop_token) { throw std::bad_alloc(); };
  EXPECT_THAT(run_of(device).result.warnings,
              Contains("the ceilings could not be measured: there is not enough host memory"));
}

TEST_F(Run, WithoutATimerEverythingRunsOnceAndNoCeilingIsMeasured) {
  device.timer = false;
  const Ran run = run_of(device);
  EXPECT_EQ(device.ceilings_measured, 0U);
  EXPECT_EQ(device.samples.size(), 3U);
  EXPECT_FALSE(run.result.has_timer);
  EXPECT_THAT(run.result.warnings, ElementsAre("virtual GPU: no timer"));
  device.timer_reason = "no timer: launches wait";
  EXPECT_THAT(run_of(device).result.warnings, ElementsAre("no timer: launches wait"));
}

TEST_F(Run, SaysADebugBuildFreeClocksAndABusyDevice) {
  device.now.clocks_locked = false;
  device.now.other_processes = 1;
  About debug;
  debug.build.build_type = "Debug";
  const Ran run = run_of(device, three_cases, {}, debug);
  EXPECT_THAT(run.result.warnings, Contains("a debug build"));
  EXPECT_THAT(run.result.warnings, Contains("clocks are not locked"));
  EXPECT_THAT(run.result.warnings, Contains("the device is busy: 1 other process"));
}

TEST_F(Run, SaysFreeClocksThatOnlyADeviceAtWorkTellsOf) {
  device.at_sample = [&](std::size_t) { device.now.clocks_locked = false; };
  const Ran run = run_of(device);
  EXPECT_FALSE(run.result.at_start.clocks_locked);
  EXPECT_THAT(run.result.warnings, Contains("clocks are not locked"));
  EXPECT_THAT(run.result.measurements[0].warnings, ElementsAre("clocks are not locked"));
  EXPECT_THAT(run.after_each[1].warnings, Contains("clocks are not locked"));
}

TEST_F(Run, SaysNothingOfClocksThatAreLockedOrNotKnown) {
  EXPECT_THAT(run_of(device).result.warnings, Not(Contains(HasSubstr("clocks"))));
  device.now.clocks_locked = true;
  EXPECT_THAT(run_of(device).result.warnings, Not(Contains(HasSubstr("clocks"))));
}

TEST_F(Run, KeepsTheConditionsOfTheStartAndOfTheEnd) {
  device.now.temperature_celsius = 40.0;
  device.at_sample = [&](std::size_t) { device.now.temperature_celsius = 70.0; };
  const Ran run = run_of(device);
  EXPECT_EQ(run.result.at_start.temperature_celsius, 40.0);
  EXPECT_EQ(run.result.at_end.temperature_celsius, 70.0);
}

TEST_F(Run, OfNoCasesIsComplete) {
  const Ran run = run_of(device, {});
  EXPECT_TRUE(run.result.complete);
  EXPECT_EQ(device.ceilings_measured, 0U);
}

TEST_F(Run, WhatTheCallerThrowsEndsIt) {
  EXPECT_THROW(bench::run(
                   device, three_cases, Method{},
                   [](const Result&) { throw Error(ErrorKind::io, "The disk is full."); }, {}, {},
                   device.time),
               Error);
  EXPECT_EQ(device.subjects, 0U);
}

}  // namespace
}  // namespace graft::bench::test
