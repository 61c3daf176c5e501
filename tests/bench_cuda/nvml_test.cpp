// NVML's values from a stub library: all of them, some of them, none.

#include "bench/cuda/nvml.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <numeric>

#include "tests/bench_cuda/nvml_stub.h"

namespace graft::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr const char* bus = "00000000:01:00.0";

// Keeps the stub loaded, and resets it for each test.
class NvmlTest : public ::testing::Test {
 protected:
  explicit NvmlTest(const char* library = NVML_STUB) : library_(library) {
    loaded_ = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (loaded_ == nullptr) throw std::runtime_error(dlerror());
    stub_ = reinterpret_cast<NvmlStub* (*)()>(dlsym(loaded_, "nvml_stub"))();
    *stub_ = {};
  }
  ~NvmlTest() override { dlclose(loaded_); }

  Conditions conditions() const { return Nvml(bus, library_).conditions(); }

  const char* library_;
  void* loaded_ = nullptr;
  NvmlStub* stub_ = nullptr;
};

bool knows_nothing(const Conditions& now) {
  return !now.clock_mhz && !now.memory_clock_mhz && !now.temperature_celsius && !now.power_watts &&
         !now.clocks_locked && !now.other_processes && !now.power_capped &&
         now.throttle_reasons.empty();
}

TEST_F(NvmlTest, ClocksTemperatureAndPowerAreInTheirUnits) {
  const Conditions now = conditions();
  EXPECT_THAT(now.clock_mhz, Optional(1755.0));
  EXPECT_THAT(now.memory_clock_mhz, Optional(2619.0));
  EXPECT_THAT(now.temperature_celsius, Optional(54.0));
  EXPECT_THAT(now.power_watts, Optional(412.5));
  EXPECT_EQ(Nvml(bus, library_).driver(), "580.65.06");
}

TEST_F(NvmlTest, WhatItStartedIsShutDown) {
  {
    const Nvml nvml(bus, library_);
    EXPECT_EQ(stub_->started, 1);
  }
  EXPECT_EQ(stub_->started, 0);
  { const Nvml nvml("00000000:99:00.0", library_); }  // started, and no such device
  EXPECT_EQ(stub_->started, 0);
}

TEST_F(NvmlTest, ReasonsToBeSlowAreWordsAndOthersAreNone) {
  stub_->reasons = 0x8 | 0x40;
  EXPECT_THAT(conditions().throttle_reasons,
              ElementsAre("hardware slowdown", "thermal, by the hardware"));
  stub_->reasons = 0x1;  // idle
  EXPECT_THAT(conditions().throttle_reasons, IsEmpty());
  stub_->reasons = 0x2 | 0x100;  // the clock that was asked for
  EXPECT_THAT(conditions().throttle_reasons, IsEmpty());
  EXPECT_THAT(throttle_words(0xFC),
              ElementsAre("hardware slowdown", "sync boost", "thermal, by the driver",
                          "thermal, by the hardware", "power brake"));
}

TEST_F(NvmlTest, ThePowerCapIsNoThrottling) {
  EXPECT_THAT(conditions().power_capped, Optional(false));
  stub_->reasons = 0x4;
  EXPECT_THAT(conditions().power_capped, Optional(true));
  EXPECT_THAT(conditions().throttle_reasons, IsEmpty());
  stub_->reasons = 0x4 | 0x20;
  EXPECT_THAT(conditions().power_capped, Optional(true));
  EXPECT_THAT(conditions().throttle_reasons, ElementsAre("thermal, by the driver"));
}

TEST_F(NvmlTest, ClocksAreLockedWhereASettingHoldsThem) {
  EXPECT_THAT(conditions().clocks_locked, Optional(false));
  stub_->reasons = 0x2;
  EXPECT_THAT(conditions().clocks_locked, Optional(true));
  stub_->reasons = 0x1;  // an idle GPU does not say what would hold it
  EXPECT_EQ(conditions().clocks_locked, std::nullopt);
  stub_->application_clock_mhz = 1200;
  EXPECT_THAT(conditions().clocks_locked, Optional(true));
}

TEST_F(NvmlTest, OtherProcessesAreThoseBesideThisOne) {
  const auto own = static_cast<unsigned>(getpid());
  EXPECT_THAT(conditions().other_processes, Optional(0U));
  stub_->processes = {own};
  EXPECT_THAT(conditions().other_processes, Optional(0U));
  stub_->processes = {own + 1, own, own + 2};
  EXPECT_THAT(conditions().other_processes, Optional(2U));
}

TEST_F(NvmlTest, WhereProcessesHaveOtherNumbersOneIsThisOne) {
  const auto own = static_cast<unsigned>(getpid());
  stub_->processes = {own + 1};
  EXPECT_THAT(conditions().other_processes, Optional(0U));
  stub_->processes = {own + 1, own + 2, own + 3};
  EXPECT_THAT(conditions().other_processes, Optional(2U));
}

TEST_F(NvmlTest, ManyProcessesAreAllCounted) {
  stub_->processes.resize(300);
  const auto own = static_cast<unsigned>(getpid());
  std::iota(stub_->processes.begin(), stub_->processes.end(), own);
  EXPECT_THAT(conditions().other_processes, Optional(299U));
}

TEST_F(NvmlTest, AFunctionThatRefusesCostsItsValueAlone) {
  const Conditions all = conditions();
  std::vector<std::string> functions;
  for (const auto& [function, count] : stub_->calls) {
    if (function.find("Device") != std::string::npos) functions.push_back(function);
  }
  ASSERT_GE(functions.size(), 8U);
  const auto count_known = [](const Conditions& now) {
    return int{now.clock_mhz.has_value()} + int{now.memory_clock_mhz.has_value()} +
           int{now.temperature_celsius.has_value()} + int{now.power_watts.has_value()} +
           int{now.clocks_locked.has_value()} + int{now.other_processes.has_value()};
  };
  EXPECT_EQ(count_known(all), 6);
  const std::map<std::string, int> left = {
      {"nvmlDeviceGetHandleByPciBusId_v2", 0},
      {"nvmlDeviceGetClockInfo", 4},          // two of them
      {"nvmlDeviceGetApplicationsClock", 6},  // the reasons tell
      {"nvmlDeviceGetDefaultApplicationsClock", 6}};
  for (const std::string& function : functions) {
    stub_->failing = {{function, 999}};
    const auto known = left.find(function);
    EXPECT_EQ(count_known(conditions()), known == left.end() ? 5 : known->second) << function;
  }
}

TEST_F(NvmlTest, OneThatDoesNotStartKnowsNothing) {
  stub_->failing = {{"nvmlInit_v2", 9}};  // the driver is not loaded
  const Nvml nvml(bus, library_);
  EXPECT_TRUE(knows_nothing(nvml.conditions()));
  EXPECT_EQ(nvml.driver(), "");
  EXPECT_EQ(stub_->started, 0);
}

TEST_F(NvmlTest, AnotherDeviceIsNotMistakenForThisOne) {
  EXPECT_TRUE(knows_nothing(Nvml("00000000:02:00.0", library_).conditions()));
}

TEST(MissingNvml, NothingIsKnown) {
  const Nvml nvml(bus, "libnvidia-ml-that-is-not-there.so");
  EXPECT_TRUE(knows_nothing(nvml.conditions()));
  EXPECT_EQ(nvml.driver(), "");
}

TEST(NvmlWithoutFunctions, NothingIsKnown) {
  EXPECT_TRUE(knows_nothing(Nvml(bus, NVML_STUB_EMPTY).conditions()));
}

class OldNvmlTest : public NvmlTest {
 protected:
  OldNvmlTest() : NvmlTest(NVML_STUB_OLD) {}
};

TEST_F(OldNvmlTest, ReasonsComeByTheirOldNameAndProcessesAreUnknown) {
  stub_->reasons = 0x20;
  const Conditions now = conditions();
  EXPECT_THAT(now.throttle_reasons, ElementsAre("thermal, by the driver"));
  EXPECT_THAT(now.clocks_locked, Optional(false));
  EXPECT_EQ(now.other_processes, std::nullopt);
}

}  // namespace
}  // namespace graft::bench
