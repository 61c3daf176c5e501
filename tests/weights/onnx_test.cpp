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
  expect_refused(with(dims + type + name + test::number_field(14, 1)),
                 {"tensor_13", "external data", "onnx.save"});
  expect_refused(with(dims + type + name + test::bytes_field(13, "x")),
                 {"tensor_13", "external data"});
  expect_refused(with(dims + test::number_field(2, 10) + name + raw), {"data type 10", "float32"});
  expect_refused(with(dims + name + raw), {"data type 0", "float32"});
  expect_refused(with(dims + type + name), {"tensor_13", "2×3×3×3", "0 bytes"});
  expect_refused(with(dims + type + name + test::bytes_field(9, "abcde")), {"5 bytes"});
  expect_refused(with(dims + type + name + raw + test::bytes_field(4, "abcd")), {"twice"});
  expect_refused(with(test::number_field(1, ~std::uint64_t{0}) + dims + type + name + raw),
                 {"negative"});
  std::string many;
  for (int i = 0; i < 17; ++i) many += test::number_field(1, 1);
  expect_refused(with(many + type + name + raw), {"too many dimensions"});
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
