#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/base/error.h"
#include "engine/report/report.h"
#include "tests/support/comma_locale.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Predictions {
  std::vector<std::string> classes;
  std::vector<float> probabilities;
  std::vector<std::uint32_t> labels;
  std::vector<std::string> files = {};

  Evaluation summary() const {
    std::vector<std::string> names = files;
    for (std::size_t row = names.size(); row < labels.size(); ++row) {
      names.push_back("file " + std::to_string(row));
    }
    return summarise({0.25 * static_cast<double>(labels.size()), 0, labels.size()}, probabilities,
                     labels, names, classes);
  }
};

const Predictions binary = {{"cats", "dogs"},
                            {0.9F, 0.1F, 0.2F, 0.8F, 0.4F, 0.6F, 0.05F, 0.95F, 0.7F, 0.3F},
                            {0, 1, 0, 0, 1},
                            {"cats/a.jpg", "dogs/b.jpg", "cats/c.jpg", "cats/d.jpg", "dogs/e.jpg"}};

TEST(Summarise, CountsEveryImageOnceInTheConfusionMatrix) {
  const Evaluation evaluation = binary.summary();
  EXPECT_THAT(evaluation.confusion, ElementsAre(ElementsAre(1, 2), ElementsAre(1, 1)));
  EXPECT_EQ(evaluation.accuracy, 0.4);
  EXPECT_EQ(evaluation.log_loss, 0.25);
  EXPECT_EQ(evaluation.count, 5U);
  EXPECT_EQ(evaluation.correct, 2U);
}

TEST(Summarise, ExactlyOneHalfIsClassZero) {
  const float above = std::nextafter(0.5F, 1.0F);
  const Predictions halves = {{"a", "b"}, {0.5F, 0.5F, 1.0F - above, above}, {0, 0}};
  EXPECT_THAT(halves.summary().confusion, ElementsAre(ElementsAre(1, 1), ElementsAre(0, 0)));
}

TEST(Summarise, OfMoreClassesTheMostProbableIsPredictedAndOfEqualsTheFirst) {
  const Predictions three = {
      {"a", "b", "c"},
      {0.2F, 0.3F, 0.5F, 0.4F, 0.4F, 0.2F, 0.1F, 0.45F, 0.45F, 1.0F, 0.0F, 0.0F},
      {2, 0, 2, 1}};
  const Evaluation evaluation = three.summary();
  EXPECT_THAT(evaluation.confusion,
              ElementsAre(ElementsAre(1, 0, 0), ElementsAre(1, 0, 0), ElementsAre(0, 1, 1)));
  EXPECT_EQ(evaluation.accuracy, 0.5);
}

TEST(Summarise, PutsTheMostConfidentMistakeFirstAndEqualOnesInTheOrderOfTheFiles) {
  Predictions predictions = binary;
  predictions.labels.push_back(1);
  predictions.probabilities.insert(predictions.probabilities.end(), {0.7F, 0.3F});
  predictions.files.emplace_back("dogs/f.jpg");
  const auto mistakes = predictions.summary().mistakes;
  std::vector<std::string> files;
  files.reserve(mistakes.size());
  for (const auto& mistake : mistakes) files.push_back(mistake.file);
  EXPECT_THAT(files, ElementsAre("cats/d.jpg", "dogs/e.jpg", "dogs/f.jpg", "cats/c.jpg"));
  EXPECT_EQ(mistakes[0].label, 0U);
  EXPECT_EQ(mistakes[0].predicted, 1U);
  EXPECT_EQ(mistakes[0].probability, 0.95F);
  EXPECT_EQ(mistakes[1].probability, 0.7F) << "of the class that was predicted";
}

TEST(Summarise, ConfusionSumsToTheNumberOfImages) {
  Predictions many = {{"a", "b", "c", "d"}, {}, {}};
  for (std::uint32_t row = 0; row < 1000; ++row) {
    many.labels.push_back(row * 7 % 4);
    for (std::uint32_t c = 0; c < 4; ++c) {
      many.probabilities.push_back(static_cast<float>((row * 31 + c * 17) % 97) / 97.0F);
    }
  }
  const Evaluation evaluation = many.summary();
  std::uint64_t sum = 0, diagonal = 0;
  for (std::size_t label = 0; label < 4; ++label) {
    sum += std::accumulate(evaluation.confusion[label].begin(), evaluation.confusion[label].end(),
                           std::uint64_t{0});
    diagonal += evaluation.confusion[label][label];
  }
  EXPECT_EQ(sum, 1000U);
  EXPECT_EQ(evaluation.mistakes.size(), 1000U - diagonal);
  EXPECT_EQ(evaluation.accuracy, static_cast<double>(diagonal) / 1000.0);
}

TEST(Summarise, RefusesNoImages) {
  const Predictions none = {{"a", "b"}, {}, {}};
  EXPECT_THROW(none.summary(), Error);
}

TEST(Summarise, NamesTheLargestClassAndOfEqualsTheFirst) {
  EXPECT_EQ(binary.summary().largest_class, "cats");
  EXPECT_EQ(binary.summary().baseline_accuracy, 0.6);
  const Predictions equal = {{"a", "b"}, {1.0F, 0.0F, 1.0F, 0.0F}, {1, 0}};
  EXPECT_EQ(equal.summary().largest_class, "a");
  EXPECT_EQ(equal.summary().baseline_accuracy, 0.5);
}

TEST(Summarise, RefusesSizesThatDoNotFit) {
  const auto refused = [](const std::function<void(Predictions&)>& spoil) {
    Predictions predictions = binary;
    spoil(predictions);
    EXPECT_THROW(predictions.summary(), Error);
  };
  refused([](Predictions& p) { p.probabilities.pop_back(); });
  refused([](Predictions& p) { p.labels.pop_back(); });
  refused([](Predictions& p) { p.files.emplace_back("one more"); });
  refused([](Predictions& p) { p.classes.emplace_back("one more"); });
  refused([](Predictions& p) { p.classes = {}; });
  refused([](Predictions& p) { p.labels[3] = 2; });
  EXPECT_THROW(
      summarise({0.0, 0, 4}, binary.probabilities, binary.labels, binary.files, binary.classes),
      Error);
}

TEST(Summarise, RefusesAProbabilityThatIsNotFiniteByItsFile) {
  Predictions predictions = binary;
  predictions.probabilities[5] = std::numeric_limits<float>::quiet_NaN();
  try {
    predictions.summary();
    FAIL() << "it was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_THAT(error.what(), HasSubstr("cats/c.jpg"));
  }
}

TEST(Summarise, CountsImagesPredictionsAndCorrectOnesOfEachClass) {
  const Evaluation evaluation = binary.summary();
  ASSERT_EQ(evaluation.classes.size(), 2U);
  EXPECT_EQ(evaluation.classes[0].name, "cats");
  EXPECT_EQ(evaluation.classes[0].count, 3U);
  EXPECT_EQ(evaluation.classes[0].predicted, 2U);
  EXPECT_EQ(evaluation.classes[0].correct, 1U);
  EXPECT_EQ(evaluation.classes[1].count, 2U);
  EXPECT_EQ(evaluation.classes[1].predicted, 3U);
  EXPECT_EQ(evaluation.classes[1].correct, 1U);
}

TEST(EvaluationTable, HasThisForm) {
  EXPECT_EQ(evaluation_table(binary.summary(), 2),
            "accuracy 0.4000 (2 of 5; 95 % interval 0.1176 to 0.7693; always \"cats\": 0.6000)\n"
            "balanced accuracy 0.4167, macro F1 0.4000, AUC 0.5000, log loss 0.2500\n"
            "best threshold 0.200000007, chosen on these images: balanced accuracy 0.6667\n"
            "\n"
            "class  images  precision  recall      F1\n"
            "cats        3     0.5000  0.3333  0.4000\n"
            "dogs        2     0.3333  0.5000  0.4000\n"
            "\n"
            "true \\ predicted  cats  dogs\n"
            "cats                 1     2\n"
            "dogs                 1     1\n"
            "\n"
            "most confident mistakes (2 of 3):\n"
            "  probability  predicted  class  file\n"
            "       0.9500  dogs       cats   cats/d.jpg\n"
            "       0.7000  cats       dogs   dogs/e.jpg\n");
}

TEST(EvaluationTable, ShowsAsManyMistakesAsAskedForAndNoneWithoutAny) {
  EXPECT_THAT(evaluation_table(binary.summary(), 0), Not(HasSubstr("mistakes")));
  EXPECT_THAT(evaluation_table(binary.summary(), 100), HasSubstr("(3 of 3)"));
  const Predictions right = {{"a", "b"}, {1.0F, 0.0F}, {0}};
  EXPECT_THAT(evaluation_table(right.summary(), 5), Not(HasSubstr("mistakes")));
}

TEST(EvaluationTable, CountsCharactersNotBytesAndPrintsNoControlCharacter) {
  Predictions predictions = binary;
  predictions.classes = {"Kätzchen", "dogs\n\x1b"};
  const std::string table = evaluation_table(predictions.summary(), 5);
  EXPECT_THAT(table, HasSubstr("Kätzchen           3     0.5000  0.3333  0.4000\n"));
  EXPECT_THAT(table, HasSubstr(R"(dogs\x0a\x1b)"));
  EXPECT_THAT(table, Not(HasSubstr("\x1b")));
}

TEST(EvaluationTable, OfManyClassesListsThePairsThatAreMostOftenConfused) {
  Predictions many = {{}, {}, {}};
  for (std::uint32_t c = 0; c < 13; ++c) many.classes.push_back("class" + std::to_string(c));
  const auto predict = [&](std::uint32_t label, std::uint32_t predicted) {
    many.labels.push_back(label);
    for (std::uint32_t c = 0; c < 13; ++c)
      many.probabilities.push_back(c == predicted ? 1.0F : 0.0F);
  };
  for (const std::uint32_t label : {3U, 3U, 3U}) predict(label, 7);
  predict(5, 1);
  predict(5, 5);
  const std::string table = evaluation_table(many.summary(), 0);
  EXPECT_THAT(table, HasSubstr("       3  class3  class7\n       1  class5  class1\n"));
  EXPECT_THAT(table, Not(HasSubstr("true \\ predicted")));
}

TEST(EvaluationJson, HoldsEverythingUnderItsName) {
  const auto json = nlohmann::json::parse(evaluation_json(binary.summary()));
  EXPECT_EQ(json.at("images"), 5);
  EXPECT_EQ(json.at("accuracy"), 0.4);
  EXPECT_NEAR(json.at("accuracy_95")[0], 0.1176, 5e-5);
  EXPECT_NEAR(json.at("accuracy_95")[1], 0.7693, 5e-5);
  EXPECT_EQ(json.at("baseline_accuracy"), 0.6);
  EXPECT_EQ(json.at("largest_class"), "cats");
  EXPECT_NEAR(json.at("balanced_accuracy"), 5.0 / 12, 1e-12);
  EXPECT_NEAR(json.at("macro_f1"), 0.4, 1e-12);
  EXPECT_EQ(json.at("auc"), 0.5);
  EXPECT_EQ(json.at("log_loss"), 0.25);
  EXPECT_EQ(json.at("best_threshold").at("threshold"), (double{0.1F} + double{0.3F}) / 2);
  EXPECT_EQ(json.at("best_threshold").at("chosen_on"), "validation");
  EXPECT_EQ(json.at("confusion"), nlohmann::json::parse("[[1,2],[1,1]]"));
  EXPECT_EQ(json.at("classes")[1],
            nlohmann::json::parse(R"({"name":"dogs","images":2,"predicted":3,"correct":1,
                "precision":0.3333333333333333,"recall":0.5,"f1":0.4,"auc":0.5})"));
  ASSERT_EQ(json.at("mistakes").size(), 3U);
  EXPECT_EQ(json.at("mistakes")[0],
            nlohmann::json::parse(
                R"({"file":"cats/d.jpg","class":"cats","predicted":"dogs","probability":0.95})"));
}

TEST(EvaluationTable, AThresholdIsBetweenTheProbabilitiesHoweverNearTheyAre) {
  const float low = 1.0F - 0x1p-23F, high = 1.0F - 0x1p-24F;
  const Predictions sure = {{"cats", "dogs"}, {1 - low, low, 1 - high, high}, {0, 1}};
  const std::string table = evaluation_table(sure.summary(), 0);
  const std::string start = "best threshold ";
  const double shown = std::stod(table.substr(table.find(start) + start.size()));
  EXPECT_GT(shown, low);
  EXPECT_LT(shown, high);
}

TEST(Evaluation, FiguresThatAreNotDefinedAreNullAndADash) {
  const Predictions one_class = {{"cats", "dogs"}, {0.9F, 0.1F, 0.8F, 0.2F}, {0, 0}};
  const auto json = nlohmann::json::parse(evaluation_json(one_class.summary()));
  for (const char* name : {"auc", "best_threshold"}) EXPECT_TRUE(json.at(name).is_null()) << name;
  for (const char* name : {"precision", "recall", "f1", "auc"})
    EXPECT_TRUE(json.at("classes")[1].at(name).is_null()) << name;
  const std::string table = evaluation_table(one_class.summary(), 0);
  EXPECT_THAT(table, HasSubstr("AUC -, log loss"));
  EXPECT_THAT(table, HasSubstr("dogs        0          -       -       -\n"));
  EXPECT_THAT(table, Not(HasSubstr("threshold")));
}

TEST(Evaluation, OfMoreThanTwoClassesHasAnAucForEachAndNoThreshold) {
  const Predictions three = {
      {"a", "b", "c"}, {0.7F, 0.2F, 0.1F, 0.3F, 0.6F, 0.1F, 0.4F, 0.5F, 0.1F}, {0, 1, 0}};
  const auto json = nlohmann::json::parse(evaluation_json(three.summary()));
  EXPECT_TRUE(json.at("best_threshold").is_null());
  EXPECT_EQ(json.at("classes")[0].at("auc"), 1.0);
  EXPECT_TRUE(json.at("classes")[2].at("auc").is_null());
  EXPECT_EQ(json.at("auc"), 1.0) << "the mean of those that are defined";
  EXPECT_THAT(evaluation_table(three.summary(), 0),
              HasSubstr("class  images  precision  recall      F1     AUC\n"
                        "a           2     1.0000  0.5000  0.6667  1.0000\n"));
}

TEST(EvaluationJson, ListsTheLeastCertainFirstAndAtMostTwenty) {
  const auto json = nlohmann::json::parse(evaluation_json(binary.summary()));
  ASSERT_EQ(json.at("least_certain").size(), 5U);
  EXPECT_EQ(json.at("least_certain")[0].at("file"), "cats/c.jpg");
  EXPECT_EQ(json.at("least_certain")[4].at("file"), "cats/d.jpg");
  Predictions many = {{"a", "b"}, {}, std::vector<std::uint32_t>(50)};
  many.probabilities.assign(100, 0.5F);
  EXPECT_EQ(nlohmann::json::parse(evaluation_json(many.summary())).at("least_certain").size(), 20U);
}

TEST(EvaluationJson, ListsThePairsThatAreMostOftenConfused) {
  const auto json = nlohmann::json::parse(evaluation_json(binary.summary()));
  EXPECT_EQ(json.at("most_confused"),
            nlohmann::json::parse(R"([{"class":"cats","predicted":"dogs","images":2},
                                      {"class":"dogs","predicted":"cats","images":1}])"));
}

TEST(EvaluationJson, WritesTheShortestDigitsOfAFloat) {
  EXPECT_THAT(evaluation_json(binary.summary()), HasSubstr("\"probability\": 0.95\n"));
}

TEST(EvaluationJson, SurvivesFileNamesThatAreNotUtf8) {
  Predictions predictions = binary;
  predictions.files[3] = "cats/\xff.jpg";
  const auto json = nlohmann::json::parse(evaluation_json(predictions.summary()));
  EXPECT_EQ(json.at("mistakes")[0].at("file"), "cats/\uFFFD.jpg");
}

TEST(Report, IsTheSameInEveryLocale) {
  const Evaluation evaluation = binary.summary();
  const History history = {{1234.5, 0.5, 0.25, 0.75}, {0.25, 0.625, 0.125, 0.875}};
  const std::string table = evaluation_table(evaluation, 3);
  const std::string json = evaluation_json(evaluation);
  const std::string svg = curves_svg(history, "title", 0.5);
  const test::CommaLocale comma;
  EXPECT_EQ(evaluation_table(evaluation, 3), table);
  EXPECT_EQ(evaluation_json(evaluation), json);
  EXPECT_EQ(curves_svg(history, "title", 0.5), svg);
}

}  // namespace
}  // namespace graft
