#include "bench/harness/json_node.h"

#include <gmock/gmock.h>

#include "bench/harness/case.h"
#include "tests/support/support.h"

namespace graft::bench::test {
namespace {

using ::graft::test::error_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string file = "some.json";

template <typename Access>
std::string complaint(std::string_view text, const Access& access) {
  const Json json = parse_result_text(text, file);
  return error_of([&] { access(JsonNode(json, "", file)); });
}

TEST(JsonNode, NamesTheFileAndTheWholeKey) {
  const auto access = [](const JsonNode& node) { node["a"].list()[1]["b"].number(); };
  EXPECT_EQ(complaint(R"({"a": [1, {"b": "x"}]})", access),
            "some.json: a[1].b: is string where a number is due");
  EXPECT_EQ(complaint(R"({"a": [1, {"c": 2}]})", access), "some.json: a[1].b: is missing");
  EXPECT_EQ(complaint(R"({"a": [1, 2]})", access),
            "some.json: a[1]: is number where an object is due");
  EXPECT_EQ(complaint("[]", access), "some.json: the whole file: is array where an object is due");
}

TEST(JsonNode, RefusesEachOtherType) {
  const auto of = [](std::string_view value, auto access) {
    return complaint("{\"k\": " + std::string(value) + "}",
                     [&](const JsonNode& node) { access(node["k"]); });
  };
  EXPECT_THAT(of("1", [](const JsonNode& node) { node.text(); }), HasSubstr("a text is due"));
  EXPECT_THAT(of("1", [](const JsonNode& node) { node.flag(); }), HasSubstr("true or false"));
  EXPECT_THAT(of("-1", [](const JsonNode& node) { node.count(); }), HasSubstr("whole number"));
  EXPECT_THAT(of("1.5", [](const JsonNode& node) { node.count(); }), HasSubstr("whole number"));
  EXPECT_THAT(of("{}", [](const JsonNode& node) { node.list(); }), HasSubstr("a list is due"));
  EXPECT_THAT(of("[1]", [](const JsonNode& node) { node.texts(); }), HasSubstr("k[0]"));
  EXPECT_THAT(of("-2", [](const JsonNode& node) { node.number_from(0); }),
              HasSubstr("less than 0"));
  EXPECT_THAT(of("\"x\"", [](const JsonNode& node) { node.word(all_suites); }),
              HasSubstr("\"x\" is none of kernels, layers, backbone, head, pipeline"));
}

TEST(JsonNode, NullStandsForWhatIsNotKnown) {
  const Json json = parse_result_text("null", file);
  const JsonNode node(json, "", file);
  EXPECT_EQ(node.number_or_null(), std::nullopt);
  EXPECT_EQ(node.count_or_null(), std::nullopt);
  EXPECT_EQ(node.flag_or_null(), std::nullopt);
}

TEST(ResultText, ThatIsNoJsonIsRefusedWithItsPlace) {
  EXPECT_THAT(error_of([] { parse_result_text("{\"a\": ", file); }),
              AllOf(StartsWith("some.json: this is not JSON"), HasSubstr("column")));
  for (const char* text : {"", "{\"a\": NaN}", "{\"a\": 1e999}", "{} x"})
    EXPECT_THAT(error_of([&] { parse_result_text(text, file); }), HasSubstr("not JSON")) << text;
}

TEST(ResultText, NestedTooDeepIsRefused) {
  EXPECT_EQ(error_of([] { parse_result_text(std::string(30, '[') + std::string(30, ']'), file); }),
            "");
  EXPECT_THAT(error_of([] { parse_result_text(std::string(1'000'000, '['), file); }),
              HasSubstr("nested more than 32 deep"));
}

TEST(JsonNode, MoreValuesThanAnyResultHasAreRefused) {
  std::string text = "[0";
  for (std::size_t value = 1; value < most_values; ++value) text += ",0";
  EXPECT_THAT(error_of([&] { parse_result_text(text + "]", file); }),
              HasSubstr("some.json: holds more than 16,000,000 values"));
}

}  // namespace
}  // namespace graft::bench::test
