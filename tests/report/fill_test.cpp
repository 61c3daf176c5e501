#include "engine/report/fill.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace graft {
namespace {

TEST(Fill, ReplacesNamesByEscapedOrRawValues) {
  const Json values = {{"a", "<b class=\"c\">'&"}, {"n", 3}, {"x", 0.25}, {"none", nullptr}};
  EXPECT_EQ(fill("1{{a}}2", values), "1&lt;b class=&quot;c&quot;&gt;&#39;&amp;2");
  EXPECT_EQ(fill("{{{a}}}", values), "<b class=\"c\">'&");
  EXPECT_EQ(fill("{{n}} {{x}} {{none}}", values), "3 0.2500 -");
  EXPECT_EQ(fill("no name, } } { {", values), "no name, } } { {");
}

TEST(Fill, LeavesNothingThatHtmlOrXmlCannotHold) {
  EXPECT_EQ(fill("{{a}}", {{"a", "x\n\x01\xFF\xEF\xBF\xBE猫"}}), "x??\\xff?猫");
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
  for (const Json& value : {Json(false), Json(""), Json(nullptr), Json::array(), Json::object()})
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
}

TEST(SectionOf, IsTheTextInside) {
  EXPECT_EQ(section_of("1{{#a}}2{{b}}3{{/a}}4", "a"), "2{{b}}3");
}

}  // namespace
}  // namespace graft
