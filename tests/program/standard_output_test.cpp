#include "tools/graft/standard_output.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/base/json.h"

namespace graft::program {
namespace {

TEST(CsvField, IsQuotedOnlyWhenItMustBe) {
  EXPECT_EQ(csv_field("cat.0.jpg"), "cat.0.jpg");
  EXPECT_EQ(csv_field("my photo.jpg"), "my photo.jpg");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"miau\""), "\"say \"\"miau\"\"\"");
  EXPECT_EQ(csv_field("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(csv_field("a\rb"), "\"a\rb\"");
  EXPECT_EQ(csv_field(" outer "), "\" outer \"");
  EXPECT_EQ(csv_field(""), "\"\"");
  EXPECT_EQ(csv_field("caf\xC3\xA9"), "caf\xC3\xA9");
}

TEST(Csv, HeaderAndRowsHaveTheSameColumns) {
  EXPECT_EQ(csv_header({"cats", "dogs, big"}), "path,label,cats,\"dogs, big\"\n");
  EXPECT_EQ(csv_row({"a.jpg", "dogs, big", {0.25F, 0.75F}}), "a.jpg,\"dogs, big\",0.2500,0.7500\n");
}

TEST(Csv, NoTwoColumnsHaveOneName) {
  EXPECT_EQ(csv_header({"label", "p(label)", "p(p(path))", "path", "paths"}),
            "path,label,p(label),p(p(label)),p(p(p(path))),p(path),paths\n");
}

TEST(Csv, ProbabilitiesHaveFourDigits) {
  EXPECT_EQ(csv_row({"a", "b", {1.0F / 3.0F, 1e-30F, std::nextafter(1.0F, 0.0F)}}),
            "a,b,0.3333,0.0000,1.0000\n");
}

TEST(JsonLine, NumbersReadBackAsTheSameFloat) {
  for (const float value : {0.1F, 1.0F / 3.0F, 1e-30F, std::nextafter(1.0F, 0.0F)}) {
    const Json row = Json::parse(json_line({"x"}, {"a", "x", {value}}));
    EXPECT_EQ(row["probabilities"]["x"].get<float>(), value) << row;
  }
}

TEST(JsonLine, IsOneObjectOnOneLine) {
  const std::string line = json_line({"cats", "\"dogs\""}, {"a\nb.jpg", "cats", {0.75F, 0.1F}});
  EXPECT_EQ(line,
            "{\"path\": \"a\\nb.jpg\", \"label\": \"cats\", \"probabilities\": {\"cats\": 0.75, "
            "\"\\\"dogs\\\"\": 0.1}}\n");
  EXPECT_EQ(Json::parse(line)["probabilities"]["cats"], 0.75);
}

TEST(JsonLine, EscapesWhatIsNotUtf8AndHasNoNaN) {
  const std::string line =
      json_line({"x"}, {"\xFF.jpg", "x", {std::numeric_limits<float>::quiet_NaN()}});
  const Json value = Json::parse(line);
  EXPECT_EQ(value["path"], "\\xff.jpg");
  EXPECT_TRUE(value["probabilities"]["x"].is_null());
}

}  // namespace
}  // namespace graft::program
