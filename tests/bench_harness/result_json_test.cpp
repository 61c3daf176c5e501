#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "bench/harness/result_file.h"
#include "made_results.h"
#include "tests/support/comma_locale.h"
#include "tests/support/support.h"

namespace graft::bench::test {
namespace {

using ::graft::test::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

Result full_result() {
  Measurement measured = made_measurement("kernels/one", made_samples(1.25e-4, 0.01, 21, 1));
  measured.executions = 12;
  measured.throttled = 3;
  measured.stages = {{"read", 0.25}, {"decode", 0.5}};
  measured.warnings = {"the device is busy: 1 other process"};
  Measurement failed = made_measurement("layers/two \"quoted\"", {});
  failed.what.suite = Suite::layers;
  failed.what.clock = Clock::host;
  failed.ended = Ended::failed;
  failed.failure = "It does not fit; choose a smaller batch.";
  return made_result({measured, failed});
}

Json json_of(const Result& result) {
  return Json::parse(result_json(result));
}

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

// docs/benchmark_results.md documents these; bench/compare.py and bench/plot.py read them.
TEST(ResultJson, HasTheDocumentedKeys) {
  const Json json = json_of(full_result());
  EXPECT_EQ(json["schema"], "graft-bench/2");
  EXPECT_THAT(keys_of(json),
              ElementsAre("schema", "date", "device", "build", "method", "has_timer", "complete",
                          "warnings", "at_start", "at_end", "ceilings", "config", "measurements"));
  EXPECT_THAT(keys_of(json["device"]), ElementsAre("device", "name", "driver", "cuda", "cudnn",
                                                   "instruction_set", "memory_bytes"));
  EXPECT_THAT(keys_of(json["build"]),
              ElementsAre("version", "commit", "dirty", "compiler", "build_type"));
  EXPECT_THAT(keys_of(json["method"]),
              ElementsAre("cache", "noise", "least_samples", "seconds", "warm_up_seconds"));
  for (const char* when : {"at_start", "at_end"})
    EXPECT_THAT(
        keys_of(json[when]),
        ElementsAre("clock_mhz", "memory_clock_mhz", "temperature_celsius", "power_watts",
                    "clocks_locked", "other_processes", "power_capped", "throttle_reasons"));
  EXPECT_THAT(keys_of(json["ceilings"]), ElementsAre("bytes_per_second", "flop_per_second"));
  for (const Json& one : json["measurements"])
    EXPECT_THAT(keys_of(one), ElementsAre("name", "suite", "axes", "cost", "clock", "items", "item",
                                          "ended", "failure", "warnings", "executions", "throttled",
                                          "summary", "stages", "samples"));
}

TEST(ResultJson, HasTheValuesOfTheResult) {
  const Result written = full_result();
  const Json json = json_of(written);
  EXPECT_EQ(json["device"]["memory_bytes"], 80'000'000'000U);
  EXPECT_EQ(json["build"]["dirty"], true);
  EXPECT_EQ(json["at_start"]["clock_mhz"], 1980.0);
  EXPECT_TRUE(json["at_start"]["power_watts"].is_null());
  EXPECT_TRUE(json["at_start"]["power_capped"].is_null());
  EXPECT_EQ(json["at_end"]["power_capped"], true);
  EXPECT_EQ(json["at_end"]["throttle_reasons"], Json({"thermal"}));
  EXPECT_EQ(json["ceilings"]["flop_per_second"]["fp16"], 8e14);
  EXPECT_EQ(json["config"]["train"]["epochs"], 20) << "an object, not a text";
  const Json& first = json["measurements"][0];
  EXPECT_EQ(first["samples"].get<std::vector<double>>(), written.measurements[0].samples)
      << "to the last bit";
  EXPECT_GT(first["summary"]["noise"].get<double>(), 0.0);
  EXPECT_EQ(first["stages"].dump(), R"({"read":0.25,"decode":0.5})");
  EXPECT_EQ(first["axes"].dump(), R"({"precision":"fp16","batch":"8"})");
  EXPECT_EQ(first["cost"].dump(), R"({"flop":4000000000.0,"bytes":2000000.0,"arithmetic":"fp16"})");
  EXPECT_EQ(first["clock"], "device");
  EXPECT_EQ(first["warnings"], Json({"the device is busy: 1 other process"}));
  const Json& second = json["measurements"][1];
  EXPECT_EQ(second["name"], "layers/two \"quoted\"");
  EXPECT_EQ(second["ended"], "failed");
  EXPECT_EQ(second["failure"], "It does not fit; choose a smaller batch.");
  EXPECT_TRUE(second["summary"].is_null());
}

TEST(ResultJson, OfAnEmptyResultIsValid) {
  const Json json = json_of({});
  EXPECT_TRUE(json["config"].is_null());
  EXPECT_TRUE(json["measurements"].empty());
}

TEST(ResultJson, HasNoNoiseBelowSixSamples) {
  const Json json = json_of(made_result({made_measurement("kernels/one", {1.0, 2.0})}));
  EXPECT_TRUE(json["measurements"][0]["summary"]["noise"].is_null());
}

TEST(ResultJson, NumbersThatJsonLacksAreRefusedByKey) {
  const auto refusal = [](auto change) {
    Result result = full_result();
    change(result);
    return error_of([&] { result_json(result); });
  };
  EXPECT_THAT(refusal([](Result& r) { r.measurements[0].samples[4] = std::nan(""); }),
              ::testing::MatchesRegex("kernels/one\\..*: JSON has no number nan"));
  EXPECT_THAT(refusal([](Result& r) {
                r.measurements[0].what.cost.flop = std::numeric_limits<double>::infinity();
              }),
              HasSubstr("cost.flop: JSON has no number inf"));
  EXPECT_THAT(refusal([](Result& r) { r.at_end.power_watts = std::nan(""); }),
              HasSubstr("at_end.power_watts"));
  EXPECT_THAT(refusal([](Result& r) { r.config = "{"; }), HasSubstr("config"));
}

TEST(ResultJson, HoldsAnyText) {
  Result result = full_result();
  result.device.name = "caf\xE9 \x01 \"<&";
  EXPECT_EQ(json_of(result)["device"]["name"], "caf\uFFFD \x01 \"<&")
      << "invalid UTF-8 is replaced";
}

TEST(ResultJson, DoesNotDependOnTheLocale) {
  const std::string before = result_json(full_result());
  const graft::test::CommaLocale locale;
  EXPECT_EQ(result_json(full_result()), before);
}

}  // namespace
}  // namespace graft::bench::test
