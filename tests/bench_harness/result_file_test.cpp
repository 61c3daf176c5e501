#include "bench/harness/result_file.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "made_results.h"
#include "tests/support/comma_locale.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft::bench::test {
namespace {

using ::graft::test::error_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using Json = nlohmann::ordered_json;

Result full_result() {
  Measurement measured = made_measurement("kernels/one", made_samples(1.25e-4, 0.01, 21, 1));
  measured.executions = 12;
  measured.throttled = 3;
  measured.stages = {{"read", 0.25}, {"decode", 0.5}};
  measured.remarks = {"the device is busy: 1 other process"};
  Measurement failed = made_measurement("layers/two \"quoted\"", {});
  failed.what.suite = Suite::layers;
  failed.what.cost = {};
  failed.what.clock = Clock::host;
  failed.ended = Ended::failed;
  failed.failure = "It does not fit; take a smaller batch.";
  return made_result({measured, failed});
}

Result read_back(const std::string& text) {
  const graft::test::TemporaryFolder folder;
  graft::test::write_bytes(folder / "result.json", text);
  return read_result(folder / "result.json");
}

// The complaint about a result in whose JSON something was changed, without the folder's name.
template <typename Change>
std::string complaint(const Change& change) {
  Json json = Json::parse(result_json(full_result()));
  change(json);
  const std::string message = error_of([&] { read_back(json.dump()); });
  const std::size_t file = message.find("result.json");
  return file == std::string::npos ? message : message.substr(file);
}

TEST(ResultFile, IsReadBackAsItWas) {
  const Result written = full_result();
  const Result result = read_back(result_json(written));
  EXPECT_EQ(result_json(result), result_json(written)) << "every key";
  EXPECT_EQ(result.device.name, "a made device");
  EXPECT_EQ(result.device.memory_bytes, 80'000'000'000U);
  EXPECT_TRUE(result.build.dirty);
  EXPECT_EQ(result.at_start.clock_mhz, 1980.0);
  EXPECT_EQ(result.at_start.power_watts, std::nullopt);
  EXPECT_THAT(result.at_end.throttle_reasons, ElementsAre("power cap"));
  EXPECT_EQ(result.ceilings.flop_per_second.at(Precision::fp16), 8e14);
  EXPECT_EQ(result.config, written.config);
  ASSERT_EQ(result.measurements.size(), 2U);
  const Measurement& first = result.measurements[0];
  EXPECT_EQ(first.samples, written.measurements[0].samples) << "every sample, to the last bit";
  EXPECT_EQ(first.executions, 12U);
  EXPECT_EQ(first.throttled, 3U);
  EXPECT_THAT(first.stages, ElementsAre(Pair("read", 0.25), Pair("decode", 0.5)));
  EXPECT_THAT(first.what.axes, ElementsAre(Pair("precision", "fp16"), Pair("batch", "8")));
  EXPECT_EQ(first.what.cost.flop, 4e9);
  EXPECT_EQ(first.what.clock, Clock::device);
  const Measurement& second = result.measurements[1];
  EXPECT_EQ(second.what.name, "layers/two \"quoted\"");
  EXPECT_EQ(second.what.suite, Suite::layers);
  EXPECT_EQ(second.ended, Ended::failed);
  EXPECT_EQ(second.failure, "It does not fit; take a smaller batch.");
}

TEST(ResultFile, OfNothingAndOfADeviceWithoutTimesIsReadBack) {
  Result empty;
  EXPECT_EQ(result_json(read_back(result_json(empty))), result_json(empty));
  Measurement once = made_measurement("kernels/one", {});
  once.ended = Ended::no_times;
  Result virtual_result = made_result({once});
  virtual_result.gives_times = false;
  virtual_result.complete = false;
  const Result result = read_back(result_json(virtual_result));
  EXPECT_FALSE(result.gives_times);
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.measurements[0].ended, Ended::no_times);
}

TEST(ResultFile, HasTheSchemaTheSummaryAndNoNumberThatJsonLacks) {
  const Json json = Json::parse(result_json(full_result()));
  EXPECT_EQ(json["schema"], "graft-bench/1");
  EXPECT_EQ(json["measurements"][0]["samples"].size(), 21U);
  EXPECT_GT(json["measurements"][0]["summary"]["noise"].get<double>(), 0.0);
  EXPECT_TRUE(json["measurements"][1]["summary"].is_null());
  EXPECT_EQ(json["config"]["bench"]["noise"], 0.005) << "a value, not a text";
  Result bad = full_result();
  bad.measurements[0].samples[4] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(error_of([&] { result_json(bad); }), HasSubstr("kernels/one: samples: nan"));
  bad = full_result();
  bad.measurements[0].what.cost.flop = std::numeric_limits<double>::infinity();
  EXPECT_THAT(error_of([&] { result_json(bad); }), HasSubstr("cost.flop: inf"));
  bad = full_result();
  bad.at_end.power_watts = std::nan("");
  EXPECT_THAT(error_of([&] { result_json(bad); }), HasSubstr("at_end: power_watts: nan"));
  bad = full_result();
  bad.config = "{";
  EXPECT_THAT(error_of([&] { result_json(bad); }), HasSubstr("config"));
}

TEST(ResultFile, HoldsAnyText) {
  Result result = full_result();
  result.device.name = "caf\xE9 \x01 \"<&";
  EXPECT_EQ(read_back(result_json(result)).device.name, "caf\\xe9 \x01 \"<&");
}

TEST(ResultFile, DoesNotDependOnTheLocale) {
  const std::string before = result_json(full_result());
  const graft::test::CommaLocale locale;
  EXPECT_EQ(result_json(full_result()), before);
  EXPECT_EQ(result_json(read_back(before)), before);
}

TEST(ResultFile, OfAnotherSchemaSaysWhatToDo) {
  EXPECT_EQ(complaint([](Json& json) { json["schema"] = "graft-bench/2"; }),
            "result.json: schema: \"graft-bench/2\" where this program reads \"graft-bench/1\"; "
            "read it with the graft that wrote it, or measure again");
  EXPECT_EQ(complaint([](Json& json) { json = Json::object(); }),
            "result.json: schema: is missing");
  EXPECT_EQ(complaint([](Json& json) { json = 3; }),
            "result.json: the whole file: is number where an object is due");
}

TEST(ResultFile, EveryKeyIsMissedByName) {
  const Json whole = Json::parse(result_json(full_result()));
  std::size_t keys = 0;
  const auto expect_missed = [&](const Json::json_pointer& object) {
    for (const auto& [key, value] : whole.at(object).items()) {
      const std::string name = key;
      const std::string found = complaint([&](Json& json) { json[object].erase(name); });
      EXPECT_THAT(found, HasSubstr(name + ": is missing")) << object.to_string();
      ++keys;
    }
  };
  for (const char* object : {"", "/device", "/build", "/method", "/at_start", "/at_end",
                             "/measurements/0", "/measurements/0/cost"})
    expect_missed(Json::json_pointer(object));
  EXPECT_GT(keys, 50U);
}

TEST(ResultFile, ValuesThatMeanNothingAreRefused) {
  const auto in_case = [](const char* pointer, const Json& value) {
    return complaint([&](Json& json) {
      json[Json::json_pointer(std::string("/measurements/0/") + pointer)] = value;
    });
  };
  EXPECT_THAT(in_case("suite", "x"), HasSubstr("measurements[0].suite: \"x\" is none of kernels"));
  EXPECT_THAT(in_case("ended", "x"), HasSubstr("measurements[0].ended"));
  EXPECT_THAT(in_case("clock", "x"), HasSubstr("measurements[0].clock"));
  EXPECT_THAT(in_case("cost/arithmetic", "fp8"), HasSubstr("none of fp32, tf32, fp16, bf16"));
  EXPECT_THAT(in_case("cost/flop", -1), HasSubstr("measurements[0].cost.flop: -1 is less than 0"));
  EXPECT_THAT(in_case("samples/2", 0), HasSubstr("measurements[0].samples[2]: 0 s is no time"));
  EXPECT_THAT(in_case("samples/2", "x"), HasSubstr("samples[2]: is string where a number is due"));
  EXPECT_THAT(in_case("samples", std::vector<double>(5001, 1.0)), HasSubstr("5000 samples"));
  EXPECT_THAT(in_case("ended", "no_times"), HasSubstr("from a device that gives none"));
  EXPECT_THAT(complaint([](Json& json) { json["gives_times"] = false; }),
              HasSubstr("measurements[0].samples: there are times from a device that gives none"));
  EXPECT_THAT(complaint([](Json& json) { json["measurements"][1] = json["measurements"][0]; }),
              HasSubstr("measurements[1].name: \"kernels/one\" stands twice"));
  EXPECT_THAT(complaint([](Json& json) { json["ceilings"]["flop_per_second"]["fp8"] = 1.0; }),
              HasSubstr("ceilings.flop_per_second: \"fp8\" is none of"));
}

TEST(ResultFile, WhatNoRunWritesIsRefused) {
  EXPECT_THAT(complaint([](Json& json) { json["measurements"][0]["executions"] = 0; }),
              HasSubstr("measurements[0].executions: 0 of them"));
  EXPECT_THAT(complaint([](Json& json) { json["measurements"][0]["ended"] = "interrupted"; }),
              HasSubstr("measurements[0].ended: \"interrupted\" in a result that says"));
  EXPECT_THAT(complaint([](Json& json) { json["measurements"][0]["failure"] = "x"; }),
              HasSubstr("measurements[0].failure: what failed has a sentence"));
  EXPECT_THAT(complaint([](Json& json) { json["measurements"][1]["failure"] = ""; }),
              HasSubstr("measurements[1].failure: what failed has a sentence"));
  for (const Json& noise : {Json(0.5), Json()}) {
    EXPECT_THAT(complaint([&](Json& json) { json["measurements"][0]["summary"]["noise"] = noise; }),
                HasSubstr("summary.noise: does not follow from the samples"));
  }
}

TEST(ResultFile, AFigureThatDoesNotFollowFromTheSamplesIsRefused) {
  EXPECT_THAT(complaint([](Json& json) { json["measurements"][0]["summary"]["median"] = 1e-5; }),
              HasSubstr("summary.median: 1e-05 does not follow from the samples"));
  EXPECT_THAT(complaint([](Json& json) { json["measurements"][0]["samples"] = Json::array(); }),
              HasSubstr("measurements[0].summary"));
  EXPECT_THAT(complaint([](Json& json) { json["measurements"][0]["summary"] = nullptr; }),
              HasSubstr("measurements[0].summary"));
}

TEST(ResultFile, AbsentTornAndTooLargeFilesAreSentences) {
  const graft::test::TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { read_result(folder / "absent.json"); }), HasSubstr("absent.json"));
  const std::string text = result_json(full_result());
  graft::test::write_bytes(folder / "torn.json", text.substr(0, text.size() / 2));
  EXPECT_THAT(error_of([&] { read_result(folder / "torn.json"); }),
              AllOf(HasSubstr("torn.json: this is not JSON"), HasSubstr("--json")));
  graft::test::write_bytes(folder / "large.json", "{}");
  std::filesystem::resize_file(folder / "large.json", largest_result_file + 1);
  EXPECT_THAT(error_of([&] { read_result(folder / "large.json"); }), HasSubstr("large.json"));
}

}  // namespace
}  // namespace graft::bench::test
