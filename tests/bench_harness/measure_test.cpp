#include "bench/harness/measure.h"

#include <gmock/gmock.h>

#include <new>
#include <stdexcept>

#include "engine/base/error.h"
#include "fake_device.h"
#include "made_results.h"

namespace graft::bench::test {
const Method method = {.cache = CacheState::hot};
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const Case some_case = made_case("kernels/some");

class Measure : public ::testing::Test {
 protected:
  FakeDevice device;
};

Measurement measured(FakeDevice& device, const Method& method = {}, std::stop_token stop = {}) {
  return measure(device, device.own(some_case), method, stop, device.time);
}

TEST_F(Measure, ColdWarmsUpAndTakesSamplesOfOneExecutionUntilTheySettle) {
  const Measurement measurement = measured(device);
  EXPECT_EQ(measurement.ended, Ended::settled);
  EXPECT_GE(measurement.samples.size(), 20U);
  EXPECT_EQ(measurement.samples.front(), 2e-3);
  EXPECT_EQ(measurement.executions, 1U);
  EXPECT_EQ(measurement.what.name, "kernels/some");
  EXPECT_THAT(measurement.warnings, IsEmpty());
  for (const FakeDevice::Call& call : device.samples) {
    EXPECT_EQ(call.cache, CacheState::cold);
    EXPECT_EQ(call.times, 1U);
  }
  // Half a second of warming up, at 3 ms each.
  EXPECT_EQ(device.samples.size() - measurement.samples.size(), 167U);
  EXPECT_EQ(device.subjects, 0U) << "its memory is given back";
}

TEST_F(Measure, HotTakesAsManyExecutionsAtOnceAsTheClockNeeds) {
  device.seconds = 3e-6;
  const Measurement measurement = measured(device, {.cache = CacheState::hot});
  EXPECT_EQ(measurement.ended, Ended::settled);
  EXPECT_GE(3e-6 * static_cast<double>(measurement.executions), 1e-3);
  EXPECT_LE(3e-6 * static_cast<double>(measurement.executions), 3e-3);
  EXPECT_DOUBLE_EQ(measurement.samples.front(), 3e-6) << "of one execution";
  EXPECT_EQ(device.samples.back().cache, CacheState::hot);
  EXPECT_EQ(device.samples.back().times, measurement.executions);
}

TEST_F(Measure, LongWorkIsTimedOneExecutionAtATimeHotToo) {
  device.seconds = 0.7;
  const Measurement measurement = measured(device, {.cache = CacheState::hot, .least_samples = 3});
  EXPECT_EQ(measurement.executions, 1U);
  EXPECT_EQ(device.samples.size(), 1 + measurement.samples.size()) << "it is warm after one";
}

TEST_F(Measure, TheTimeCapEndsWhatDoesNotSettleWithAWarning) {
  NormalNoise noise(1);
  device.at_sample = [&](std::size_t) { device.seconds = 0.02 * (1.0 + std::abs(noise.next())); };
  const Measurement measurement = measured(device, {.seconds = 1.0});
  EXPECT_EQ(measurement.ended, Ended::time_cap);
  EXPECT_THAT(
      measurement.warnings,
      ElementsAre(::testing::MatchesRegex("the noise is [0-9.]+ %, above the requested 0.5 %")));
}

TEST_F(Measure, LoudNoiseIsSaidAsAPlainNumber) {
  device.at_sample = [&](std::size_t number) { device.seconds = number % 2 == 0 ? 1e-3 : 0.1; };
  device.flush_seconds = 0.0;
  EXPECT_THAT(
      measured(device, {.least_samples = 6, .seconds = 0.5}).warnings,
      ElementsAre(::testing::MatchesRegex("the noise is [0-9]+ %, above the requested 0.5 %")));
}

TEST_F(Measure, FewSamplesAndDriftAreSaid) {
  device.seconds = 0.4;
  Method method;
  method.seconds = 1.0;
  const Measurement few = measured(device, method);
  EXPECT_EQ(few.ended, Ended::time_cap);
  EXPECT_THAT(few.warnings, ElementsAre("3 samples of 20 wanted"));
  method.least_samples = 1;
  EXPECT_THAT(measured(device, method).warnings, ElementsAre("3 samples of 6 wanted"));
  method.least_samples = 20;
  device.at_sample = [&](std::size_t) { device.seconds *= 1.0012; };
  device.seconds = 0.01;
  method.seconds = 0.3;
  const Measurement drifting = measured(device, method);
  EXPECT_THAT(drifting.warnings, Contains(HasSubstr("the times drift by ")));
}

TEST_F(Measure, ConditionsAreReadEveryFiftyMillisecondsOfShortSamples) {
  device.seconds = 1e-4;
  device.flush_seconds = 4e-4;
  Method method;
  method.noise = 0.0;
  device.at_sample = [&](std::size_t number) { device.seconds = number % 2 == 0 ? 1e-4 : 2e-4; };
  method.seconds = 1.0;
  const Measurement measurement = measured(device, method);
  EXPECT_GT(measurement.samples.size(), 1500U);
  EXPECT_GE(device.conditions_read, 19U);
  EXPECT_LE(device.conditions_read, 23U);
}

TEST_F(Measure, SamplesOfAWindowThatThrottledAreDiscardedAndCounted) {
  const double until = device.time.now() + 0.8;
  device.now.throttle_reasons = {"hardware slowdown"};
  device.at_sample = [&](std::size_t) {
    if (device.time.now() > until) device.now.throttle_reasons.clear();
    device.seconds = device.now.throttle_reasons.empty() ? 2e-3 : 4e-3;
  };
  const Measurement measurement = measured(device);
  EXPECT_EQ(measurement.ended, Ended::settled);
  EXPECT_GT(measurement.throttled, 5U);
  EXPECT_THAT(measurement.samples, ::testing::Each(2e-3)) << "none of the slow ones";
  EXPECT_THAT(measurement.warnings,
              ElementsAre(::testing::MatchesRegex(
                  "[0-9]+ samples discarded: the device throttled \\(hardware slowdown\\)")));
}

TEST_F(Measure, ADeviceThatAlwaysThrottlesIsMeasuredWithAWarning) {
  device.now.throttle_reasons = {"thermal", "hardware slowdown"};
  const Measurement measurement = measured(device, {.seconds = 1.0});
  EXPECT_EQ(measurement.ended, Ended::settled);
  EXPECT_GE(measurement.samples.size(), 20U);
  EXPECT_GT(measurement.throttled, 0U);
  EXPECT_THAT(measurement.warnings, Contains("measured during throttling (hardware slowdown, "
                                             "thermal), which lasted half of the time limit"));
}

TEST_F(Measure, LongWorkOnADeviceThatThrottlesHasASampleAtLeast) {
  device.seconds = 3.0;
  device.now.throttle_reasons = {"thermal"};
  const Measurement measurement = measured(device, {.seconds = 1.0});
  EXPECT_EQ(measurement.ended, Ended::time_cap);
  EXPECT_EQ(measurement.samples.size(), 1U);
  EXPECT_EQ(measurement.throttled, 1U);
}

TEST_F(Measure, SamplesAtThePowerCapAreKeptWithAWarning) {
  device.now.power_capped = true;
  const Measurement measurement = measured(device);
  EXPECT_EQ(measurement.ended, Ended::settled);
  EXPECT_EQ(measurement.throttled, 0U);
  EXPECT_THAT(measurement.warnings, ElementsAre(power_cap_warning));
  device.now.power_capped = false;
  EXPECT_THAT(measured(device).warnings, IsEmpty());
}

// 2 ms an execution: five make the 10 ms that a sequence takes at least.
TEST_F(Measure, ASequenceHasSeveralExecutionsInASampleAlsoWithColdCaches) {
  Case steps = some_case;
  for (const auto& [least, expected] : {std::pair(2, 6U), std::pair(40, 40U)}) {
    steps.sequence = static_cast<std::size_t>(least);
    device.samples.clear();
    const Measurement measurement = measure(device, device.own(steps), {}, {}, device.time);
    EXPECT_EQ(measurement.ended, Ended::settled);
    EXPECT_EQ(measurement.executions, expected);
    EXPECT_DOUBLE_EQ(measurement.samples.front(), 2e-3) << "of one execution";
    EXPECT_EQ(device.samples.back().cache, CacheState::cold);
    EXPECT_EQ(device.samples.back().times, expected);
  }
}

TEST_F(Measure, WorkWhoseLaunchesWaitRunsOnceWithoutATime) {
  device.launches_wait = true;
  const Measurement measurement = measured(device);
  EXPECT_EQ(measurement.ended, Ended::no_timer);
  EXPECT_EQ(device.samples.size(), 1U);
  EXPECT_THAT(measurement.samples, IsEmpty());
  EXPECT_THAT(measurement.warnings, ElementsAre(waiting_launches_warning));
}

TEST_F(Measure, ABusyDeviceIsSaid) {
  device.at_sample = [&](std::size_t number) {
    device.now.other_processes = number == 180 ? 0 : number > 180 ? 1 : 2;
  };
  EXPECT_THAT(measured(device).warnings, ElementsAre("the device is busy: 2 other processes"));
}

TEST_F(Measure, StagesAreTheMediansOfTheirShares) {
  device.at_sample = [&](std::size_t number) {
    device.shares = {{"read", number % 2 == 0 ? 0.1 : 0.3}, {"decode", 0.9}};
  };
  EXPECT_THAT(measured(device, {.warm_up_seconds = 0.0}).stages,
              ElementsAre(Pair("read", ::testing::AllOf(::testing::Ge(0.1), ::testing::Le(0.3))),
                          Pair("decode", 0.9)));
}

TEST_F(Measure, ADeviceWithoutATimerRunsOnce) {
  device.timer = false;
  device.shares = {{"read", 0.5}};
  const Measurement measurement = measured(device);
  EXPECT_EQ(measurement.ended, Ended::no_timer);
  EXPECT_EQ(device.samples.size(), 1U);
  EXPECT_THAT(measurement.samples, IsEmpty());
  EXPECT_THAT(measurement.stages, IsEmpty());
  EXPECT_THAT(measurement.warnings, IsEmpty());
}

TEST_F(Measure, WorkThatThrowsEndsAsFailedWithItsSentence) {
  device.at_prepare = [](const Case&) { throw Error(ErrorKind::device, "It is too large."); };
  const Measurement at_once = measured(device);
  EXPECT_EQ(at_once.ended, Ended::failed);
  EXPECT_EQ(at_once.failure, "It is too large.");
  EXPECT_THAT(at_once.warnings, IsEmpty());
  device.at_prepare = [](const Case&) { throw std::bad_alloc(); };
  EXPECT_THAT(measured(device).failure, HasSubstr("host memory"));
  device.at_prepare = [](const Case&) {};
  device.at_sample = [](std::size_t number) {
    if (number == 400) throw Error(ErrorKind::device, "It fell off the bus.");
  };
  Method endless;
  endless.noise = 0.0;
  endless.least_samples = 1000;
  const Measurement later = measured(device, endless);
  EXPECT_EQ(later.ended, Ended::failed);
  EXPECT_EQ(later.failure, "It fell off the bus.");
  EXPECT_FALSE(later.samples.empty()) << "the samples so far are kept";
}

TEST_F(Measure, AMistakeOfTheProgramIsNotHidden) {
  device.at_prepare = [](const Case&) { throw std::logic_error("a mistake"); };
  EXPECT_THROW(measured(device), std::logic_error);
}

TEST_F(Measure, ATimeThatIsNoneFails) {
  device.seconds = 0.0;
  const Measurement measurement = measured(device);
  EXPECT_EQ(measurement.ended, Ended::failed);
  EXPECT_THAT(measurement.failure, HasSubstr("the device clock measured 0 s"));
}

TEST_F(Measure, StoppedKeepsTheSamplesThatItHas) {
  std::stop_source stop;
  device.at_sample = [&](std::size_t number) {
    if (number == 200) stop.request_stop();
  };
  Method endless;
  endless.least_samples = 1000;
  const Measurement measurement = measured(device, endless, stop.get_token());
  EXPECT_EQ(measurement.ended, Ended::interrupted);
  EXPECT_EQ(measurement.samples.size(), 201U - 167U);
  EXPECT_THAT(measurement.warnings, ElementsAre("34 samples of 1,000 wanted"));
}

TEST_F(Measure, StoppedBeforeItBeginsTakesNoSample) {
  std::stop_source stop;
  stop.request_stop();
  const Measurement measurement = measured(device, {}, stop.get_token());
  EXPECT_EQ(measurement.ended, Ended::interrupted);
  EXPECT_THAT(measurement.samples, IsEmpty());
}

TEST_F(Measure, WorkThatSaysItWasInterruptedIs) {
  device.at_sample = [](std::size_t) { throw Error(ErrorKind::interrupted, "Interrupted."); };
  const Measurement measurement = measured(device);
  EXPECT_EQ(measurement.ended, Ended::interrupted);
  EXPECT_EQ(measurement.failure, "");
}

TEST(SteadyTime, GoesForwardAndPauses) {
  TimeSource time;
  const double before = time.now();
  time.pause(0.002);
  EXPECT_GE(time.now() - before, 0.002);
}

}  // namespace
}  // namespace graft::bench::test
