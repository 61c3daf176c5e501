#include "engine/config/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/config/config_support.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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
        R"("cuda:256")", R"("cuda:1 ")", R"("cpu:0")", R"("cuda:N")", R"("cuda:Local")",
        R"("cuda:local:0")", R"("cuda:99999999999999999999")"}},
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
      {"data.resize", R"("bilinear")", R"("lanczos")", {"1", "true"}, {R"("spline")"}},
      {"data.preprocess", R"("caffe")", R"("torch")", {"1", "255"}, {R"("none")"}},
      {"data.views",
       R"(["original"])",
       R"(["original","vertical","rotate180"])",
       {R"("original")", "1", "{}", "null"},
       {"[]", R"(["mirror"])", R"(["original","original"])", "[0]", R"([["original"]])"}},
      {"data.on_bad_image", R"("stop")", R"("skip")", {"true"}, {R"("ignore")"}},
      {"data.exif_orientation", "false", "true", {"1", R"("true")", "null"}, {}},
      {"data.gray16", R"("high_byte")", R"("clip")", {"16"}, {R"("low_byte")"}},
      {"data.fast_decode", "false", "true", {"1", R"("true")", "null"}, {}},
      {"backbone.name", R"("vgg16")", R"("vgg16")", {"16"}, {R"("vgg19")"}},
      {"backbone.weights",
       R"("${GRAFT_CACHE}/vgg16_imagenet.safetensors")",
       R"("/w2")",
       {"5", "null"},
       {R"("")"}},
      {"backbone.batch_size",
       R"("auto")",
       "32",
       {R"("32")", "[32]", R"("Auto")", R"("")"},
       {"0", "1025", "-1", "1.5"}},
      {"backbone.precision",
       R"("auto")",
       R"("bf16")",
       {"16", "true", "null"},
       {R"("fp8")", R"("FP16")", R"("automatic")"}},
      {"backbone.algorithm", R"("auto")", R"("direct")", {"1", "true"}, {R"("fft")", R"("")"}},
      {"backbone.autotune", "false", "true", {"1", R"("auto")", "null"}, {}},
      {"pipeline.depth", R"("auto")", "16", {R"("2")", "[2]", "null"}, {"-1", "17", "1.5"}},
      {"pipeline.decode_memory_mib", "2048", "16", {R"("2 GiB")", "null"}, {"15", "1048577"}},
      {"features.layers",
       R"(["block5"])",
       R"(["block1","block4"])",
       {R"("block5")", "5", "null"},
       {"[]", R"(["block6"])", R"(["block5_pool"])", R"(["block5","block5"])", "[5]"}},
      {"features.pooling",
       R"("none")",
       R"("average_max")",
       {"2", "null", R"(["max"])"},
       {R"("avg")", R"("global")", R"("")"}},
      {"features.normalize", R"("rms")", R"("standard")", {"1", "true"}, {R"("l2")", R"("")"}},
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
      {"train.optimizer.schedule",
       R"("linear")",
       R"("constant")",
       {"0", "false"},
       {R"("cosine")", R"("")"}},
      {"train.optimizer.rho", "0.9", "0", {"[0.9]"}, {"-0.1", "1"}},
      {"train.optimizer.epsilon", "1e-07", "1", {"false"}, {"0", "1.1"}},
      {"train.optimizer.epsilon_inside_sqrt", "true", "false", {"0", R"("yes")"}, {}},
      {"train.class_weights",
       R"("none")",
       R"({"defective":2.5,"intact":1.0})",
       {"1", "true", "[1,2]"},
       {R"("auto")", "{}", R"({"a":0})", R"({"a":-1})", R"({"a":"1"})", R"({"a":1000001})",
        R"({"a":{"b":1}})"}},
  };
  return table;
}

// A Config of its own, with its keys.
struct KeyedConfig {
  Config config;
  std::vector<ConfigKey> keys = keys_of(config);

  const ConfigKey& key(const std::string& path) const {
    const ConfigKey* found = find_key(keys, path);
    if (found == nullptr) throw std::runtime_error(path + " is not a key");
    return *found;
  }
  void set(const std::string& path, const Json& value) {
    set_value(key(path), value, plain_environment());
  }
  Json get(const std::string& path) const { return value_of(key(path)); }
};

std::string problem_with(const std::string& path, const Json& value) {
  return refusal([&] { KeyedConfig().set(path, value); });
}

TEST(Keys, AreExactlyThoseOfThisTableWithTheirDefaults) {
  std::set<std::string> tested;
  std::set<std::string> existing;
  for (const Row& row : rows()) {
    tested.insert(row.path);
    EXPECT_EQ(default_text(KeyedConfig().key(row.path)), row.fallback) << row.path;
    if (row.fallback == "required") continue;
    EXPECT_NO_THROW(KeyedConfig().set(row.path, Json::parse(row.fallback))) << row.path;
  }
  for (const ConfigKey& key : default_keys()) {
    EXPECT_TRUE(existing.insert(key.path).second) << key.path << " twice";
    EXPECT_GE(key.text.size(), 20U) << key.path;
    EXPECT_EQ(key.text.back(), '.') << key.path;
  }
  EXPECT_EQ(tested, existing);
}

TEST(Keys, AGoodValueIsReadBackAndChangesNothingElse) {
  for (const Row& row : rows()) {
    KeyedConfig changed;
    ASSERT_NO_THROW(changed.set(row.path, Json::parse(row.good))) << row.path;
    for (const ConfigKey& other : default_keys()) {
      const Json expected = other.path == row.path ? Json::parse(row.good) : value_of(other);
      EXPECT_EQ(changed.get(other.path), expected) << row.path << " set, " << other.path;
    }
  }
}

TEST(Keys, WrongValuesAreRefusedWithWhatWasExpectedAndFound) {
  for (const Row& row : rows()) {
    EXPECT_FALSE(row.wrong_type.empty()) << row.path;
    const std::string expected =
        "expected " + expectation(KeyedConfig().key(row.path)) + ", found ";
    for (const auto* values : {&row.wrong_type, &row.out_of_range})
      for (const std::string& value : *values)
        EXPECT_THAT(problem_with(row.path, Json::parse(value)), StartsWith(expected))
            << row.path << " = " << value;
  }
}

TEST(Keys, NumbersWithoutFractionAreIntegers) {
  for (const std::string text : {"16", "16.0", "1.6e1"}) {
    KeyedConfig changed;
    changed.set("train.batch_size", Json::parse(text));
    EXPECT_EQ(changed.config.train.batch_size, 16U) << text;
  }
}

TEST(Keys, AListOfNamesMayHaveAnyOrderAndIsKeptInThatOfTheTable) {
  KeyedConfig changed;
  changed.set("data.views", Json::parse(R"(["rotate180","original"])"));
  EXPECT_EQ(changed.config.data.views, (std::vector<View>{View::original, View::rotate180}));
  changed.set("features.layers", Json::parse(R"(["block5","block3"])"));
  EXPECT_EQ(changed.config.features.source.layers,
            (std::vector<Layer>{Layer::block3, Layer::block5}));
  EXPECT_EQ(changed.get("features.layers").dump(), R"(["block3","block5"])");
}

TEST(Keys, ClassWeightsAreAWordOrANumberForEachClassThatIsNamed) {
  using Kind = ClassWeights::Kind;
  KeyedConfig changed;
  changed.set("train.class_weights", "balanced");
  EXPECT_EQ(changed.config.train.class_weights.kind, Kind::balanced);
  changed.set("train.class_weights", Json::parse(R"({"none": 2, "a b": 0.5})"));
  EXPECT_EQ(changed.config.train.class_weights.kind, Kind::given);
  EXPECT_EQ(changed.config.train.class_weights.given,
            (std::vector<std::pair<std::string, double>>{{"none", 2.0}, {"a b", 0.5}}));
  changed.set("train.class_weights", "none");
  EXPECT_EQ(changed.config.train.class_weights.kind, Kind::none);
  EXPECT_TRUE(changed.config.train.class_weights.given.empty());
}

TEST(Keys, AutoIsZeroInAConfig) {
  for (const char* path : {"backbone.batch_size", "pipeline.depth"}) {
    KeyedConfig changed;
    changed.set(path, 7);
    EXPECT_EQ(changed.get(path), 7) << path;
    changed.set(path, "auto");
    EXPECT_EQ(changed.get(path), "auto") << path;
    EXPECT_EQ(changed.config.backbone.batch_size * changed.config.pipeline.depth, 0U);
  }
  EXPECT_NO_THROW(KeyedConfig().set("pipeline.depth", 0));
}

TEST(Keys, APrecisionIsOneOfTheBackbonesOrAuto) {
  EXPECT_EQ(Config().backbone.precision, PrecisionChoice::automatic);
  EXPECT_EQ(enum_named<Precision>("auto"), std::nullopt);
  for (const std::string_view name : names_of(Precision{})) {
    KeyedConfig changed;
    changed.set("backbone.precision", name);
    EXPECT_EQ(name_of(changed.config.backbone.precision), name);
  }
  EXPECT_EQ(
      problem_with("backbone.precision", "f16"),
      "expected \"auto\", \"fp32\", \"tf32\", \"fp16\" or \"bf16\", found \"f16\"; did you mean "
      "\"fp16\"?");
}

TEST(Keys, ProblemsSuggestAWord) {
  for (const char* device : {"gpu", "GPU:0", "gpu1", "CUDA", "cuda:x"})
    EXPECT_THAT(problem_with("device", device), HasSubstr("; did you mean \"cuda\"?")) << device;
  for (const char* device : {"cuda:locla", "cuda-local", "gpu:local"})
    EXPECT_THAT(problem_with("device", device), HasSubstr("; did you mean \"cuda:local\"?"));
  EXPECT_EQ(problem_with("backbone.batch_size", "atuo"),
            "expected an integer from 1 to 1024, or \"auto\", found \"atuo\"; did you mean "
            "\"auto\"?");
  EXPECT_EQ(problem_with("data.resize", "nearst"),
            "expected \"nearest\", \"bilinear\", \"bicubic\" or \"lanczos\", found \"nearst\"; did "
            "you mean \"nearest\"?");
  EXPECT_EQ(
      problem_with("features.pooling", "avarage"),
      "expected \"none\", \"average\", \"max\" or \"average_max\", found \"avarage\"; did you "
      "mean \"average\"?");
  EXPECT_EQ(problem_with("features.layers", Json::parse(R"(["block6"])")),
            "expected a list of one or more different ones of \"block1\", \"block2\", \"block3\", "
            "\"block4\" or \"block5\", found [\"block6\"]");
}

TEST(Keys, ADeviceMayHaveANumber) {
  EXPECT_EQ(expectation(KeyedConfig().key("device")),
            "\"cpu\", \"cuda\", \"cuda:N\", \"cuda:local\" or \"auto\", N from 0 to 255");
  for (const char* device : {"cuda", "cuda:0", "cuda:9", "cuda:255", "cuda:local"})
    EXPECT_NO_THROW(KeyedConfig().set("device", device)) << device;
}

TEST(Suggestion, FindsTheKeyThatWasMeant) {
  for (const auto& [unknown, meant] : std::vector<std::pair<std::string, std::string>>{
           {"data.tran", "data.train"},
           {"trian", "train"},
           {"train.optimizer.learing_rate", "train.optimizer.learning_rate"},
           {"epochs", "train.epochs"},  // in the wrong section
           {"train.learning_rate", "train.optimizer.learning_rate"},
           {"imag_size", "data.image_size"},
           {"trian.epochs", "train.epochs"},
           {"dat.gray16", "data.gray16"}})
    EXPECT_EQ(suggestion_for(unknown), meant) << unknown;
  EXPECT_EQ(suggestion_for("colour_of_the_sky"), std::nullopt);
}

TEST(Explain, NamesEveryKeyWithItsRangeAndDefault) {
  const std::string text = explain_for_terminal("");
  for (const ConfigKey& key : default_keys()) EXPECT_THAT(text, HasSubstr(key.path + "\n"));
  EXPECT_THAT(text, HasSubstr("train.epochs\n    an integer from 1 to 100000; default 20\n"));
  EXPECT_THAT(text, HasSubstr("data.train\n    a path; required\n"));
}

TEST(Explain, OneKeyOrOneSection) {
  const std::string key = explain_for_terminal("head.dropout");
  EXPECT_THAT(key, HasSubstr("head.dropout\n    a number from 0 to below 1; default 0.5\n"));
  EXPECT_THAT(key, ::testing::Not(HasSubstr("head.hidden")));
  const std::string section = explain_for_terminal("train.optimizer");
  EXPECT_THAT(section, HasSubstr("train.optimizer.rho\n"));
  EXPECT_THAT(section, ::testing::Not(HasSubstr("train.epochs\n")));
}

TEST(Explain, AnUnknownKeyIsRefusedWithASuggestion) {
  EXPECT_EQ(refusal([] { explain_for_terminal("train.epoch"); }),
            "train.epoch: no such key; did you mean \"train.epochs\"?");
}

}  // namespace
}  // namespace graft::test
