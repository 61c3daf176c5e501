// What lies in configs/ is right, and its page says what the program does.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <vector>

#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/config/keys.h"
#include "tests/config/config_support.h"

namespace graft::test {
namespace {

const std::filesystem::path configs = GRAFT_CONFIGS_DIR;
const std::filesystem::path schema_file = configs / "graft.schema.json";

TEST(ShippedConfigs, EachOneChecksOut) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(configs)) {
    if (entry.path().extension() != ".json" || entry.path() == schema_file) continue;
    ++count;
    EXPECT_NO_THROW(load_config(entry.path(), {}, plain_environment())) << entry.path();
  }
  EXPECT_EQ(count, 3U);
}

TEST(ShippedConfigs, TheQuickstartIsWhatTheReadmeMeasures) {
  const Config config = load_config(configs / "solar_cells.json", {}, plain_environment());
  EXPECT_EQ(config.data.train, "/home/ada/.cache/graft/solar_cells/solar_cells.csv");
  EXPECT_EQ(config.data.validation, "");
  EXPECT_EQ(config.backbone.weights, "/home/ada/.cache/graft/vgg16_imagenet.safetensors");
  EXPECT_EQ(config.output, "/work folder/runs/solar_cells");
  EXPECT_EQ(config.data.image_size, (ImageSize{224, 224}));
  EXPECT_EQ(config.data.views, (std::vector{View::original, View::rotate180}));
  EXPECT_EQ(config.features.source.layers,
            (std::vector{Layer::block3, Layer::block4, Layer::block5}));
  EXPECT_EQ(config.features.source.pooling, Pooling::average_max);
  EXPECT_EQ(config.features.normalize, Normalize::standard);
}

TEST(ShippedConfigs, TheBlogsRecipeIsStatedInFull) {
  const Config config = load_config(configs / "keras_blog.json", {}, plain_environment());
  EXPECT_EQ(config.data.image_size, (ImageSize{150, 150}));
  EXPECT_EQ(config.data.resize, Resize::nearest);
  EXPECT_EQ(config.data.preprocess, Preprocess::rescale);
  EXPECT_EQ(config.data.views, std::vector{View::original});
  EXPECT_EQ(config.backbone.precision, PrecisionChoice::fp32);
  EXPECT_EQ(config.features.source, FeatureSource{});
  EXPECT_EQ(config.features.normalize, Normalize::none);
  EXPECT_EQ(config.head.hidden, std::vector<std::size_t>{256});
  EXPECT_EQ(config.head.dropout, 0.5);
  EXPECT_EQ(config.train.epochs, 20U);
  EXPECT_EQ(config.train.batch_size, 16U);
  EXPECT_EQ(config.train.optimizer.learning_rate, 1e-3);
  EXPECT_EQ(config.train.optimizer.schedule, Schedule::constant);
  EXPECT_EQ(config.train.class_weights.kind, ClassWeights::Kind::none);
}

TEST(ShippedConfigs, TheirPageIsWhatTheTableSays) {
  const std::string page = read_text_file(configs / "README.md", std::uint64_t{1} << 20);
  EXPECT_TRUE(page == explain_as_markdown())
      << "configs/README.md is not what the program says; run:  graft config explain --markdown > "
         "configs/README.md";
}

TEST(ShippedConfigs, TheirSchemaIsWhatTheTableSays) {
  const std::string text = read_text_file(schema_file, std::uint64_t{1} << 20);
  EXPECT_TRUE(text == config_schema())
      << "configs/graft.schema.json is not what the program says; run:  graft config schema > "
         "configs/graft.schema.json";
  const Json schema = Json::parse(text);
  std::size_t count = 0;
  for (const ConfigKey& key : default_keys()) {
    const Json::json_pointer place("/properties/" + replace_all(key.path, ".", "/properties/"));
    ASSERT_TRUE(schema.contains(place)) << key.path;
    EXPECT_EQ(schema[place].at("description"), key.text);
    EXPECT_EQ(schema[place].contains("default"), !key.rule.required) << key.path;
  }
  const std::function<void(const Json&)> count_keys = [&](const Json& section) {
    EXPECT_EQ(section.at("additionalProperties"), false);
    for (const auto& [name, inner] : section.at("properties").items())
      inner.contains("properties") ? count_keys(inner) : void(++count);
  };
  count_keys(schema);
  EXPECT_EQ(count, default_keys().size() + 1) << "and $schema";
}

}  // namespace
}  // namespace graft::test
