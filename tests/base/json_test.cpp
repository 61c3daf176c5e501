#include "engine/base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace graft {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr JsonLimits config_limits{.kind = ErrorKind::usage, .comments = true};

template <typename Work>
std::string refusal(ErrorKind kind, Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

Json value_of(const std::string& text) {
  return read_json(text, "c.json", config_limits).value;
}

std::string json_refusal(const std::string& text, const JsonLimits& limits = config_limits) {
  return refusal(limits.kind, [&] { read_json(text, "c.json", limits); });
}

TEST(JsonReader, ReadsEveryKindOfValueInTheOrderOfTheFile) {
  EXPECT_EQ(value_of(R"({"z": 1, "a": [true, null, "x", -2, 1.5], "m": {"inner": {}, "list": []}})")
                .dump(),
            R"({"z":1,"a":[true,null,"x",-2,1.5],"m":{"inner":{},"list":[]}})");
  EXPECT_EQ(value_of("\xEF\xBB\xBF{\"a\": 1}"), Json({{"a", 1}})) << "a byte order mark";
}

TEST(JsonReader, AllowsCommentsWhereTheCallerDoes) {
  const std::string text = "// first\n{ /* here */ \"a\": 1 // last\n}\n// end";
  EXPECT_EQ(value_of(text), Json({{"a", 1}}));
  EXPECT_THAT(json_refusal(text, {}), StartsWith("c.json:1:1: this is not JSON: "));
}

TEST(JsonReader, KnowsTheLineOfEachKey) {
  const auto lines =
      read_json("{\n  \"a\": {\n\n    \"b\": 1\n  },\n  \"c\": [{\"d\": 1}]}", "c.json").lines;
  EXPECT_EQ(lines, (std::map<std::string, std::size_t>{{"a", 2}, {"a.b", 4}, {"c", 6}}));
}

TEST(JsonReader, ASyntaxErrorHasALineAndAColumn) {
  EXPECT_THAT(json_refusal("{\n  \"a\": tru\n}"), StartsWith("c.json:2:11: this is not JSON: "));
  EXPECT_THAT(json_refusal("{\"a\" 1}"), StartsWith("c.json:1:6: "));
  EXPECT_THAT(json_refusal(""), StartsWith("c.json:1:1: "));
  EXPECT_THAT(json_refusal("{\"a\": 1} x"), StartsWith("c.json:1:10: "));
  EXPECT_THAT(json_refusal("{\"a\": 1e999}"), HasSubstr("1e999"));
  EXPECT_THAT(json_refusal("{\"a\": \"\xFF\"}"), StartsWith("c.json:1:")) << "not UTF-8";
}

TEST(JsonReader, NamesTheSuperfluousComma) {
  EXPECT_THAT(json_refusal("{\"a\": 1,\n}"), HasSubstr("remove the comma before it"));
  EXPECT_THAT(json_refusal("{\"a\": [1, ]}"), HasSubstr("remove the comma before it"));
  EXPECT_THAT(json_refusal("{\"a\": }"), ::testing::Not(HasSubstr("comma")));
}

TEST(JsonReader, RefusesADuplicateKey) {
  EXPECT_EQ(json_refusal("{\"a\": 1,\n\"b\": 2,\n\"a\": 3}"),
            "c.json:3: a: duplicate key (first in line 1); keep one");
  EXPECT_THAT(json_refusal("{\"d\": {\"x\": 1, \"x\": 1}}"), HasSubstr("c.json:1: d.x: "));
  EXPECT_EQ(json_refusal("[{\"x\": 1},\n{\"x\": 1, \"x\": 1}]"),
            "c.json:2: [].x: duplicate key; keep one");
  EXPECT_EQ(value_of(R"({"a": {"x": 1}, "b": {"x": 2}, "c": [{"x": 3}, {"x": 4}]})")["c"][1]["x"],
            4);
}

TEST(JsonReader, BoundsDepthMembersAndSize) {
  EXPECT_THAT(json_refusal(std::string(100000, '[')), HasSubstr("nested more than 16 deep"));
  const JsonLimits tight{.kind = ErrorKind::io, .bytes = 20, .depth = 2, .members = 3};
  EXPECT_EQ(read_json("[[0,0,0],[0,0,0],[]]", "c.json", tight).value.size(), 3U);
  EXPECT_EQ(json_refusal("[[[]]]", tight), "c.json:1: nested more than 2 deep");
  EXPECT_EQ(json_refusal("[0,0,0,0]", tight),
            "c.json:1: more than 3 entries in one object or array");
  EXPECT_EQ(json_refusal("{\"a\":0,\"b\":0,\n\"c\":0,\"d\":0}", {.members = 3}),
            "c.json:2: more than 3 entries in one object or array");
  EXPECT_EQ(json_refusal(std::string(21, ' '), tight), "c.json: larger than 20 bytes");
}

TEST(JsonAccess, ReadsTheTypeThatIsAskedFor) {
  const Json json =
      value_of(R"({"s": "x", "b": true, "d": 2, "n": [1, 2], "m": {"z": "1", "a": "2"}, "e": []})");
  EXPECT_EQ(json_at<std::string>(json, "s"), "x");
  EXPECT_TRUE(json_at<bool>(json, "b"));
  EXPECT_EQ(json_at<double>(json, "d"), 2.0);
  EXPECT_EQ(json_at<std::uint32_t>(json, "d"), 2U);
  EXPECT_EQ(json_at<std::vector<std::size_t>>(json, "n"), (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(json_at<JsonStrings>(json, "m"), (JsonStrings{{"z", "1"}, {"a", "2"}}));
  EXPECT_TRUE(json_at<std::vector<std::string>>(json, "e").empty());
}

TEST(JsonAccess, RefusesEveryOtherType) {
  const auto refused = [](auto as, const std::string& text) {
    return refusal(ErrorKind::weights,
                   [&] { (void)json_at<decltype(as)>(value_of(text), "k", ErrorKind::weights); });
  };
  EXPECT_EQ(refused(std::string(), R"({"k": 5})"), "\"k\": expected a string, found 5");
  EXPECT_EQ(refused(true, R"({"k": {}})"), "\"k\": expected true or false, found an object");
  EXPECT_EQ(refused(1.0, R"({"k": "1"})"), "\"k\": expected a number, found \"1\"");
  for (const char* text : {"{\"k\": -1}", "{\"k\": 2.5}", "{\"k\": 4294967296}", "{\"k\": true}"})
    EXPECT_THAT(refused(1U, text), StartsWith("\"k\": expected an integer of at least 0"));
  EXPECT_THAT(refused(std::vector<double>(), R"({"k": 1})"), HasSubstr("expected an array"));
  EXPECT_THAT(refused(std::vector<double>(), R"({"k": [1, ""]})"), HasSubstr("a number, found"));
  EXPECT_THAT(refused(JsonStrings(), R"({"k": []})"), HasSubstr("an object of strings"));
  EXPECT_THAT(refused(JsonStrings(), R"({"k": {"a": 1}})"), StartsWith("\"a\": expected a string"));
  EXPECT_EQ(refused(1U, "{}"), "\"k\" is missing");
  EXPECT_EQ(refused(1U, "[]"), "\"k\": expected an object around it, found []");
}

TEST(JsonAccess, WritesOneLineAndReplacesWhatIsNotUtf8) {
  EXPECT_EQ(json_text(Json({{"a", {1, 2}}})), R"({"a":[1,2]})");
  EXPECT_EQ(json_text("caf\xE9"), "\"caf\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace graft
