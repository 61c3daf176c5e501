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

const std::vector<std::string> animals = {"cats", "dogs, big", "cows"};

TEST(Csv, HeaderAndRowsHaveTheSameColumns) {
  const Prediction good{"a.jpg", "", "dogs, big", {0.25F, 0.5F, 0.25F}};
  const Prediction bad{"b.jpg", "it is empty, or so", "", {}};
  struct Case {
    std::size_t top;
    std::string header, row, bad_row;
  };
  for (const auto& [top, header, row, bad_row] :
       {Case{0, "path,label,cats,\"dogs, big\",cows,error\n",
             "a.jpg,\"dogs, big\",0.2500,0.5000,0.2500,\n", "b.jpg,,,,,\"it is empty, or so\"\n"},
        Case{1, "path,label,probability,error\n", "a.jpg,\"dogs, big\",0.5000,\n",
             "b.jpg,,,\"it is empty, or so\"\n"},
        Case{3, "path,label,probability,label_2,probability_2,label_3,probability_3,error\n",
             "a.jpg,\"dogs, big\",0.5000,cats,0.2500,cows,0.2500,\n",
             "b.jpg,,,,,,,\"it is empty, or so\"\n"}}) {
    EXPECT_EQ(csv_header(animals, top), header);
    EXPECT_EQ(csv_row(animals, good, top), row);
    EXPECT_EQ(csv_row(animals, bad, top), bad_row);
  }
}

TEST(Csv, NoTwoColumnsHaveOneName) {
  EXPECT_EQ(
      csv_header({"label", "p(label)", "p(p(path))", "path", "paths", "error", "p(error)"}, 0),
      "path,label,p(label),p(p(label)),p(p(p(path))),p(path),paths,p(error),p(p(error)),error\n");
}

TEST(Csv, ProbabilitiesHaveFourDigits) {
  EXPECT_EQ(csv_row(animals, {"a", "", "b", {1.0F / 3.0F, 1e-30F, std::nextafter(1.0F, 0.0F)}}, 0),
            "a,b,0.3333,0.0000,1.0000,\n");
}

TEST(JsonLine, NumbersReadBackAsTheSameFloat) {
  for (const float value : {0.1F, 1.0F / 3.0F, 1e-30F, std::nextafter(1.0F, 0.0F)}) {
    const Json row = Json::parse(json_line({"x"}, {"a", "", "x", {value}}, 0));
    EXPECT_EQ(row["probabilities"]["x"].get<float>(), value) << row;
  }
}

TEST(JsonLine, IsOneObjectOnOneLine) {
  const std::vector<std::string> classes = {"cats", "\"dogs\""};
  const Prediction good{"a\nb.jpg", "", "\"dogs\"", {0.25F, 0.75F}};
  const std::string start = R"({"path": "a\nb.jpg", "label": "\"dogs\"", "probabilities": {)";
  EXPECT_EQ(json_line(classes, good, 0), start + R"("cats": 0.25, "\"dogs\"": 0.75}})" + '\n');
  EXPECT_EQ(json_line(classes, good, 2), start + R"("\"dogs\"": 0.75, "cats": 0.25}})" + '\n');
  EXPECT_EQ(json_line(classes, good, 1), start + R"("\"dogs\"": 0.75}})" + '\n');
  EXPECT_EQ(json_line(classes, {"b.jpg", "no \"picture\"", "", {}}, 1),
            R"({"path": "b.jpg", "error": "no \"picture\""})"
            "\n");
}

TEST(JsonLine, EscapesWhatIsNotUtf8AndHasNoNaN) {
  const std::string line =
      json_line({"x"}, {"\xFF.jpg", "", "x", {std::numeric_limits<float>::quiet_NaN()}}, 0);
  const Json value = Json::parse(line);
  EXPECT_EQ(value["path"], "\\xff.jpg");
  EXPECT_TRUE(value["probabilities"]["x"].is_null());
}

}  // namespace
}  // namespace graft::program
