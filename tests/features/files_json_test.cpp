// NAME.files.json: what is written is read back, and nothing else is believed.

#include "engine/features/set_files.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "engine/base/error.h"
#include "engine/config/keys.h"
#include "engine/features/key.h"
#include "tests/features/file_lists.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::error_of;
using test::file_list_json;
using ::testing::HasSubstr;

FileList example() {
  FileList list;
  list.key = feature_key(DataConfig{}, digest_of("weights"), "numerics \"1\"", {4, 4, 512});
  list.settings = {{"data.train", "\"/photos\""}, {"data.views", "[\"original\"]"}};
  list.shape = {4, 4, 512};
  list.classes = {"cats", "the \"other\" \xE7\x8C\xAB"};
  list.rows = {{"cats/1.png", 0, digest_of("1"), digest_of("r1")},
               {"cats/back\\slash and\nline.png", 1, digest_of("2"), digest_of("r2")}};
  list.skipped = {{"cats/0.png", "no image", {}}, {"cats/3.png", "cut off", digest_of("3")}};
  return list;
}

// The text before the member "digest", and the file that ends in the digest of such a text.
std::string without_digest(const std::string& json) {
  return json.substr(0, json.rfind(",\n\"digest\""));
}
std::string with_digest(const std::string& text) {
  return text + ",\n\"digest\": \"" + digest_of(text).hex() + "\"\n}\n";
}

TEST(FilesJson, ReadsBackWhatWasWritten) {
  EXPECT_EQ(parse_file_list(file_list_json(example()), "files.json"), example());
  FileList bare = example();
  bare.rows.clear();
  bare.skipped.clear();
  EXPECT_EQ(parse_file_list(file_list_json(bare), "files.json"), bare);
  FileList pooled = example();
  pooled.shape = {1, 1, 1024, true};
  pooled.views = {View::original, View::vertical};
  pooled.rows.insert(pooled.rows.begin() + 1, pooled.rows[0]);
  pooled.rows.push_back(pooled.rows[2]);
  EXPECT_EQ(parse_file_list(file_list_json(pooled), "files.json"), pooled);
}

TEST(FilesJson, ReadsBackTheStampsOfAShardsRows) {
  FileList list = example();
  list.rows[0].stamp = FileStamp{1234, -5};
  list.rows[1].stamp = FileStamp{UINT64_MAX, INT64_MAX};
  const std::string json = file_list_json(list);
  EXPECT_THAT(json, HasSubstr("\", \"size\": 1234, \"time\": -5},\n"));
  EXPECT_EQ(parse_file_list(json, "files.json"), list);
}

TEST(FilesJson, NamesThatLookLikeItsLinesAreRead) {
  const std::string text = "\n\"rows\": [\n{\"file\": \"\n],\n\"skipped\": [\n\"},\n{";
  FileList list = example();
  list.classes[1] = list.rows[0].file = list.rows[1].file = list.skipped[0].file = text;
  list.key.settings.emplace_back(text, text);
  list.settings.emplace_back(text, text);
  EXPECT_EQ(parse_file_list(file_list_json(list), "files.json"), list);
}

// More than are written or parsed at once.
TEST(FilesJson, ManyRowsAreWrittenAndReadPieceByPiece) {
  FileList list = example();
  for (std::size_t row = list.rows.size(); row < 20'000; ++row)
    list.rows.push_back({std::to_string(row), 1, {row, 1}, {row, 2}});
  std::string json;
  write_file_list(list, [&](std::string_view piece) {
    EXPECT_LT(piece.size(), 300'000U);
    json += piece;
  });
  ASSERT_GT(json.size(), 2'000'000U);
  EXPECT_EQ(with_digest(without_digest(json)), json);
  EXPECT_EQ(parse_file_list(json, "files.json"), list);
  std::vector<FileRow> rows;
  FileList rest =
      parse_file_list(json, "files.json", [&](FileRow row) { rows.push_back(std::move(row)); });
  EXPECT_TRUE(rest.rows.empty());
  rest.rows = std::move(rows);
  EXPECT_EQ(rest, list);
}

TEST(FilesJson, RowsThatAreNotOneALineAreRefused) {
  std::string json = without_digest(file_list_json(example()));
  json.replace(json.find("\"rows\": [\n"), 10, "\"rows\": [ ");
  EXPECT_THAT(error_of([&] { parse_file_list(with_digest(json), "files.json"); }),
              HasSubstr("files.json: \"rows\" does not have one row a line"));
}

TEST(FilesJson, HasOneRowALine) {
  const std::string json = file_list_json(example());
  EXPECT_THAT(json, HasSubstr("\n{\"file\": \"cats/1.png\", \"class\": \"cats\", \"digest\": \"" +
                              digest_of("1").hex() + "\", \"check\": \"" + digest_of("r1").hex() +
                              "\"},\n"));
  EXPECT_THAT(json, HasSubstr("\n{\"file\": \"cats/0.png\", \"reason\": \"no image\"},\n"));
}

TEST(FilesJson, AReasonWithBytesThatAreNotUtf8IsStillJson) {
  FileList list = example();
  list.skipped[0].reason = "chunk \xFF\xFE";
  EXPECT_EQ(parse_file_list(file_list_json(list), "files.json").rows, list.rows);
}

TEST(FilesJson, EveryTruncationIsRefused) {
  const std::string json = file_list_json(example());
  for (std::size_t length = 0; length + 2 < json.size(); ++length) {
    EXPECT_THROW(parse_file_list(json.substr(0, length), "files.json"), Error) << length;
  }
}

// A digest that fits is no excuse.
TEST(FilesJson, WrongContentsAreRefused) {
  const std::string good = without_digest(file_list_json(example()));
  const std::pair<std::string, std::string> changes[] = {
      {"\"version\": 2", "\"version\": 0"},
      {"\"version\": 2", "\"version\": 3"},
      {"\"version\": 2", "\"version\": \"2\""},
      {"\"data.views\":\"[", "\"data.views\":3,\"more\":\"["},
      {"[4, 4, 512]", "[4, 512]"},
      {"\"classes\"", "\"views\": [], \"classes\""},
      {"\"classes\"", "\"views\": [\"askew\"], \"classes\""},
      {"\"classes\"", "\"views\": [\"original\", \"vertical\"], \"classes\""},
      {"[4, 4, 512]", "[4, -4, \"x\"]"},
      {"\"class\": \"cats\"", "\"class\": \"birds\""},
      {digest_of("1").hex(), "12"},
      {digest_of("r2").hex(), std::string(32, 'g')},
      {"\"rows\"", "\"lines\""},
      {"},\n{\"file\": \"cats/back", "}\n{\"file\": \"cats/back"},
      {"\"}\n],", "\"},\n],"},
      {"\"class\": \"cats\"", "\"class\": \"cats\", \"size\": 3"},
      {"\"class\": \"cats\"", "\"class\": \"cats\", \"size\": -3, \"time\": 5"},
      {"\"class\": \"cats\"", "\"class\": \"cats\", \"size\": 3, \"time\": 1.5"},
      {"\"class\": \"cats\"", "\"class\": \"cats\", \"size\": 3, \"time\": 9223372036854775808"},
      {"\"resize\":\"bilinear\"", "\"resize\":3"}};
  for (const auto& [from, to] : changes) {
    std::string bad = good;
    const std::size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    bad.replace(at, from.size(), to);
    EXPECT_THROW(parse_file_list(with_digest(bad), "files.json"), Error) << to;
  }
  for (const char* foreign : {"[]", "null", "3", "{}", "\"text\"", "[[[[[["}) {
    EXPECT_THROW(parse_file_list(foreign, "files.json"), Error) << foreign;
  }
}

TEST(FilesJson, EveryFlippedBitIsRefused) {
  const std::string good = file_list_json(example());
  ASSERT_EQ(with_digest(without_digest(good)), good);
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THROW(parse_file_list(bad, "files.json"), Error) << "bit " << bit;
  }
}

TEST(FilesJson, TheFirstVersionIsReadWithoutSettingsAndDigest) {
  std::string old = without_digest(file_list_json(example())) + "\n}\n";
  const auto replace = [&](const std::string& from, const std::string& to) {
    old.replace(old.find(from), from.size(), to);
  };
  replace("\"version\": 2", "\"version\": 1");
  EXPECT_THROW(parse_file_list(old, "files.json"), Error) << "it has settings";
  replace("\"settings\"", "\"other\"");
  FileList expected = example();
  expected.settings.clear();
  EXPECT_EQ(parse_file_list(old, "files.json"), expected);
  // Without rows the arrays had no empty line.
  const std::size_t begin = old.find("\"rows\": [\n") + 9;
  old.erase(begin, old.find("\n]", begin) - begin);
  expected.rows.clear();
  EXPECT_EQ(parse_file_list(old, "files.json"), expected);
}

TEST(FilesJson, TheErrorNamesTheFile) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "train.files.json", "{");
  EXPECT_THAT(error_of([&] { read_file_list(folder / "train.files.json"); }),
              HasSubstr("train.files.json"));
}

TEST(FeatureKey, SaysWhatChanged) {
  const FeatureKey before = feature_key(DataConfig{}, digest_of("a"), "n", {4, 4, 512});
  EXPECT_EQ(describe_change(before, before), "");
  EXPECT_EQ(describe_change(before, feature_key(DataConfig{}, digest_of("b"), "n", {4, 4, 512})),
            "the weights changed");
  DataConfig data;
  data.preprocess = Preprocess::torch;
  EXPECT_EQ(describe_change(before, feature_key(data, digest_of("a"), "n", {4, 4, 512})),
            "preprocess changed from caffe to torch");
  data.image_size = {224, 200};
  EXPECT_EQ(
      describe_change(before, feature_key(data, digest_of("a"), "n", {7, 6, 512})),
      "image_size changed from 150x150 to 224x200 and preprocess changed from caffe to torch");
  const FeatureSource pooled = {{Layer::block3, Layer::block5}, Pooling::max};
  EXPECT_EQ(
      describe_change(before, feature_key({}, digest_of("a"), "n", {1, 1, 768, true}, pooled)),
      "layers changed from block5 to block3+block5 and pooling changed from none to max");
  EXPECT_EQ(
      describe_change(feature_key({}, digest_of("a"), "n", {1, 1, 768, true}, pooled), before),
      "layers changed from block3+block5 to block5 and pooling changed from max to none");
}

TEST(FeatureSettings, AreAllKeysOfTheDataTheBackboneAndTheSourceOfFeatures) {
  Config config;
  config.data.train = "/photos";
  config.backbone.weights = "/weights";
  const JsonStrings settings = feature_settings(config);
  EXPECT_EQ(describe_settings_change(settings, settings), "");
  for (const ConfigKey& key : default_keys()) {
    const bool is_one = key.section() == "data" || key.section() == "backbone" ||
                        key.path == "features.layers" || key.path == "features.pooling";
    const auto found = std::ranges::count(settings, key.path, [](auto& one) { return one.first; });
    EXPECT_EQ(found, is_one ? 1 : 0) << key.path;
  }
  config.data.on_bad_image = OnBadImage::skip;
  config.features.source.layers = {Layer::block4};
  EXPECT_EQ(describe_settings_change(settings, feature_settings(config)),
            R"(data.on_bad_image changed from "stop" to "skip" and features.layers changed from )"
            R"(["block5"] to ["block4"])");
  EXPECT_EQ(describe_settings_change({}, settings),
            "the settings that made them were not recorded");
}

TEST(FeatureKey, EverySettingThatDecidesARowChangesTheFingerprint) {
  const auto with = [](const std::function<void(DataConfig&)>& change) {
    DataConfig data;
    change(data);
    return feature_key(data, digest_of("a"), "n", {4, 4, 512}).fingerprint();
  };
  std::vector<Digest> fingerprints = {
      with([](DataConfig&) {}),
      with([](DataConfig& data) { data.resize = Resize::lanczos; }),
      with([](DataConfig& data) { data.preprocess = Preprocess::torch; }),
      with([](DataConfig& data) { data.image_size.height = 151; }),
      with([](DataConfig& data) { data.image_size.width = 151; }),
      with([](DataConfig& data) { data.exif_orientation = true; }),
      with([](DataConfig& data) { data.gray16 = Gray16::clip; }),
      feature_key(DataConfig{}, digest_of("b"), "n", {4, 4, 512}).fingerprint(),
      feature_key(DataConfig{}, digest_of("a"), "m", {4, 4, 512}).fingerprint(),
      feature_key({}, digest_of("a"), "n", {4, 4, 512}, {{Layer::block4}, {}}).fingerprint(),
      feature_key({}, digest_of("a"), "n", {4, 4, 512}, {{Layer::block5}, Pooling::max})
          .fingerprint()};
  const std::size_t all = fingerprints.size();
  std::sort(fingerprints.begin(), fingerprints.end());
  fingerprints.erase(std::unique(fingerprints.begin(), fingerprints.end()), fingerprints.end());
  EXPECT_EQ(fingerprints.size(), all);
  // Where the files are, what to do with bad ones, and which views there are, changes no row.
  EXPECT_EQ(with([](DataConfig& data) { data.views = {View::vertical}; }),
            with([](DataConfig&) {}));
  EXPECT_EQ(with([](DataConfig& data) { data.train = "elsewhere"; }), with([](DataConfig&) {}));
}

}  // namespace
}  // namespace graft
