#include "tools/graft/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/config_support.h"

namespace graft::test {
namespace {

using program::Json;
using program::read_json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string json_refusal(const std::string& text) {
  return refusal([&] { read_json(text, "c.json"); });
}

TEST(JsonReader, ReadsEveryKindOfValueInTheOrderOfTheFile) {
  const auto document = read_json(
      R"({"z": 1, "a": [true, null, "x", -2, 1.5], "m": {"inner": {}, "list": []}})", "c.json");
  EXPECT_EQ(document.value.dump(),
            R"({"z":1,"a":[true,null,"x",-2,1.5],"m":{"inner":{},"list":[]}})");
}

TEST(JsonReader, AllowsComments) {
  const auto document = read_json("// first\n{ /* here */ \"a\": 1 // last\n}\n// end", "c.json");
  EXPECT_EQ(document.value, Json({{"a", 1}}));
}

TEST(JsonReader, SkipsAByteOrderMark) {
  EXPECT_EQ(read_json("\xEF\xBB\xBF{\"a\": 1}", "c.json").value, Json({{"a", 1}}));
}

TEST(JsonReader, KnowsTheLineOfEachKey) {
  const auto document = read_json("{\n  \"a\": {\n\n    \"b\": 1\n  },\n  \"c\": 2}", "c.json");
  EXPECT_EQ(document.lines.at("a"), 2U);
  EXPECT_EQ(document.lines.at("a.b"), 4U);
  EXPECT_EQ(document.lines.at("c"), 6U);
}

TEST(JsonReader, ASyntaxErrorHasALineAndAColumn) {
  EXPECT_THAT(json_refusal("{\n  \"a\": tru\n}"), StartsWith("c.json:2:11: this is not JSON: "));
  EXPECT_THAT(json_refusal("{\"a\" 1}"), StartsWith("c.json:1:6: "));
  EXPECT_THAT(json_refusal(""), StartsWith("c.json:1:1: "));
  EXPECT_THAT(json_refusal("{\"a\": 1} x"), StartsWith("c.json:1:10: "));
  EXPECT_THAT(json_refusal("{\"a\": 1e999}"), HasSubstr("1e999"));
}

TEST(JsonReader, NamesTheCommaThatIsOneTooMany) {
  EXPECT_THAT(json_refusal("{\"a\": 1,\n}"), HasSubstr("the comma before it is one too many"));
  EXPECT_THAT(json_refusal("{\"a\": [1, ]}"), HasSubstr("the comma before it is one too many"));
  EXPECT_THAT(json_refusal("{\"a\": }"), ::testing::Not(HasSubstr("comma")));
}

TEST(JsonReader, RefusesAKeyThatStandsTwice) {
  EXPECT_EQ(json_refusal("{\"a\": 1,\n\"b\": 2,\n\"a\": 3}"),
            "c.json:3: a: this key stands twice (first in line 1); keep one");
  EXPECT_THAT(json_refusal("{\"d\": {\"x\": 1, \"x\": 1}}"), HasSubstr("c.json:1: d.x: "));
}

TEST(JsonReader, TheSameKeyInTwoObjectsIsFine) {
  EXPECT_EQ(read_json(R"({"a": {"x": 1}, "b": {"x": 2}, "c": [{"x": 3}, {"x": 4}]})", "c.json")
                .value["c"][1]["x"],
            4);
}

TEST(JsonReader, BoundsDepthMembersAndSize) {
  EXPECT_THAT(json_refusal(std::string(100000, '[')), HasSubstr("nested more than 16 deep"));
  std::string wide = "[0";
  for (int i = 0; i < 1000; ++i) wide += ",0";
  EXPECT_THAT(json_refusal(wide + "]"), HasSubstr("more than 1000 entries"));
  EXPECT_THAT(json_refusal(std::string(program::maximum_config_bytes + 1, ' ')),
              HasSubstr("larger"));
}

TEST(JsonReader, RefusesWhatIsNotUtf8) {
  EXPECT_THAT(json_refusal("{\"a\": \"\xFF\"}"), HasSubstr("c.json:1:"));
}

}  // namespace
}  // namespace graft::test
