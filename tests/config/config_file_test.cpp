#include "engine/config/config_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/base/file.h"
#include "tests/config/config_support.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ConfigFile, EveryKeySetsItsMember) {
  const Config config = parse(R"({
    "device": "cuda:1", "seed": 7, "output": "runs/solar", "threads": 2, "cache": "~/plans",
    "data": { "train": "/d/train", "validation": "/d/validation", "validation_split": 0.0,
              "image_size": [100, 200], "resize": "bicubic", "preprocess": "torch",
              "views": ["horizontal", "original"],
              "on_bad_image": "skip", "exif_orientation": true, "gray16": "clip",
              "fast_decode": true },
    "backbone": { "name": "vgg16", "weights": "/w.h5", "batch_size": 8, "precision": "tf32",
                  "algorithm": "winograd", "autotune": true },
    "pipeline": { "depth": 3 },
    "features": { "layers": ["block4", "block5"], "pooling": "max", "normalize": "standard",
                  "memory_budget_mib": 64 },
    "head": { "hidden": [64, 32], "dropout": 0.25 },
    "train": { "epochs": 3, "batch_size": 4, "class_weights": "balanced",
               "optimizer": { "type": "rmsprop", "learning_rate": 2e-3, "schedule": "constant",
                              "rho": 0.8, "epsilon": 1e-8, "epsilon_inside_sqrt": false } } })");
  EXPECT_EQ(config.device, "cuda:1");
  EXPECT_EQ(config.cache, "/home/ada/plans");
  EXPECT_EQ(config.pipeline.depth, 3U);
  EXPECT_TRUE(config.data.fast_decode);
  EXPECT_EQ(config.backbone.precision, PrecisionChoice::tf32);
  EXPECT_EQ(config.backbone.algorithm, ConvolutionAlgorithm::winograd);
  EXPECT_TRUE(config.backbone.autotune);
  EXPECT_EQ(config.seed, 7U);
  EXPECT_EQ(config.output, "/work folder/runs/solar");
  EXPECT_EQ(config.threads, 2U);
  EXPECT_EQ(config.data.train, "/d/train");
  EXPECT_EQ(config.data.validation, "/d/validation");
  EXPECT_EQ(config.data.image_size, (ImageSize{100, 200}));
  EXPECT_EQ(config.data.resize, Resize::bicubic);
  EXPECT_EQ(config.data.preprocess, Preprocess::torch);
  EXPECT_EQ(config.data.views, (std::vector<View>{View::original, View::horizontal}));
  EXPECT_EQ(config.data.on_bad_image, OnBadImage::skip);
  EXPECT_TRUE(config.data.exif_orientation);
  EXPECT_EQ(config.data.gray16, Gray16::clip);
  EXPECT_EQ(config.backbone.weights, "/w.h5");
  EXPECT_EQ(config.backbone.batch_size, 8U);
  EXPECT_EQ(config.features.source, (FeatureSource{{Layer::block4, Layer::block5}, Pooling::max}));
  EXPECT_EQ(config.features.normalize, Normalize::standard);
  EXPECT_EQ(config.features.memory_budget_mib, 64U);
  EXPECT_EQ(config.head.hidden, (std::vector<std::size_t>{64, 32}));
  EXPECT_EQ(config.head.dropout, 0.25);
  EXPECT_EQ(config.train.epochs, 3U);
  EXPECT_EQ(config.train.batch_size, 4U);
  EXPECT_EQ(config.train.class_weights.kind, ClassWeights::Kind::balanced);
  EXPECT_EQ(config.train.optimizer.learning_rate, 2e-3);
  EXPECT_EQ(config.train.optimizer.schedule, Schedule::constant);
  EXPECT_EQ(config.train.optimizer.rho, 0.8);
  EXPECT_EQ(config.train.optimizer.epsilon, 1e-8);
  EXPECT_FALSE(config.train.optimizer.epsilon_inside_sqrt);
}

TEST(ConfigFile, WhatIsNotSaidHasItsDefault) {
  const Config config = parse(minimal_config());
  EXPECT_EQ(config.output, "/work folder/runs/graft");
  EXPECT_EQ(config.head.hidden, (std::vector<std::size_t>{256}));
  EXPECT_EQ(config.train.epochs, 20U);
  EXPECT_EQ(config.cache, "/home/ada/.cache/graft");
}

TEST(ConfigFile, TheCacheIsWhereTheEnvironmentSaysOrNowhere) {
  const auto cache_in = [](std::map<std::string, std::string> variables, const char* more = "") {
    return parse_config(minimal_config(more), "c.json", {}, environment_of(std::move(variables)))
        .cache;
  };
  EXPECT_EQ(cache_in({{"GRAFT_CACHE", "/scratch/g"}, {"HOME", "/home/ada"}}), "/scratch/g");
  EXPECT_EQ(cache_in({{"XDG_CACHE_HOME", "/x"}}), "/x/graft");
  EXPECT_EQ(cache_in({}), "") << "no home folder is no error: the cache is a convenience";
  EXPECT_EQ(cache_in({{"HOME", "/home/ada"}}, R"(, "cache": "")"), "");
}

TEST(ConfigFile, TheTrainingImagesAreAllThatIsRequired) {
  EXPECT_THAT(refusal_of("{}"), StartsWith("c.json: data.train: this key is required: "));
  const Config config = parse(R"({"data": {"train": "photos"}})");
  EXPECT_EQ(config.data.train, "/work folder/photos");
  EXPECT_EQ(config.data.validation_split, 0.2);
  EXPECT_EQ(config.backbone.weights, "/home/ada/.cache/graft/vgg16_imagenet.safetensors");
}

TEST(ConfigFile, WithoutAHomeFolderTheWeightsAreAskedFor) {
  const auto parse_in = [](std::map<std::string, std::string> variables, const char* weights) {
    const std::string text = fmt::format(R"({{"data": {{"train": "/t"}}{}}})", weights);
    return parse_config(text, "c.json", {}, environment_of(std::move(variables)));
  };
  EXPECT_THAT(refusal([&] { parse_in({}, ""); }), StartsWith("c.json: backbone.weights: "));
  EXPECT_EQ(parse_in({}, R"(, "backbone": {"weights": "/w"})").backbone.weights, "/w");
  EXPECT_EQ(parse_in({{"GRAFT_CACHE", "/g"}}, "").backbone.weights,
            "/g/vgg16_imagenet.safetensors");
}

TEST(ConfigFile, ValidationIsASetOrASplitAndNotBoth) {
  const Config config = parse(R"({"data": {"train": "/t", "validation_split": 0.25}})");
  EXPECT_TRUE(config.data.validation.empty());
  EXPECT_EQ(config.data.validation_split, 0.25);
  EXPECT_EQ(parse(minimal_config()).data.validation_split, 0.0);
  EXPECT_THAT(refusal_of(minimal_config(), {"data.validation_split=0.25"}), HasSubstr("not both"));
  EXPECT_EQ(parse(minimal_config(), {"data.validation_split=0.25", "data.validation="})
                .data.validation_split,
            0.25);
  EXPECT_EQ(parse(minimal_config(), {"data.validation="}).data.validation_split, 0.2);
}

TEST(ConfigFile, AListOfImagesDecidesItsSplitItself) {
  for (const char* list : {"/t.csv", "photos/LIST.CSV"})
    EXPECT_EQ(parse("{}", {std::string("data.train=") + list}).data.validation_split, 0.0);
  EXPECT_EQ(parse("{}", {"data.train=/csv"}).data.validation_split, 0.2);
  EXPECT_EQ(parse("{}", {"data.train=/t.csv/photos"}).data.validation_split, 0.2);
}

TEST(ConfigFile, SeveralLayersNeedPooling) {
  const std::string two = R"(, "features": {"layers": ["block4", "block5"]})";
  EXPECT_THAT(refusal_of(minimal_config(two)),
              StartsWith("c.json: features.layers: more than one layer needs a features.pooling"));
  EXPECT_EQ(parse(minimal_config(two), {"features.pooling=average"}).features.source.layers.size(),
            2U);
  EXPECT_EQ(refusal_of(minimal_config(R"(, "features": {"layers": ["block6"]})")),
            "c.json:1: features.layers: expected a list of one or more different ones of "
            "\"block1\", \"block2\", \"block3\", \"block4\" or \"block5\", found [\"block6\"]");
  EXPECT_THAT(refusal_of(minimal_config(R"(, "features": {"pooling": "globl"})")),
              HasSubstr("features.pooling: expected \"none\", \"average\", \"max\""));
}

TEST(ConfigFile, UnknownKeysAreRefusedWithTheirLineAndASuggestion) {
  EXPECT_EQ(refusal_of("{\"data\": {\n\"tran\": \"/t\"}}"),
            "c.json:2: data.tran: no such key; did you mean \"data.train\"?");
  EXPECT_EQ(refusal_of(R"({"epochs": 3})"),
            "c.json:1: epochs: no such key; did you mean \"train.epochs\"?");
  EXPECT_EQ(refusal_of(R"({"colour_of_the_sky": 3})"),
            "c.json:1: colour_of_the_sky: no such key; `graft config explain` lists them");
  EXPECT_THAT(refusal_of("{\"a\\u001b[31m\": 1}"), HasSubstr(R"(a\x1b[31m: no such key)"));
}

TEST(ConfigFile, ADottedKeyIsTaughtToNest) {
  EXPECT_THAT(refusal_of(R"({"data.train": "/t"})"), HasSubstr("keys nest in a config file"));
}

TEST(ConfigFile, WrongValuesAreRefusedWithTheirLine) {
  EXPECT_EQ(refusal_of("{\n\"train\": {\n\"epochs\": \"many\"}}"),
            "c.json:3: train.epochs: expected an integer from 1 to 100000, found \"many\"");
  EXPECT_EQ(refusal_of(R"({"train": 5})"), "c.json:1: train: expected an object {…}, found 5");
  EXPECT_EQ(refusal_of("[1]"), "c.json: the config: expected an object {…}, found [1]");
  EXPECT_THAT(refusal_of(R"({"train": {"epochs": {"a": 1}}})"), HasSubstr("found an object"));
}

TEST(ConfigFile, TheSchemaOfAnEditorIsIgnoredAtTheTop) {
  const std::string text = R"({"$schema": "graft.schema.json", "data": {"train": "/t"}})";
  EXPECT_EQ(parse(text).data.train, "/t");
  EXPECT_THAT(effective_config(parse(text)), ::testing::Not(HasSubstr("$schema")));
  EXPECT_THAT(refusal_of(R"({"$schema": 5, "data": {"train": "/t"}})"),
              HasSubstr("$schema: expected a text, found 5"));
  EXPECT_THAT(refusal_of(R"({"data": {"$schema": "x", "train": "/t"}})"),
              HasSubstr("data.$schema: no such key"));
  EXPECT_THAT(refusal_of(minimal_config(), {"$schema=x"}), HasSubstr("$schema: no such key"));
}

TEST(ConfigFile, DuplicateKeysAreRefused) {
  EXPECT_THAT(refusal_of(R"({"seed": 1, "seed": 2})"), HasSubstr("seed: duplicate key"));
}

TEST(ConfigFile, AVariableThatIsNotSetIsNamedWithItsKey) {
  EXPECT_THAT(refusal_of("{\"data\": {\n\"train\": \"${PHOTOS}/t\"}}"),
              StartsWith("c.json:2: data.train: the environment variable PHOTOS is not set"));
}

TEST(Set, OverridesAKey) {
  const Config config = parse(minimal_config(R"(, "train": {"epochs": 9, "batch_size": 3})"),
                              {"train.epochs=5", "head.hidden=[8, 4]", "device=cpu",
                               "data.exif_orientation=true", "output=out", "head.dropout=0"});
  EXPECT_EQ(config.train.epochs, 5U);
  EXPECT_EQ(config.train.batch_size, 3U);
  EXPECT_EQ(config.head.hidden, (std::vector<std::size_t>{8, 4}));
  EXPECT_EQ(config.device, "cpu");
  EXPECT_TRUE(config.data.exif_orientation);
  EXPECT_EQ(config.output, "/work folder/out");
  EXPECT_EQ(config.head.dropout, 0.0);
}

TEST(Set, AutoIsAWordAndANumberIsANumber) {
  EXPECT_EQ(parse(minimal_config(), {"backbone.batch_size=auto"}).backbone.batch_size, 0U);
  EXPECT_EQ(parse(minimal_config(), {"backbone.batch_size=64"}).backbone.batch_size, 64U);
  EXPECT_EQ(parse(minimal_config(), {"device=cuda:1"}).device, "cuda:1");
  EXPECT_EQ(parse(minimal_config(), {"device=cuda:local"}).device, "cuda:local");
}

TEST(Set, TheLastOneCountsAndMayGiveWhatTheFileLacks) {
  EXPECT_EQ(parse(minimal_config(), {"train.epochs=5", "train.epochs=6"}).train.epochs, 6U);
  EXPECT_EQ(parse("{}", {"data.train=/t", "data.validation=/v", "backbone.weights=~/w.h5"})
                .backbone.weights,
            "/home/ada/w.h5");
}

TEST(Set, MaySetASection) {
  EXPECT_EQ(parse(minimal_config(), {R"(train={"epochs": 2})"}).train.epochs, 2U);
  EXPECT_THAT(refusal_of(minimal_config(), {R"(train={"epochs": 2, "epochs": 3})"}),
              HasSubstr("duplicate key"));
  EXPECT_THAT(refusal_of(minimal_config(), {"train=5"}),
              HasSubstr("train: this is a section; set one of its keys: train.epochs, "));
}

TEST(Set, APathIsTextWhateverItLooksLike) {
  EXPECT_EQ(parse(minimal_config(), {"output=2024"}).output, "/work folder/2024");
  EXPECT_EQ(parse(minimal_config(), {"output=\"quoted\""}).output, "/work folder/quoted");
  EXPECT_EQ(parse(minimal_config(), {"output=a=b"}).output, "/work folder/a=b");
  EXPECT_EQ(parse(minimal_config(), {"output=true"}).output, "/work folder/true");
}

TEST(Set, MistakesNameTheOption) {
  EXPECT_EQ(refusal_of(minimal_config(), {"train.epochs=0"}),
            "--set train.epochs=0: train.epochs: expected an integer from 1 to 100000, found 0");
  EXPECT_EQ(refusal_of(minimal_config(), {"trian.epochs=1"}),
            "--set trian.epochs=1: trian.epochs: no such key; did you mean \"train.epochs\"?");
  EXPECT_THAT(refusal_of(minimal_config(), {"train.epochs"}), HasSubstr("write it as key=value"));
  EXPECT_THAT(refusal_of(minimal_config(), {"=1"}), HasSubstr("a key is needed"));
  EXPECT_THAT(refusal_of(minimal_config(), {"data.resize=bilinaer"}),
              HasSubstr("did you mean \"bilinear\"?"));
  for (const char* text : {"train.optimizer=adam", "train.optimizer=\"adam\"", "train.optimizer="})
    EXPECT_THAT(refusal_of(minimal_config(), {text}),
                HasSubstr("this is a section; set one of its keys: train.optimizer.type, "
                          "train.optimizer.learning_rate, "))
        << text;
  EXPECT_EQ(parse(minimal_config(), {R"(train.optimizer={"rho": 0.5})"}).train.optimizer.rho, 0.5);
  EXPECT_THAT(refusal_of(minimal_config(), {"train.optimizer={rho"}), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of(minimal_config(), {"seed=" + std::string(100000, '[')}),
              HasSubstr("seed: expected an integer"));
}

TEST(EffectiveConfig, ReadsBackAsTheSameConfig) {
  const std::vector<std::string> configs = {
      minimal_config(),
      minimal_config(R"(, "device": "cuda:3", "cache": "", "pipeline": {"depth": 2})"),
      R"({"data": {"train": "/t", "validation": "/v"}, "backbone": {"weights": "/w",
          "batch_size": "auto", "precision": "fp16", "algorithm": "direct", "autotune": true}})",
      minimal_config(R"(, "seed": 9007199254740992, "train": {"optimizer": {"learning_rate": 0.1,
                     "epsilon": 1e-300, "rho": 0.30000000000000004}}, "head": {"hidden": []})"),
      R"({"data": {"train": "caf\u00e9 $${x}/t", "validation_split": 0.1}, "backbone": {"weights": "~/w"}})",
      R"({"data": {"train": "photos"}})",
      R"({"data": {"train": "list.csv", "views": ["vertical", "original", "rotate180"]},
          "features": {"layers": ["block5", "block1"], "pooling": "average", "normalize": "none"},
          "train": {"class_weights": {"a": 0.1, "\u00e9 \"b\"": 3}, "optimizer": {"schedule": "constant"}}})",
  };
  for (const std::string& text : configs) {
    const std::string once = effective_config(parse(text));
    EXPECT_EQ(effective_config(parse(once)), once) << once;
  }
}

TEST(Set, NeedsNoConfigFile) {
  const std::vector<Setting> settings = {parse_setting("threads=3")};
  const Config config = load_settings({}, settings, plain_environment());
  EXPECT_EQ(config.threads, 3U);
  EXPECT_TRUE(config.data.train.empty());
}

TEST(EffectiveConfig, MeansTheSameFromAnotherFolder) {
  const std::string text = effective_config(parse(minimal_config(R"(, "output": "runs/a")")));
  Environment elsewhere = environment_of({});
  elsewhere.working_folder = "/elsewhere";
  EXPECT_EQ(parse_config(text, "c.json", {}, elsewhere).output, "/work folder/runs/a");
}

TEST(EffectiveConfig, HasEveryKeyInTheOrderOfTheTable) {
  EXPECT_EQ(effective_config(parse(minimal_config())), R"({
  "device": "auto",
  "seed": 1,
  "output": "/work folder/runs/graft",
  "threads": 0,
  "cache": "/home/ada/.cache/graft",
  "data": {
    "train": "/t",
    "validation": "/v",
    "validation_split": 0.0,
    "image_size": [
      150,
      150
    ],
    "resize": "bilinear",
    "preprocess": "caffe",
    "views": [
      "original"
    ],
    "on_bad_image": "stop",
    "exif_orientation": false,
    "gray16": "high_byte",
    "fast_decode": false
  },
  "backbone": {
    "name": "vgg16",
    "weights": "/w",
    "batch_size": "auto",
    "precision": "auto",
    "algorithm": "auto",
    "autotune": false
  },
  "pipeline": {
    "depth": "auto",
    "decode_memory_mib": 2048
  },
  "features": {
    "layers": [
      "block5"
    ],
    "pooling": "none",
    "normalize": "rms",
    "memory_budget_mib": 2048
  },
  "head": {
    "hidden": [
      256
    ],
    "dropout": 0.5
  },
  "train": {
    "epochs": 20,
    "batch_size": 16,
    "optimizer": {
      "type": "rmsprop",
      "learning_rate": 0.001,
      "schedule": "linear",
      "rho": 0.9,
      "epsilon": 1e-07,
      "epsilon_inside_sqrt": true
    },
    "class_weights": "none"
  }
}
)");
}

TEST(EffectiveConfig, RefusesAPathThatJsonCannotHold) {
  Config config = parse(minimal_config());
  config.output = "/\xFF";
  EXPECT_THAT(refusal([&] { effective_config(config); }), HasSubstr("not valid UTF-8"));
}

TEST(LoadConfig, ReadsAFile) {
  const TemporaryFolder folder;
  write_file_whole(folder / "c.json", "// a comment\n" + minimal_config(R"(, "seed": 3)"));
  EXPECT_EQ(load_config(folder / "c.json", {}, plain_environment()).seed, 3U);
}

TEST(LoadConfig, RefusesAnAbsentFileALargeOneUnreadAndAFolderWithoutAConfig) {
  const TemporaryFolder folder;
  const auto refusal_of_file = [](const std::filesystem::path& file) {
    return refusal([&] { load_config(file, {}, plain_environment()); });
  };
  EXPECT_THAT(refusal_of_file(folder / "none.json"), HasSubstr("none.json"));
  File(folder / "large.json", File::Mode::create_or_truncate).truncate(std::uint64_t{1} << 40);
  EXPECT_THAT(refusal_of_file(folder / "large.json"), HasSubstr("large.json"));
  EXPECT_THAT(refusal_of_file(folder.path()), HasSubstr("has no config.json"));
}

TEST(LoadConfig, TextThatIsNotUtf8IsNamed) {
  const TemporaryFolder folder;
  for (const std::string_view text :
       {std::string_view("\xFF\xFE{\0}\0", 6), std::string_view("\xFE\xFF\0{\0}", 6),
        std::string_view("{\0}\0", 4), std::string_view("\0\0\0{", 4)}) {
    write_file_whole(folder / "c.json", text);
    EXPECT_THAT(refusal([&] { load_config(folder / "c.json", {}, plain_environment()); }),
                HasSubstr("c.json is UTF-16 or UTF-32 text; save it as UTF-8"));
  }
  write_file_whole(folder / "c.json", "\xEF\xBB\xBF" + minimal_config());
  EXPECT_NO_THROW(load_config(folder / "c.json", {}, plain_environment())) << "a byte order mark";
}

// A folder with these sub-folders.
class LoadPhotoFolder : public ::testing::Test {
 protected:
  std::filesystem::path photos(const std::vector<std::string>& sub_folders) {
    std::filesystem::path path = folder_ / "my photos";
    for (const std::string& name : sub_folders) std::filesystem::create_directories(path / name);
    return path;
  }
  static Config load(const std::filesystem::path& path, const std::vector<std::string>& sets = {}) {
    std::vector<Setting> settings;
    settings.reserve(sets.size());
    for (const std::string& set : sets) settings.push_back(parse_setting(set));
    return load_config(path, settings, plain_environment());
  }

  TemporaryFolder folder_;
};

TEST_F(LoadPhotoFolder, ASubFolderIsAClass) {
  const auto path = photos({"cats", "dogs", ".hidden"});
  write_file_whole(path / "note.txt", "no folder");
  const Config config = load(path);
  EXPECT_EQ(config.data.train, path);
  EXPECT_EQ(config.data.validation, "");
  EXPECT_EQ(config.data.validation_split, 0.2);
  EXPECT_EQ(config.output, "/work folder/runs/my photos");
}

TEST_F(LoadPhotoFolder, TrainAndValidationAloneAreTheTwoSets) {
  const auto path = photos({"train/cats", "validation/cats", ".hidden"});
  const Config config = load(path);
  EXPECT_EQ(config.data.train, path / "train");
  EXPECT_EQ(config.data.validation, path / "validation");
  EXPECT_EQ(config.data.validation_split, 0.0);
  EXPECT_EQ(config.output, "/work folder/runs/my photos");
  EXPECT_EQ(load(photos({"trains"})).data.train, path) << "a third class";
}

TEST_F(LoadPhotoFolder, AnyOtherFolderHoldsClasses) {
  for (const std::vector<std::string>& names : std::vector<std::vector<std::string>>{
           {"train"}, {"train", "val"}, {"test", "train", "validation"}}) {
    const auto path = photos(names);
    EXPECT_EQ(load(path).data.train, path);
    EXPECT_EQ(load(path).data.validation, "");
    std::filesystem::remove_all(path);
  }
}

TEST_F(LoadPhotoFolder, AFolderThatCannotBeReadIsRefused) {
  const auto path = photos({"a", "b"});
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(path, std::filesystem::perms::none);
  {
    const WithoutPrivileges user;
    if (!user.bound()) GTEST_SKIP() << "permissions do not bind this user";
    EXPECT_THAT(refusal([&] { load(path); }),
                HasSubstr("my photos: this folder cannot be read: Permission denied"));
  }
  std::filesystem::permissions(path, std::filesystem::perms::all);
}

TEST_F(LoadPhotoFolder, SettingsAreApplied) {
  const Config config = load(photos({"a", "b"}), {"output=/o", "data.validation_split=0.5"});
  EXPECT_EQ(config.output, "/o");
  EXPECT_EQ(config.data.validation_split, 0.5);
}

TEST_F(LoadPhotoFolder, TheRunIsNamedAsTheFolderHoweverThePathIsWritten) {
  const auto path = photos({"a", "b"});
  std::filesystem::create_directory_symlink(path, folder_ / "link");
  for (const auto& same :
       {folder_ / "link", path / "", path / ".", path / "a" / "..", path / "a" / ".." / "."}) {
    EXPECT_EQ(load(same).output, "/work folder/runs/my photos") << same;
    EXPECT_EQ(load(same).data.train, path) << same;
  }
}

TEST_F(LoadPhotoFolder, ResultsAmongTheImagesAreRefused) {
  const auto path = photos({"a", "b"});
  std::filesystem::create_directory_symlink(path, folder_ / "link");
  for (const bool is_validation : {false, true}) {
    Config config;
    (is_validation ? config.data.validation : config.data.train) = folder_ / "link";
    for (const auto& output : {path, path / "runs", path / "a" / ".hidden",
                               folder_ / "link" / "runs", folder_ / "none" / ".." / "link" / "a"}) {
      config.output = output;
      EXPECT_THAT(refusal([&] { refuse_output_among_images(config); }),
                  HasSubstr("this is in the folder of images"))
          << output;
    }
    for (const auto& output : {path.string() + " and results", path.string() + "/../runs"}) {
      config.output = output;
      EXPECT_NO_THROW(refuse_output_among_images(config)) << output;
    }
  }
}

TEST_F(LoadPhotoFolder, ResultsNextToAListAreFine) {
  write_file_whole(folder_ / "list.csv", "path,label\n");
  Config config;
  config.data.train = folder_ / "list.csv";
  config.output = folder_.path();
  EXPECT_NO_THROW(refuse_output_among_images(config));
}

TEST_F(LoadPhotoFolder, AListIsNoConfig) {
  write_file_whole(folder_ / "list.csv", "path,label\n");
  try {
    load(folder_ / "list.csv");
    FAIL() << "it was taken for a config";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("this is a list of images and no config"));
  }
}

TEST_F(LoadPhotoFolder, SystemFoldersAreNoSets) {
  const auto path = photos({"train/cats", "validation/cats", "@eaDir", "__MACOSX", ".git"});
  EXPECT_EQ(load(path).data.validation, path / "validation");
}

TEST_F(LoadPhotoFolder, AFolderWithoutSubFoldersIsNeither) {
  EXPECT_THAT(
      refusal([&] { load(photos({".hidden"})); }),
      HasSubstr("my photos: this folder is neither a run (it has no config.json) nor photos "
                "(it has no sub-folders)"));
}

TEST_F(LoadPhotoFolder, MistakesInAKeyNameTheFolder) {
  const auto path = photos({"a", "b"});
  EXPECT_THAT(refusal([&] { load(path, {R"(features.layers=["block4","block5"])"}); }),
              StartsWith(path.string() + ": features.layers: more than one layer"));
}

TEST(LoadConfig, AnOutputFolderMeansItsConfigWhereverItIsNow) {
  const TemporaryFolder folder;
  const Config original = parse(minimal_config(R"(, "seed": 4)"));
  write_file_whole(folder / "config.json", effective_config(original));
  const Config config = load_config(folder.path(), {}, plain_environment());
  EXPECT_EQ(config.seed, 4U);
  EXPECT_EQ(config.output, folder.path());
  EXPECT_EQ(config.data.train, original.data.train);
}

}  // namespace
}  // namespace graft::test
