#include "engine/head/history.h"

#include <limits>

#include "engine/base/error.h"
#include "tests/support/comma_locale.h"
#include "tests/support/support.h"

namespace graft {
namespace {

const History two_epochs = {{0.1, 0.5, 1.0 / 3.0, 0.25}, {1e-7, 1.0, 12.0, 0.875}};

TEST(HistoryCsv, HasTheseBytes) {
  EXPECT_EQ(history_csv(two_epochs),
            "epoch,loss,accuracy,val_loss,val_accuracy\n"
            "1,0.1,0.5,0.3333333333333333,0.25\n"
            "2,1e-07,1,12,0.875\n");
  EXPECT_EQ(history_csv({}), "epoch,loss,accuracy,val_loss,val_accuracy\n");
}

TEST(HistoryJson, HasTheseBytesAndKerasNames) {
  EXPECT_EQ(history_json(two_epochs),
            "{\"history\": {\"loss\": [0.1, 1e-07], \"accuracy\": [0.5, 1], "
            "\"val_loss\": [0.3333333333333333, 12], \"val_accuracy\": [0.25, 0.875]}, "
            "\"best\": {\"val_accuracy\": 2, \"val_loss\": 1}}\n");
  EXPECT_EQ(history_json({}).find("best"), std::string::npos);
}

TEST(HistoryJson, ReadsBackBitForBit) {
  const History awkward = {{0.1 + 0.2, 1.0 / 7.0, 5e-324, 1.7976931348623157e308}, two_epochs[0]};
  EXPECT_EQ(parse_history_json(history_json(awkward)), awkward);
  EXPECT_EQ(parse_history_json(history_json({})), History{});
}

TEST(HistoryJson, RefusesWhatIsNoHistory) {
  for (const char* text :
       {"", "{", "[]", "{\"history\": {}}", "{\"history\": {\"loss\": [1]}}",
        R"({"history": {"loss": [1], "accuracy": [1, 2], "val_loss": [1], "val_accuracy": [1]}})",
        R"({"history": {"loss": ["1"], "accuracy": [1], "val_loss": [1], "val_accuracy": [1]}})"}) {
    EXPECT_THROW(parse_history_json(text), Error) << text;
  }
}

TEST(History, HoldsNoNumberThatIsNotFinite) {
  EXPECT_THROW(history_csv({{std::numeric_limits<double>::quiet_NaN(), 0, 0, 0}}), Error);
  EXPECT_THROW(history_json({{0, 0, std::numeric_limits<double>::infinity(), 0}}), Error);
}

TEST(History, DoesNotDependOnTheLocale) {
  const std::string csv = history_csv(two_epochs);
  const std::string json = history_json(two_epochs);
  const test::CommaLocale comma;
  EXPECT_EQ(history_csv(two_epochs), csv);
  EXPECT_EQ(history_json(two_epochs), json);
  EXPECT_EQ(parse_history_json(json), two_epochs);
}

TEST(BestEpoch, IsTheHighestValidationAccuracy) {
  EXPECT_EQ(best_epoch({{0, 0, 0.1, 0.5}, {0, 0, 0.9, 0.7}, {0, 0, 0.2, 0.6}}), 1U);
}

TEST(BestEpoch, OfEqualsTheLowestValidationLossAndOfThoseTheFirst) {
  EXPECT_EQ(best_epoch({{0, 0, 0.5, 0.7}, {0, 0, 0.4, 0.7}, {0, 0, 0.4, 0.7}, {0, 0, 0.1, 0.6}}),
            1U);
  EXPECT_EQ(best_epoch({{1, 0, 0.5, 0.7}, {0, 1, 0.5, 0.7}}), 0U);
}

TEST(BestEpoch, OfNothingIsRefused) {
  EXPECT_THROW(best_epoch({}), Error);
}

}  // namespace
}  // namespace graft
