#include <gmock/gmock.h>

#include <fstream>
#include <functional>
#include <limits>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/head/trainer.h"
#include "engine/weights/safetensors.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

TrainedHead small_head() {
  HeadOptions options;
  options.inputs = 6;
  options.hidden = {4};
  return {initial_head_state(options).parameters,
          {"Katze \"Käthe\"", "dog\nhouse"},
          {1, 2, 3},
          7,
          feature_key({}, {}, "tests", {1, 2, 3})};
}

TEST(HeadFile, ReadsBackWhatWasSaved) {
  const test::TemporaryFolder folder;
  const TrainedHead saved = small_head();
  save_head(folder / "head.safetensors", saved);
  const TrainedHead head = load_head(folder / "head.safetensors");
  EXPECT_EQ(head.classes, saved.classes);
  EXPECT_EQ(head.features, saved.features);
  EXPECT_EQ(head.epoch, 7U);
  EXPECT_EQ(head.key, saved.key);
  ASSERT_EQ(head.parameters.size(), 2U);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    EXPECT_EQ(head.parameters[layer].inputs, saved.parameters[layer].inputs);
    EXPECT_EQ(head.parameters[layer].outputs, saved.parameters[layer].outputs);
    EXPECT_EQ(head.parameters[layer].kernel, saved.parameters[layer].kernel);
    EXPECT_EQ(head.parameters[layer].bias, saved.parameters[layer].bias);
  }
}

TEST(HeadFile, HasKerasLayerNamesAndSaysWhatItClassifies) {
  const test::TemporaryFolder folder;
  TrainedHead head = small_head();
  head.classes = {"cats", "dogs"};
  save_head(folder / "head.safetensors", head);
  const MappedFile mapped(folder / "head.safetensors");
  const Safetensors file(mapped.path(), mapped.bytes());
  std::vector<std::string> names;
  for (const SafetensorsEntry& entry : file.entries()) names.push_back(entry.name);
  EXPECT_THAT(names, ::testing::ElementsAre("dense/kernel", "dense/bias", "dense_1/kernel",
                                            "dense_1/bias"));
  EXPECT_EQ(file.find("dense/kernel")->shape, (std::vector<std::size_t>{6, 4}));
  EXPECT_EQ(file.metadata().at("classes"), R"(["cats","dogs"])");
  EXPECT_EQ(file.metadata().at("hidden"), "[4]");
  EXPECT_EQ(file.metadata().at("feature_shape"), "[1,2,3]");
}

TEST(HeadFile, EqualHeadsGiveEqualBytes) {
  const test::TemporaryFolder folder;
  save_head(folder / "a", small_head());
  save_head(folder / "b", small_head());
  EXPECT_EQ(read_file(folder / "a", 1 << 20), read_file(folder / "b", 1 << 20));
}

TEST(HeadFile, LayersThatDoNotLeadFromFeaturesToClassesAreNotSaved) {
  const test::TemporaryFolder folder;
  const auto refused = [&](const std::function<void(TrainedHead&)>& spoil) {
    TrainedHead head = small_head();
    spoil(head);
    EXPECT_THROW(save_head(folder / "head.safetensors", head), Error);
    EXPECT_FALSE(std::filesystem::exists(folder / "head.safetensors"));
  };
  refused([](TrainedHead& head) { head.features.width = 3; });
  refused([](TrainedHead& head) { head.classes.push_back("bird"); });
  refused([](TrainedHead& head) { head.classes.pop_back(); });
  refused([](TrainedHead& head) { head.parameters[0].kernel.pop_back(); });
  refused([](TrainedHead& head) { head.parameters[1].bias.push_back(0.0F); });
  refused([](TrainedHead& head) { head.parameters.clear(); });
}

// A valid head as tensors and metadata, to be spoilt.
struct Parts {
  std::vector<float> kernel_0 = std::vector<float>(24, 0.5F);
  std::vector<float> bias_0 = std::vector<float>(4);
  std::vector<float> kernel_1 = std::vector<float>(4, 0.25F);
  std::vector<float> bias_1 = std::vector<float>(1);
  std::vector<TensorView> tensors = {{"dense/kernel", {6, 4}, kernel_0},
                                     {"dense/bias", {4}, bias_0},
                                     {"dense_1/kernel", {4, 1}, kernel_1},
                                     {"dense_1/bias", {1}, bias_1}};
  Metadata metadata = {{"format", "graft head 1"},
                       {"classes", R"(["cats","dogs"])"},
                       {"hidden", "[4]"},
                       {"feature_shape", "[1,2,3]"},
                       {"feature_key", R"({"preprocess":"rescale"})"},
                       {"epoch", "3"}};
};

class HeadFileFault : public ::testing::Test {
 protected:
  // The one sentence with which the spoilt file is refused.
  std::string fault(const std::function<void(Parts&)>& spoil) {
    Parts parts;
    spoil(parts);
    const auto path = folder_ / "head.safetensors";
    write_safetensors(path, parts.tensors, parts.metadata);
    try {
      load_head(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::weights);
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
      return error.what();
    }
    return "it was accepted";
  }
  std::string metadata_fault(const char* key, const char* value) {
    return fault([&](Parts& parts) { parts.metadata[key] = value; });
  }

  const test::TemporaryFolder folder_;
};

TEST_F(HeadFileFault, NoneButTheMissingDigestInTheUnspoiltFile) {
  EXPECT_THAT(fault([](Parts&) {}), HasSubstr("it has no digest of its content; train again"));
  EXPECT_THAT(metadata_fault("digest", "00"), HasSubstr("its digest does not fit its content"));
}

TEST_F(HeadFileFault, AnotherKindOfFile) {
  EXPECT_THAT(fault([](Parts& parts) { parts.metadata.clear(); }), HasSubstr("not a trained head"));
  EXPECT_THAT(metadata_fault("format", "pt"), HasSubstr("not a trained head"));
}

TEST_F(HeadFileFault, Classes) {
  for (const char* value :
       {"", "cats", "{}", "[1,2]", R"(["cats"])", R"(["cats","cats"])", "[[]]"}) {
    EXPECT_THAT(metadata_fault("classes", value), HasSubstr("\"classes\"")) << value;
  }
  EXPECT_THAT(fault([](Parts& parts) { parts.metadata.erase("classes"); }),
              HasSubstr("no \"classes\""));
}

TEST_F(HeadFileFault, FeatureShape) {
  for (const char* value : {"", "[1,2]", "[1,2,0]", "[1,2,-3]", "[1,2,3.5]", "[1,2,3,4]", "\"x\"",
                            "[4294967296,4294967296,4294967296]"}) {
    EXPECT_THAT(metadata_fault("feature_shape", value), HasSubstr("\"feature_shape\"")) << value;
  }
  EXPECT_THAT(metadata_fault("feature_shape", "[1,2,4]"), HasSubstr("dense/kernel"));
}

TEST_F(HeadFileFault, HiddenLayers) {
  for (const char* value : {"", "4", "[0]", "[-4]", "[4.5]", "[\"4\"]", "[9223372036854775807]"}) {
    EXPECT_THAT(metadata_fault("hidden", value), HasSubstr("\"hidden\"")) << value;
  }
  EXPECT_THAT(metadata_fault("hidden", "[5]"), HasSubstr("has the shape [6, 4], expected [6, 5]"));
  EXPECT_THAT(metadata_fault("hidden", "[]"), HasSubstr("4 tensors"));
}

TEST_F(HeadFileFault, FeatureKey) {
  for (const char* value : {"", "x", "[]", "3", R"({"preprocess":3})"}) {
    EXPECT_THAT(metadata_fault("feature_key", value), HasSubstr("\"feature_key\"")) << value;
  }
}

TEST_F(HeadFileFault, Epoch) {
  for (const char* value : {"", "x", "[]", "-1", "2.5"}) {
    EXPECT_THAT(metadata_fault("epoch", value), HasSubstr("\"epoch\"")) << value;
  }
}

TEST_F(HeadFileFault, Tensors) {
  EXPECT_THAT(fault([](Parts& parts) { parts.tensors[1].name = "dense/scale"; }),
              HasSubstr("the tensor dense/bias is missing"));
  EXPECT_THAT(fault([](Parts& parts) {
                parts.tensors[0].shape = {4, 6};
              }),
              HasSubstr("has the shape [4, 6], expected [6, 4]"));
  EXPECT_THAT(fault([](Parts& parts) { parts.tensors.pop_back(); }), HasSubstr("3 tensors"));
  EXPECT_THAT(
      fault([](Parts& parts) { parts.kernel_1[2] = std::numeric_limits<float>::quiet_NaN(); }),
      HasSubstr("dense_1/kernel holds a value that is not finite"));
}

// No digest covers the type.
TEST(HeadFile, TensorsOfAnotherTypeAreRefused) {
  const test::TemporaryFolder folder;
  save_head(folder / "head", small_head());
  std::string bytes = test::read_bytes(folder / "head");
  bytes.replace(bytes.find("F32"), 3, "I32");
  test::write_bytes(folder / "head", bytes);
  try {
    load_head(folder / "head");
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("the tensor dense/kernel is missing or is not of type F32"));
  }
}

TEST_F(HeadFileFault, EveryFlippedBitIsRefusedOrHarmless) {
  Parts parts;
  const auto path = folder_ / "head.safetensors";
  save_head(path, {{{6, 4, parts.kernel_0, parts.bias_0}, {4, 1, parts.kernel_1, parts.bias_1}},
                   {"cats", "dogs"},
                   {1, 2, 3},
                   3,
                   {{{"preprocess", "caffe"}}}});
  const std::string good = test::read_bytes(path);
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    test::write_bytes(path, bad);
    try {
      save_head(path, load_head(path));  // a blank of the header, for example
      EXPECT_EQ(test::read_bytes(path), good) << "bit " << bit;
    } catch (const Error&) {
    }
  }
}

TEST(HeadFile, AnAbsentOrForeignFileIsRefusedByName) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(load_head(folder / "absent.safetensors"), Error);
  std::ofstream(folder / "text.safetensors") << "this is no head";
  try {
    load_head(folder / "text.safetensors");
    FAIL() << "it was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::weights);
    EXPECT_THAT(error.what(), HasSubstr("text.safetensors"));
  }
}

}  // namespace
}  // namespace graft
