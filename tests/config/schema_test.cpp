#include "tools/graft/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/config/config_support.h"
#include "tools/graft/explain.h"

namespace graft::test {
namespace {

using program::find_key;

using program::Key;
using program::schema;
using ::testing::HasSubstr;

// One row for each key: its default, a value that it may hold, and values that it may not.
struct Row {
  std::string path;
  std::string fallback;  // as JSON, or "required"
  std::string good;      // as JSON; another one than the default where there is one
  std::vector<std::string> wrong_type;
  std::vector<std::string> out_of_range;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {"device",
       R"("auto")",
       R"("cuda:1")",
       {"1", "null", "[]"},
       {R"("gpu")", R"("")", R"("CPU")", R"("cuda:")", R"("cuda:-1")", R"("cuda:01")",
        R"("cuda:256")", R"("cuda:1 ")", R"("cpu:0")", R"("cuda:N")"}},
      {"seed",
       "1",
       "9007199254740992",
       {R"("1")", "true", "{}"},
       {"-1", "9007199254740993", "1.5", "1e300"}},
      {"output", R"("runs/graft")", R"("/o")", {"1", "null"}, {R"("")", R"("a\u0000b")"}},
      {"threads", "0", "1024", {R"("all")", "[1]"}, {"-1", "1025", "0.5"}},
      {"cache", R"("${GRAFT_CACHE}")", R"("/c2")", {"1", "null", "true"}, {}},
      {"data.train", "required", R"("/t2")", {"5", "[]"}, {R"("")"}},
      {"data.validation", R"("")", R"("/v2")", {"false", "{}"}, {}},
      {"data.validation_split", "0.0", "0.0", {R"("0.2")", "null"}, {"-0.01", "1", "1.0", "2"}},
      {"data.image_size",
       "[150,150]",
       "[32,4096]",
       {"150", R"("150x150")", "{}"},
       {"[150]", "[150,150,3]", "[31,150]", "[150,4097]", "[150.5,150]", R"(["150",150])", "[]",
        "[-150,150]"}},
      {"data.resize", R"("nearest")", R"("lanczos")", {"1", "true"}, {R"("spline")"}},
      {"data.preprocess", R"("rescale")", R"("torch")", {"1", "255"}, {R"("none")"}},
      {"data.on_bad_image", R"("stop")", R"("skip")", {"true"}, {R"("ignore")"}},
      {"data.exif_orientation", "false", "true", {"1", R"("true")", "null"}, {}},
      {"data.gray16", R"("high_byte")", R"("clip")", {"16"}, {R"("low_byte")"}},
      {"data.fast_decode", "false", "true", {"1", R"("true")", "null"}, {}},
      {"backbone.name", R"("vgg16")", R"("vgg16")", {"16"}, {R"("vgg19")"}},
      {"backbone.weights", "required", R"("/w2")", {"5", "null"}, {R"("")"}},
      {"backbone.batch_size",
       "32",
       R"("auto")",
       {R"("32")", "[32]", R"("Auto")", R"("")"},
       {"0", "1025", "-1", "1.5"}},
      {"backbone.precision", R"("fp32")", R"("bf16")", {"16", "true"}, {R"("fp8")", R"("FP16")"}},
      {"backbone.algorithm", R"("auto")", R"("direct")", {"1", "true"}, {R"("fft")", R"("")"}},
      {"backbone.autotune", "false", "true", {"1", R"("auto")", "null"}, {}},
      {"pipeline.depth", R"("auto")", "16", {R"("2")", "[2]", "null"}, {"-1", "17", "1.5"}},
      {"features.memory_budget_mib", "2048", "0", {R"("2 GiB")"}, {"-1", "1048577"}},
      {"head.hidden",
       "[256]",
       "[512,1,65536]",
       {"256", R"("256")", "null"},
       {"[0]", "[65537]", "[1,2,3,4,5,6,7,8,9]", R"(["256"])", "[1.5]", "[[256]]"}},
      {"head.dropout", "0.5", "0", {R"("half")", "true"}, {"-0.1", "1", "1.5"}},
      {"train.epochs", "20", "100000", {R"("20")", "null"}, {"0", "100001", "2.5"}},
      {"train.batch_size", "16", "65536", {R"("16")"}, {"0", "65537"}},
      {"train.optimizer.type", R"("rmsprop")", R"("rmsprop")", {"1"}, {R"("adam")"}},
      {"train.optimizer.learning_rate", "0.001", "10", {R"("1e-3")"}, {"0", "-1e-3", "10.1"}},
      {"train.optimizer.rho", "0.9", "0", {"[0.9]"}, {"-0.1", "1"}},
      {"train.optimizer.epsilon", "1e-07", "1", {"false"}, {"0", "1.1"}},
      {"train.optimizer.epsilon_inside_sqrt", "true", "false", {"0", R"("yes")"}, {}},
      {"bench.batch",
       "[1,8,32,128]",
       "[1024]",
       {"8", R"("8")", "null"},
       {"[]", "[0]", "[1025]", R"(["8"])", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"}},
      {"bench.size",
       "[150,224]",
       "[32,[480,640]]",
       {"150", R"("150")"},
       {"[]", "[31]", "[4097]", "[[150]]", "[[150,31]]", "[[1,2,3]]", R"(["150x150"])"}},
      {"bench.precision",
       R"(["fp32"])",
       R"(["bf16","tf32","fp16"])",
       {R"("fp32")", "32"},
       {"[]", R"(["fp8"])", "[32]"}},
      {"bench.filter", R"("")", R"("relu|pool")", {"5", "[]"}, {}},
      {"bench.cache", R"("cold")", R"("hot")", {"1", "true"}, {R"("warm")"}},
      {"bench.noise", "0.005", "1", {R"("5%")"}, {"0", "1.1", "-1"}},
      {"bench.samples", "20", "1", {R"("20")"}, {"0", "5001", "1.5"}},
      {"bench.seconds", "5.0", "0.001", {R"("5 s")"}, {"0", "3601"}},
      {"bench.isa", R"("best")", R"("avx2")", {"2"}, {R"("AVX2")", R"("sse")"}},
  };
  return table;
}

const Key& key_of(const Row& row) {
  const Key* key = find_key(row.path);
  if (key == nullptr) throw std::runtime_error(row.path + " is not in the schema");
  return *key;
}

TEST(Schema, HasExactlyTheKeysOfThisTable) {
  std::set<std::string> tested;
  std::set<std::string> there;
  for (const Row& row : rows()) tested.insert(row.path);
  for (const Key& key : schema())
    EXPECT_TRUE(there.insert(key.path).second) << key.path << " twice";
  EXPECT_EQ(tested, there);
}

TEST(Schema, DefaultsAreThese) {
  for (const Row& row : rows())
    EXPECT_EQ(program::default_text(key_of(row)), row.fallback) << row.path;
}

TEST(Schema, DefaultsMayBeWrittenOut) {
  for (const Row& row : rows()) {
    if (row.fallback == "required") continue;
    EXPECT_EQ(program::problem_with(key_of(row), Json::parse(row.fallback)), std::nullopt)
        << row.path;
  }
}

TEST(Schema, AGoodValueIsTakenAndReadBack) {
  for (const Row& row : rows()) {
    const Key& key = key_of(row);
    const Json value = Json::parse(row.good);
    ASSERT_EQ(program::problem_with(key, value), std::nullopt) << row.path;
    Config config;
    key.set(config, value, plain_environment());
    EXPECT_EQ(key.get(config), value) << row.path;
  }
}

TEST(Schema, AGoodValueChangesNothingElse) {
  for (const Row& row : rows()) {
    const Key& key = key_of(row);
    Config config;
    key.set(config, Json::parse(row.good), plain_environment());
    for (const Key& other : schema()) {
      if (other.path == key.path) continue;
      EXPECT_EQ(other.get(config), other.get(Config{})) << row.path;
    }
  }
}

TEST(Schema, WrongTypesAreRefusedWithWhatWasExpectedAndFound) {
  for (const Row& row : rows()) {
    EXPECT_FALSE(row.wrong_type.empty()) << row.path;
    for (const std::string& value : row.wrong_type) {
      const auto problem = program::problem_with(key_of(row), Json::parse(value));
      ASSERT_TRUE(problem) << row.path << " = " << value;
      EXPECT_THAT(*problem,
                  HasSubstr("expected " + program::expectation(key_of(row)) + ", found "));
    }
  }
}

TEST(Schema, ValuesOutOfRangeAreRefusedWithTheRange) {
  for (const Row& row : rows())
    for (const std::string& value : row.out_of_range) {
      const auto problem = program::problem_with(key_of(row), Json::parse(value));
      ASSERT_TRUE(problem) << row.path << " = " << value;
      EXPECT_THAT(*problem, HasSubstr(program::expectation(key_of(row)))) << row.path;
    }
}

TEST(Schema, NumbersWhoseValueIsWholeAreIntegers) {
  for (const std::string text : {"16", "16.0", "1.6e1"}) {
    Config config;
    const Key& key = *find_key("train.batch_size");
    ASSERT_EQ(program::problem_with(key, Json::parse(text)), std::nullopt) << text;
    key.set(config, Json::parse(text), plain_environment());
    EXPECT_EQ(config.train.batch_size, 16U) << text;
  }
}

TEST(Schema, AutoStandsForAnIntegerAndIsZeroInAConfig) {
  Config config;
  for (const char* path : {"backbone.batch_size", "pipeline.depth"}) {
    const Key& key = *find_key(path);
    key.set(config, 7, plain_environment());
    EXPECT_EQ(key.get(config), 7) << path;
    key.set(config, "auto", plain_environment());
    EXPECT_EQ(key.get(config), "auto") << path;
  }
  EXPECT_EQ(config.backbone.batch_size, 0U);
  EXPECT_EQ(config.pipeline.depth, 0U);
  EXPECT_EQ(program::problem_with(*find_key("pipeline.depth"), 0), std::nullopt);
  EXPECT_EQ(program::problem_with(*find_key("backbone.batch_size"), "atuo"),
            "expected an integer from 1 to 1024, or \"auto\", found \"atuo\"; did you mean "
            "\"auto\"?");
}

TEST(Schema, ADeviceMayHaveANumber) {
  const Key& key = *find_key("device");
  EXPECT_EQ(program::expectation(key),
            "\"cpu\", \"cuda\", \"cuda:N\" or \"auto\", N from 0 to 255");
  for (const char* device : {"cuda", "cuda:0", "cuda:9", "cuda:255"})
    EXPECT_EQ(program::problem_with(key, device), std::nullopt) << device;
}

TEST(Schema, WordsAreSuggestedForAChoice) {
  const auto problem = program::problem_with(*find_key("data.resize"), "nearst");
  EXPECT_EQ(problem,
            "expected \"nearest\", \"bilinear\", \"bicubic\" or \"lanczos\", found \"nearst\"; did "
            "you mean \"nearest\"?");
}

TEST(Suggestion, FindsASlipInTheLastWord) {
  EXPECT_EQ(program::suggestion_for("data.tran"), "data.train");
  EXPECT_EQ(program::suggestion_for("trian"), "train");
  EXPECT_EQ(program::suggestion_for("train.optimizer.learing_rate"),
            "train.optimizer.learning_rate");
}

TEST(Suggestion, FindsTheRightWordInTheWrongPlace) {
  EXPECT_EQ(program::suggestion_for("epochs"), "train.epochs");
  EXPECT_EQ(program::suggestion_for("train.learning_rate"), "train.optimizer.learning_rate");
  EXPECT_EQ(program::suggestion_for("imag_size"), "data.image_size");
}

TEST(Suggestion, FindsASlipInASection) {
  EXPECT_EQ(program::suggestion_for("trian.epochs"), "train.epochs");
  EXPECT_EQ(program::suggestion_for("dat.gray16"), "data.gray16");
}

TEST(Suggestion, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(program::suggestion_for("colour_of_the_sky"), std::nullopt);
}

TEST(Explain, NamesEveryKeyWithItsRangeAndDefault) {
  const std::string text = program::explain_for_terminal("");
  for (const Key& key : schema()) EXPECT_THAT(text, HasSubstr(key.path + "\n"));
  EXPECT_THAT(text, HasSubstr("train.epochs\n    an integer from 1 to 100000; default 20\n"));
  EXPECT_THAT(text, HasSubstr("data.train\n    a path; required\n"));
}

TEST(Explain, OneKeyOrOneSection) {
  const std::string key = program::explain_for_terminal("head.dropout");
  EXPECT_THAT(key, HasSubstr("head.dropout\n    a number from 0 to below 1; default 0.5\n"));
  EXPECT_THAT(key, ::testing::Not(HasSubstr("head.hidden")));
  const std::string section = program::explain_for_terminal("train.optimizer");
  EXPECT_THAT(section, HasSubstr("train.optimizer.rho\n"));
  EXPECT_THAT(section, ::testing::Not(HasSubstr("train.epochs")));
}

TEST(Explain, AnUnknownKeyIsRefusedWithASuggestion) {
  EXPECT_EQ(refusal([] { program::explain_for_terminal("train.epoch"); }),
            "train.epoch: no such key; did you mean \"train.epochs\"?");
}

TEST(Explain, EveryKeyHasASentence) {
  for (const Key& key : schema()) {
    EXPECT_GE(key.doc.size(), 20U) << key.path;
    EXPECT_EQ(key.doc.back(), '.') << key.path;
  }
}

}  // namespace
}  // namespace graft::test
