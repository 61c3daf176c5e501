#include <sys/stat.h>

#include <bit>
#include <functional>

#include "engine/weights/convolution_files.h"
#include "tests/support/files.h"
#include "tests/support/support.h"
#include "tests/weights/onnx_writer.h"
#include "tests/weights/small_vgg16.h"

namespace graft {
namespace {

class Onnx : public ::testing::Test {
 protected:
  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "model.onnx";
  const test::Layers layers_ = test::small_vgg16();
  const test::Convolutions weights_ = test::random_convolutions(layers_, 7);

  ConvolutionFile read(const std::string& bytes) const {
    test::write_bytes(path_, bytes);
    return read_convolutions(path_, layers_);
  }
  void expect_read(const std::string& bytes) const {
    test::expect_same(read(bytes).convolutions, weights_);
  }
  void expect_refused(const std::string& bytes, const std::vector<std::string>& words) const {
    test::expect_refused(path_, words, [&] { read(bytes); });
  }
};

TEST_F(Onnx, KernelsAreTransposedToHwio) {
  const ConvolutionFile file = read(test::onnx_vgg16(layers_, weights_).file());
  test::expect_same(file.convolutions, weights_);
  EXPECT_EQ(file.source, "ONNX file model.onnx");
}

TEST_F(Onnx, OrderOfNodesAndInitialisersIsFree) {
  test::OnnxGraph graph = test::onnx_vgg16(layers_, weights_);
  std::mt19937 random(3);
  for (int i = 0; i < 20; ++i) {
    std::shuffle(graph.nodes.begin(), graph.nodes.end(), random);
    std::shuffle(graph.initialisers.begin(), graph.initialisers.end(), random);
    expect_read(graph.file());
  }
}

TEST_F(Onnx, FloatDataIsReadPackedAndOneByOne) {
  expect_read(
      test::onnx_vgg16(layers_, weights_, {.values = test::OnnxValues::packed_floats}).file());
  expect_read(
      test::onnx_vgg16(layers_, weights_, {.values = test::OnnxValues::single_floats}).file());
}

TEST_F(Onnx, PackedDimensionsAreRead) {
  test::OnnxGraph graph = test::onnx_vgg16(layers_, weights_);
  const auto values = test::oihw_reference(layers_[0], weights_[0].kernel);
  graph.initialisers[0] = test::bytes_field(1, "\x02\x03\x03\x03") + test::number_field(2, 1) +
                          test::bytes_field(8, "tensor_13") +
                          test::bytes_field(9, test::float_bytes(values));
  expect_read(graph.file());
}

TEST_F(Onnx, BiasOfAFollowingAddIsRead) {
  expect_read(test::onnx_vgg16(layers_, weights_, {.bias_by_add = true}).file());
}

TEST_F(Onnx, LayersOfAHeadAreIgnored) {
  test::OnnxGraph graph = test::onnx_vgg16(layers_, weights_);
  const std::vector<float> ones(9 * 6 * 6, 1.0F);
  const std::size_t shape[] = {6, 6, 3, 3};
  graph.initialisers.insert(graph.initialisers.begin(), test::onnx_tensor("head", shape, ones));
  graph.nodes.push_back(test::onnx_node("Conv", {"pool_out_1", "head"}, {"head_out"}));
  graph.nodes.push_back(test::onnx_node("Softmax", {"head_out"}, {"output"}));
  expect_read(graph.file());
}

TEST_F(Onnx, WithoutNodesNamesGiveTheOrder) {
  for (const char* form :
       {"features.{}.weight features.{}.bias", "m/conv2d_{}/kernel:0 m/conv2d_{}/bias:0"}) {
    test::OnnxGraph graph;
    const std::string both = form;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const auto name = [&](std::string text) {
        return text.replace(text.find("{}"), 2, std::to_string(2 * i));
      };
      const std::size_t bias_shape[] = {layers_[i].output_channels};
      graph.initialisers.push_back(
          test::onnx_tensor(name(both.substr(0, both.find(' '))), oihw_shape(layers_[i]),
                            test::oihw_reference(layers_[i], weights_[i].kernel)));
      graph.initialisers.push_back(
          test::onnx_tensor(name(both.substr(both.find(' ') + 1)), bias_shape, weights_[i].bias));
    }
    std::mt19937 random(5);
    std::shuffle(graph.initialisers.begin(), graph.initialisers.end(), random);
    expect_read(graph.file());
  }
}

TEST_F(Onnx, OtherNetworksAreRefused) {
  const auto whole = [&] { return test::onnx_vgg16(layers_, weights_); };
  expect_refused(test::OnnxGraph{}.file(), {"0 kernels", "13"});
  expect_refused(test::onnx_vgg16(layers_, weights_, {.between = "BatchNormalization"}).file(),
                 {"block1_conv2", "BatchNormalization"});
  expect_refused(test::onnx_vgg16(layers_, weights_, {.between = "LeakyRelu"}).file(),
                 {"LeakyRelu"});

  test::OnnxGraph no_bias = whole();
  no_bias.nodes[0] = test::onnx_node("Conv", {"input", "tensor_13"}, {"conv_out_13"});
  expect_refused(no_bias.file(), {"tensor_13", "block1_conv1", "no bias"});

  test::OnnxGraph two_ways = whole();
  two_ways.nodes.push_back(test::onnx_node("Conv", {"input", "tensor_13", "vector_13"}, {"x"}));
  expect_refused(two_ways.file(), {"block1_conv1", "plain VGG16"});

  test::OnnxGraph cut = whole();
  cut.nodes[2] = test::onnx_node("Conv", {"elsewhere", "tensor_12", "vector_12"}, {"conv_out_12"});
  expect_refused(cut.file(), {"2 to 2 channels", "tensor_13", "block1_conv2"});

  test::OnnxGraph wrong_bias = whole();
  wrong_bias.nodes[0] =
      test::onnx_node("Conv", {"input", "tensor_13", "vector_1"}, {"conv_out_13"});
  expect_refused(wrong_bias.file(), {"vector_1", "shape 6", "block1_conv1 needs 2"});

  test::OnnxGraph same_name = whole();
  same_name.initialisers.push_back(same_name.initialisers.front());
  expect_refused(same_name.file(), {"two initialisers", "tensor_13"});
}

TEST_F(Onnx, CycleOfNodesEnds) {
  test::OnnxGraph graph = test::onnx_vgg16(layers_, weights_);
  graph.nodes.push_back(test::onnx_node("Relu", {"loop_a"}, {"loop_b"}));
  graph.nodes.push_back(test::onnx_node("Relu", {"loop_b"}, {"loop_a"}));
  graph.nodes[0] = test::onnx_node("Conv", {"loop_a", "tensor_13", "vector_13"}, {"conv_out_13"});
  expect_read(graph.file());
  graph.nodes[0] =
      test::onnx_node("Conv", {"pool_out_1", "tensor_13", "vector_13"}, {"conv_out_13"});
  expect_refused(graph.file(), {"at the start"});
}

TEST_F(Onnx, ValuesThatCannotBeReadAreRefused) {
  const auto values = test::oihw_reference(layers_[0], weights_[0].kernel);
  const auto raw = test::bytes_field(9, test::float_bytes(values));
  const auto dims = test::number_field(1, 2) + test::number_field(1, 3) + test::number_field(1, 3) +
                    test::number_field(1, 3);
  const auto name = test::bytes_field(8, "tensor_13");
  const auto type = test::number_field(2, 1);
  const auto with = [&](const std::string& tensor) {
    test::OnnxGraph graph = test::onnx_vgg16(layers_, weights_);
    graph.initialisers[0] = tensor;
    return graph.file();
  };
  expect_refused(with(dims + test::number_field(2, 11) + name + raw), {"data type 11", "float32"});
  expect_refused(with(dims + name + raw), {"data type 0", "float32"});
  expect_refused(with(dims + type + name), {"tensor_13", "2×3×3×3", "0 bytes"});
  expect_refused(with(dims + type + name + test::bytes_field(9, "abcde")), {"5 bytes"});
  expect_refused(with(dims + type + name + raw + test::bytes_field(4, "abcd")), {"twice"});
  expect_refused(with(test::number_field(1, ~std::uint64_t{0}) + dims + type + name + raw),
                 {"negative"});
  expect_refused(with(dims + test::number_field(2, 10) + name + test::bytes_field(5, "\x80")),
                 {"not a complete ONNX file", "within a number"});
  std::string many;
  for (int i = 0; i < 17; ++i) many += test::number_field(1, 1);
  expect_refused(with(many + type + name + raw), {"too many dimensions"});
}

// Half of a float32 that has no more digits.
std::uint16_t bfloat16_of(float value) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16U);
}

TEST_F(Onnx, HalvesAreReadInEachOfTheirForms) {
  test::Convolutions rounded = weights_;
  for (ConvolutionWeights& layer : rounded) {
    for (std::vector<float>* values : {&layer.kernel, &layer.bias}) {
      for (float& value : *values)
        value = std::bit_cast<float>(std::uint32_t{bfloat16_of(value)} << 16U);
    }
  }
  const auto oihw = test::oihw_reference(layers_[0], rounded[0].kernel);
  std::string raw;
  std::string packed;
  std::string single;
  for (const float value : oihw) {
    const std::uint16_t bits = bfloat16_of(value);
    raw += {static_cast<char>(bits), static_cast<char>(bits >> 8)};
    packed += test::varint(bits);
    single += test::number_field(5, bits);
  }
  std::string dims;
  for (const std::size_t extent : oihw_shape(layers_[0])) dims += test::number_field(1, extent);
  for (const std::string& values :
       {test::bytes_field(9, raw), test::bytes_field(5, packed), single}) {
    test::OnnxGraph graph = test::onnx_vgg16(layers_, rounded);
    graph.initialisers[0] =
        dims + test::number_field(2, 16) + test::bytes_field(8, "tensor_13") + values;
    test::expect_same(read(graph.file()).convolutions, rounded);
  }
}

TEST_F(Onnx, ValuesOfConstantNodesAreInitialisers) {
  test::OnnxGraph graph = test::onnx_vgg16(layers_, weights_);
  for (std::size_t i = 0; i < graph.initialisers.size(); ++i) {
    const std::string name = (i % 2 == 0 ? "tensor_" : "vector_") + std::to_string(13 - i / 2);
    // The tensor's own name does not count.
    const std::string tensor = graph.initialisers[i] + test::bytes_field(8, "other");
    const std::string attribute = test::bytes_field(1, "value") + test::bytes_field(5, tensor);
    graph.nodes.push_back(test::bytes_field(5, attribute) +
                          test::onnx_node("Constant", {}, {name}));
  }
  graph.nodes.push_back(test::onnx_node("Constant", {}, {"no_value"}));
  graph.initialisers.clear();
  expect_read(graph.file());
}

// The values of the first kernel are in the file `location`, between other bytes.
class OnnxExternalData : public Onnx {
 protected:
  const std::string bytes_ =
      test::float_bytes(test::oihw_reference(layers_[0], weights_[0].kernel));

  static std::string entry(std::string_view key, std::string_view value) {
    return test::bytes_field(13, test::bytes_field(1, key) + test::bytes_field(2, value));
  }
  std::string model(const std::string& entries) const {
    test::OnnxGraph graph = test::onnx_vgg16(layers_, weights_);
    std::string tensor;
    for (const std::size_t extent : oihw_shape(layers_[0])) tensor += test::number_field(1, extent);
    graph.initialisers[0] = tensor + test::number_field(2, 1) + test::bytes_field(8, "tensor_13") +
                            entries + test::number_field(14, 1);
    return graph.file();
  }
  std::string model_with(const std::string& location) const {
    return model(entry("location", location) + entry("offset", "5") +
                 entry("length", std::to_string(bytes_.size())));
  }
};

TEST_F(OnnxExternalData, IsReadFromAFileInTheModelsFolder) {
  test::write_bytes(folder_ / "w.bin", "12345" + bytes_ + "6");
  test::write_bytes(folder_ / "sub/w.bin", "12345" + bytes_);
  std::filesystem::create_symlink("sub/w.bin", folder_ / "link");
  for (const char* location : {"w.bin", "sub/w.bin", "./w.bin", "link"})
    expect_read(model_with(location));
  test::write_bytes(folder_ / "w.bin", bytes_);
  expect_read(model(entry("location", "w.bin")));  // from the start to the end
  test::write_bytes(path_, model_with("absent"));
  EXPECT_EQ(describe_weights_file(path_).tensors.size(), 26U);  // needs no values
}

TEST_F(OnnxExternalData, NoFileOutsideTheModelsFolderIsRead) {
  const test::TemporaryFolder elsewhere;
  test::write_bytes(elsewhere / "w.bin", "12345" + bytes_);
  std::filesystem::create_symlink(elsewhere / "w.bin", folder_ / "link");
  std::filesystem::create_symlink(elsewhere.path(), folder_ / "folder");
  std::filesystem::create_directory(folder_ / "inner");
  test::write_bytes(folder_ / "w.bin", "12345" + bytes_);
  const std::string name = elsewhere.path().filename();
  for (const std::string& location :
       {(elsewhere / "w.bin").string(), "../" + name + "/w.bin", std::string("inner/../w.bin"),
        (folder_ / "w.bin").string(), std::string("link"), std::string("folder/w.bin")}) {
    SCOPED_TRACE(location);
    expect_refused(model_with(location), {"tensor_13", location, "outside the model's folder"});
  }
}

TEST_F(OnnxExternalData, FilesThatDoNotHoldTheValuesAreRefused) {
  test::write_bytes(folder_ / "w.bin", "12345" + bytes_);
  std::filesystem::create_directory(folder_ / "inner");
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  for (const char* location : {"absent", "inner", "pipe", "", "a\nb"})
    expect_refused(model_with(location), {"tensor_13", "cannot be read", "next to the model"});
  const std::string file = entry("location", "w.bin");
  const std::string size = std::to_string(bytes_.size());
  for (const auto& [entries, words] : std::initializer_list<std::pair<std::string, std::string>>{
           {file + entry("offset", "6") + entry("length", size), "truncated"},
           {file + entry("offset", "1000"), "truncated"},
           {file + entry("offset", "18446744073709551615") + entry("length", size), "truncated"},
           {file + entry("offset", "5") + entry("length", "18446744073709551615"), "truncated"},
           {file + entry("offset", "5") + entry("length", "8"), "8 bytes of values"},
           {file, "2×3×3×3 comes with 221 bytes"},
           {file + entry("offset", "-5"), "not a number"},
           {file + entry("offset", "18446744073709551616"), "not a number"},
           {file + entry("length", "216 "), "not a number"},
           {file + entry("length", ""), "not a number"},
           {test::bytes_field(13, "x"), "not a complete ONNX file"},
           {entry("key", "value"), "cannot be read"}}) {
    SCOPED_TRACE(words);
    expect_refused(model(entries), {words});
  }
  for (std::size_t length = 0; length < 5 + bytes_.size(); ++length) {
    test::write_bytes(folder_ / "w.bin", ("12345" + bytes_).substr(0, length));
    expect_refused(model_with("w.bin"), {"tensor_13", "truncated"});
  }
}

TEST_F(Onnx, InfinityAndNanAreRefused) {
  test::Convolutions bad = weights_;
  bad[2].bias[1] = std::numeric_limits<float>::infinity();
  expect_refused(test::onnx_vgg16(layers_, bad).file(), {"value 1", "bias", "block2_conv1", "inf"});
  bad = weights_;
  bad[12].kernel.back() = std::numeric_limits<float>::quiet_NaN();
  expect_refused(test::onnx_vgg16(layers_, bad).file(),
                 {"value 323", "kernel", "block5_conv3", "nan"});
}

TEST_F(Onnx, EveryTruncationIsRefused) {
  const std::string whole = test::onnx_vgg16(layers_, weights_).file();
  for (std::size_t length = 0; length < whole.size(); length += length < 300 ? 1 : 13) {
    SCOPED_TRACE(length);
    expect_refused(whole.substr(0, length), {});
  }
}

TEST_F(Onnx, DeepNestingCostsNothing) {
  std::string nested;
  for (int i = 0; i < 2000; ++i) nested = test::bytes_field(7, nested);
  test::OnnxGraph graph = test::onnx_vgg16(layers_, weights_);
  graph.nodes.push_back(test::bytes_field(5, nested));  // an attribute with a graph in it
  expect_read(graph.file());
  expect_refused(test::number_field(1, 8) + nested, {});
}

TEST_F(Onnx, ModelsWithoutAGraphOrWithTwoAreRefused) {
  expect_refused(test::number_field(1, 8), {"no graph"});
  const std::string whole = test::onnx_vgg16(layers_, weights_).file();
  expect_refused(whole + test::bytes_field(7, ""), {"two graphs"});
}

// Files of two-byte fields must not ask for fifty times their size in memory.
TEST_F(Onnx, TooManyFieldsAreRefusedInLittleMemory) {
  const auto repeated = [](std::string_view bytes) {
    std::string all;
    for (std::size_t i = 0; i < 10'000'000 / bytes.size(); ++i) all += bytes;
    return all;
  };
  const std::string tensors = repeated(test::bytes_field(5, ""));
  const std::string nodes = repeated(test::bytes_field(1, ""));
  const std::string inputs = repeated(test::bytes_field(1, ""));
  const std::string outputs = repeated(test::bytes_field(2, ""));
  const std::string connected =
      repeated(test::bytes_field(1, repeated(test::bytes_field(1, "")).substr(0, 2000)));
  const std::string long_name(10'000'000, 'n');
  const auto with_graph = [](const std::string& graph, std::string_view more = {}) {
    return test::number_field(1, 8) + std::string(more) + test::bytes_field(7, graph);
  };
  const std::pair<std::string, const char*> cases[] = {
      {with_graph(tensors), "too many initialisers"},
      {with_graph(nodes), "too many nodes"},
      {with_graph(test::bytes_field(1, inputs)), "too many connections"},
      {with_graph(test::bytes_field(1, outputs)), "too many connections"},
      {with_graph(connected), "too many connections"},
      {with_graph("", repeated(test::bytes_field(2, ""))), "too many fields"},
      {with_graph("", test::bytes_field(2, long_name)), "fewer than VGG16's"}};
  for (const auto& [bytes, words] : cases) {
    test::write_bytes(path_, bytes);
    EXPECT_EQ(test::in_little_memory(std::size_t{32} << 20U, words,
                                     [&] { read_convolutions(path_, layers_); }),
              "");
  }
}

TEST_F(Onnx, FlippedBitsAreReadOrRefused) {
  test::expect_read_or_refused(test::onnx_vgg16(layers_, weights_).file(),
                               [&](const std::string& bytes) { read(bytes); });
}

TEST_F(Onnx, DescriptionNamesTensorsAndProducer) {
  test::write_bytes(path_, test::onnx_vgg16(layers_, weights_).file());
  const WeightsFileSummary summary = describe_weights_file(path_);
  EXPECT_EQ(summary.format, "ONNX");
  ASSERT_EQ(summary.tensors.size(), 26U);
  EXPECT_EQ(summary.tensors[0].name, "tensor_13");
  EXPECT_THAT(summary.tensors[0].shape, ::testing::ElementsAre(2, 3, 3, 3));
  EXPECT_THAT(summary.metadata,
              ::testing::Contains(::testing::Pair("producer_name", "onnx_writer")));
}

}  // namespace
}  // namespace graft
