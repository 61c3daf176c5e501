#include "engine/report/fill.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace graft {
namespace {

TEST(Fill, ReplacesNamesByEscapedOrRawValues) {
  const Json values = {{"a", "<b class=\"c\">'&"}, {"n", 3}, {"x", 0.25}};
  EXPECT_EQ(fill("1{{a}}2", values), "1&lt;b class=&quot;c&quot;&gt;&apos;&amp;2");
  EXPECT_EQ(fill("{{{a}}}", values), "<b class=\"c\">'&");
  EXPECT_EQ(fill("{{n}} {{x}}", values), "3 0.2500");
  EXPECT_EQ(fill("no name, } } { {", values), "no name, } } { {");
}

TEST(Fill, LeavesNothingThatHtmlOrXmlCannotHold) {
  EXPECT_EQ(fill("{{a}}", {{"a", "x\n\x01\xFF\xEF\xBF\xBE猫"}}), R"(x\x0a\x01\xff?猫)");
}

TEST(Fill, DoesNotLookIntoValuesForNames) {
  EXPECT_EQ(fill("{{a}} {{{a}}}", {{"a", "{{b}}"}, {"b", "!"}}), "{{b}} {{b}}");
}

TEST(Fill, RepeatsASectionForEachElementAndFindsOuterNamesInIt) {
  const Json values = {{"sep", ", "}, {"list", {{{"v", 1}}, {{"v", 2}, {"sep", "."}}}}};
  EXPECT_EQ(fill("[{{#list}}{{v}}{{sep}}{{/list}}]", values), "[1, 2.]");
}

TEST(Fill, ShowsASectionOnceForAValueAndItsInverseForNone) {
  const std::string text = "{{#a}}yes{{/a}}{{^a}}no{{/a}}";
  for (const Json& value : {Json(true), Json("x"), Json(0), Json{{"b", 1}}, Json::array({1})})
    EXPECT_EQ(fill(text, {{"a", value}}), "yes") << value;
  for (const Json& value : {Json(false), Json(nullptr), Json::array()})
    EXPECT_EQ(fill(text, {{"a", value}}), "no") << value;
}

TEST(Fill, NestsSectionsOfDifferentNames) {
  const Json values = {{"a", {{{"b", {{{"c", 1}}, {{"c", 2}}}}}, {{"b", Json::array()}}}}};
  EXPECT_EQ(fill("{{#a}}({{#b}}{{c}}{{/b}}{{^b}}none{{/b}}){{/a}}", values), "(12)(none)");
}

TEST(Fill, RefusesANameWithoutAValueAndASectionWithoutAnEnd) {
  EXPECT_THROW(fill("{{b}}", {{"a", 1}}), std::logic_error);
  EXPECT_THROW(fill("{{#a}}", {{"a", 1}}), std::logic_error);
  EXPECT_THROW(fill("{{/a}}", {{"a", 1}}), std::logic_error);
  EXPECT_THROW(fill("{{^a}}", {{"a", 1}}), std::logic_error);
  EXPECT_THROW(fill("{{#b}}{{/b}}{{^b}}{{/b}}", {{"a", 1}}), std::logic_error);
  EXPECT_THROW(fill("{{#a}}{{#b}}{{/a}}{{/b}}", {{"a", 1}, {"b", 1}}), std::logic_error);
}

TEST(Fill, FindsAMemberOfAnObjectByItsPath) {
  EXPECT_EQ(fill("{{#c}}{{a.b}}{{/c}}", {{"a", {{"b", 1}}}, {"c", true}}), "1");
  EXPECT_THROW(fill("{{a.c}}", {{"a", {{"b", 1}}}}), std::logic_error);
}

}  // namespace
}  // namespace graft
