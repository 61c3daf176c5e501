#include "engine/weights/vgg16_weights.h"

#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "engine/weights/convolution_files.h"
#include "engine/weights/safetensors.h"
#include "tests/support/files.h"
#include "tests/support/support.h"
#include "tests/weights/hdf5_writer.h"
#include "tests/weights/onnx_writer.h"
#include "tests/weights/small_vgg16.h"

namespace graft {
namespace {

TEST(Vgg16Layers, HaveTheChannelsAndParametersOfConfigurationD) {
  std::size_t parameters = 0;
  std::size_t channels = 3;
  std::size_t pools = 0;
  for (const Vgg16Layer& layer : vgg16_layers) {
    EXPECT_EQ(layer.input_channels, channels) << layer.name;
    channels = layer.output_channels;
    parameters += (9 * layer.input_channels + 1) * layer.output_channels;
    pools += layer.pool_after ? 1 : 0;
  }
  EXPECT_EQ(parameters, vgg16_parameters);
  EXPECT_EQ(pools, 5U);
}

TEST(HwioFromOihw, MovesEachWeightToItsPlace) {
  const Vgg16Layer layer = {"layer", 5, 7, false};
  const auto convolutions = test::random_convolutions({&layer, 1}, 3);
  const auto oihw = test::oihw_reference(layer, convolutions[0].kernel);
  EXPECT_NE(oihw, convolutions[0].kernel);
  EXPECT_EQ(hwio_from_oihw(layer, oihw), convolutions[0].kernel);
}

TEST(HwioFromOihw, RefusesAnotherNumberOfValues) {
  const Vgg16Layer layer = {"layer", 5, 7, false};
  const std::vector<float> short_of_one(9 * 5 * 7 - 1);
  EXPECT_THROW(hwio_from_oihw(layer, short_of_one), Error);
}

TEST(NaturalOrder, CountsDigitsAsNumbers) {
  const std::vector<std::string> ordered = {"",
                                            "conv2d",
                                            "conv2d_1",
                                            "conv2d_2",
                                            "conv2d_10",
                                            "conv2d_10a",
                                            "features.0.weight",
                                            "features.2.weight",
                                            "features.10.weight"};
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      EXPECT_EQ(natural_less(ordered[i], ordered[j]), i < j) << ordered[i] << " " << ordered[j];
    }
  }
  EXPECT_NE(natural_less("a2", "a02"), natural_less("a02", "a2"));
  EXPECT_TRUE(natural_less("v99999999999999999999998", "v99999999999999999999999"));
}

std::vector<TensorView> torchvision_tensors(std::span<const Vgg16Layer> layers,
                                            const test::Convolutions& weights,
                                            std::vector<std::vector<float>>& kept) {
  std::vector<TensorView> tensors;
  std::size_t index = 0;
  kept.reserve(layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    kept.push_back(test::oihw_reference(layers[i], weights[i].kernel));
    const auto shape = oihw_shape(layers[i]);
    tensors.push_back({"features." + std::to_string(index) + ".weight",
                       {shape.begin(), shape.end()},
                       kept.back()});
    tensors.push_back({"features." + std::to_string(index) + ".bias",
                       {layers[i].output_channels},
                       weights[i].bias});
    index += layers[i].pool_after ? 3 : 2;
  }
  return tensors;
}

TEST(TorchvisionSafetensors, IsReadByItsNames) {
  const test::TemporaryFolder folder;
  const auto layers = test::small_vgg16();
  const auto weights = test::random_convolutions(layers, 5);
  std::vector<std::vector<float>> kept;
  auto tensors = torchvision_tensors(layers, weights, kept);
  // The indices of the thirteen convolutions in torchvision's vgg16.features.
  const std::size_t indices[] = {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(tensors[2 * i].name, "features." + std::to_string(indices[i]) + ".weight");
  }
  const std::vector<float> head(3, 1.0F);
  tensors.push_back({"classifier.0.bias", {3}, head});
  write_safetensors(folder / "vgg16", tensors, {});
  const ConvolutionFile file = read_convolutions(folder / "vgg16", layers);
  test::expect_same(file.convolutions, weights);
  EXPECT_EQ(file.source, "safetensors file vgg16");

  std::swap(tensors[8].name, tensors[10].name);  // 4→5 and 5→5 channels here
  write_safetensors(folder / "vgg16", tensors, {});
  test::expect_refused(folder / "vgg16",
                       {"features.10.weight", "5×5×3×3", "block3_conv1", "5×4×3×3"},
                       [&] { read_convolutions(folder / "vgg16", layers); });
  tensors.erase(tensors.begin() + 25);
  write_safetensors(folder / "vgg16", tensors, {});
  test::expect_refused(folder / "vgg16", {"features.10.weight"},
                       [&] { read_convolutions(folder / "vgg16", layers); });
}

// Wrappers and models of PyTorch put names before the names.
TEST(SafetensorsNames, AnyPrefixIsAccepted) {
  const test::TemporaryFolder folder;
  const auto path = folder / "w";
  const auto layers = test::small_vgg16();
  const auto weights = test::random_convolutions(layers, 5);
  std::vector<std::vector<float>> kept;
  const std::vector<float> one(1, 1.0F);
  for (const auto& plain :
       {torchvision_tensors(layers, weights, kept), convolution_tensors(layers, weights)}) {
    for (const std::string prefix :
         {"", "module.", "model.", "backbone.", "vgg16.", "_orig_mod.", "module.model.", "a/"}) {
      auto tensors = plain;
      for (TensorView& tensor : tensors) tensor.name = prefix + tensor.name;
      tensors.push_back({"other" + plain[0].name, {1}, one});  // no prefix: it ends in no dot
      write_safetensors(path, tensors, {});
      test::expect_same(read_convolutions(path, layers).convolutions, weights);
      tensors.push_back({"ema." + plain[0].name, {1}, one});
      write_safetensors(path, tensors, {});
      test::expect_refused(path,
                           {'"' + prefix + plain[0].name, "\"ema." + plain[0].name, "one network"},
                           [&] { read_convolutions(path, layers); });
    }
  }
  write_safetensors(path, std::vector<TensorView>{{"0.weight", {1}, one}}, {});
  test::expect_refused(path, {"block1_conv1/kernel", "features.0.weight"},
                       [&] { read_convolutions(path, layers); });
}

TEST(SafetensorsNames, TensorsThatAreNotNeededAreNotJudged) {
  const test::TemporaryFolder folder;
  const auto path = folder / "w";
  const auto layers = test::small_vgg16();
  const auto weights = test::random_convolutions(layers, 5);
  auto tensors = convolution_tensors(layers, weights);
  const std::vector<float> nan(1, std::numeric_limits<float>::quiet_NaN());
  tensors.insert(tensors.begin(), {"step", {1}, nan});
  write_safetensors(path, tensors, {});
  std::string bytes = test::read_bytes(path);
  bytes.replace(bytes.find("F32"), 3, "I32");
  test::write_bytes(path, bytes);
  test::expect_same(read_convolutions(path, layers).convolutions, weights);
  bytes.replace(bytes.find("F32"), 3, "U32");
  test::write_bytes(path, bytes);
  test::expect_refused(path, {"block1_conv1/kernel", "U32", "float32"},
                       [&] { read_convolutions(path, layers); });
}

// The layers of another VGG, with as many convolutions in each block.
test::Layers vgg_layers(const std::array<int, 5>& blocks) {
  static constexpr std::size_t widths[] = {2, 4, 5, 6, 6};
  test::Layers layers;
  std::size_t channels = 3;
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    for (int i = 0; i < blocks.at(block); ++i) {
      layers.push_back({"layer", channels, widths[block], i + 1 == blocks.at(block)});
      channels = widths[block];
    }
  }
  return layers;
}

TEST(OtherNetworks, AVgg19WithKerasNamesHasAllThoseOfAVgg16) {
  const test::TemporaryFolder folder;
  const auto path = folder / "w";
  const auto weights = test::random_convolutions(test::small_vgg16(), 5);
  std::vector<TensorView> tensors = convolution_tensors(test::small_vgg16(), weights);
  for (const char* name : {"block3_conv4", "block4_conv4", "block5_conv4"}) {
    tensors.push_back(
        {std::string(name) + "/kernel", {3, 3, 1, 1}, std::span(weights[0].kernel).first(9)});
    tensors.push_back({std::string(name) + "/bias", {1}, std::span(weights[0].bias).first(1)});
  }
  write_safetensors(path, tensors, {});
  test::expect_refused(path, {"block3_conv4/kernel", "looks like a VGG19:"},
                       [&] { read_convolutions(path, test::small_vgg16()); });
}

TEST(OtherNetworks, AreNamedInEveryFormat) {
  const test::TemporaryFolder folder;
  const auto path = folder / "w";
  for (const auto& [name, blocks] : {std::pair{"VGG11", std::array{1, 1, 2, 2, 2}},
                                     {"VGG13", {2, 2, 2, 2, 2}},
                                     {"VGG19", {2, 2, 4, 4, 4}}}) {
    const test::Layers layers = vgg_layers(blocks);
    const auto weights = test::random_convolutions(layers, 5);
    const auto expect_named = [&, name = name] {
      test::expect_refused(path, {std::string("looks like a ") + name + ":", "plain VGG16"},
                           [&] { read_convolutions(path, test::small_vgg16()); });
    };
    std::vector<std::vector<float>> kept;
    write_safetensors(path, torchvision_tensors(layers, weights, kept), {});
    expect_named();
    test::write_bytes(path, test::onnx_vgg16(layers, weights).file());
    expect_named();
    test::write_keras2(path, layers, weights);
    expect_named();
    test::write_keras3(path, layers, weights);
    expect_named();
  }
}

// torchvision's vgg16_bn: modules 0, 3, 7, … are convolutions, the ones after them normalise.
TEST(OtherNetworks, BatchNormalisationIsNamed) {
  const test::TemporaryFolder folder;
  const auto path = folder / "w";
  const auto layers = test::small_vgg16();
  const auto weights = test::random_convolutions(layers, 5);
  std::vector<std::vector<float>> kept;
  std::vector<TensorView> tensors = torchvision_tensors(layers, weights, kept);
  std::size_t index = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto name = [&](std::size_t module, const char* tensor) {
      return "features." + std::to_string(module) + "." + tensor;
    };
    tensors[2 * i].name = name(index, "weight");
    tensors[2 * i + 1].name = name(index, "bias");
    for (const char* tensor : {"weight", "bias", "running_mean", "running_var"})
      tensors.push_back({name(index + 1, tensor), {layers[i].output_channels}, weights[i].bias});
    index += layers[i].pool_after ? 4 : 3;
  }
  write_safetensors(path, tensors, {});
  test::expect_refused(path,
                       {"features.2.weight", "a VGG16 with batch normalisation", "plain VGG16"},
                       [&] { read_convolutions(path, layers); });
}

TEST(TransposedKernels, AreNamedByTheOrderOfTheirAxes) {
  const test::TemporaryFolder folder;
  const auto path = folder / "w";
  const auto layers = test::small_vgg16();
  const auto weights = test::random_convolutions(layers, 5);
  const auto read = [&] { read_convolutions(path, layers); };
  const auto expect_named = [&](const char* is, const char* due) {
    test::expect_refused(
        path, {std::string("in the order ") + is, std::string("to ") + due, "block1_conv2"}, read);
  };
  auto tensors = convolution_tensors(layers, weights);
  tensors[2].shape = {2, 2, 3, 3};
  write_safetensors(path, tensors, {});
  expect_named("OIHW", "HWIO");
  std::vector<std::vector<float>> kept;
  tensors = torchvision_tensors(layers, weights, kept);
  tensors[2].shape = {3, 3, 2, 2};
  write_safetensors(path, tensors, {});
  expect_named("HWIO", "OIHW");
  tensors[2].shape = {2, 3, 3, 2};
  write_safetensors(path, tensors, {});
  expect_named("OHWI", "OIHW");
  test::OnnxGraph graph = test::onnx_vgg16(layers, weights);
  graph.initialisers[2] = test::onnx_tensor("tensor_12", tensors[2].shape, tensors[2].data);
  test::write_bytes(path, graph.file());
  expect_named("OHWI", "OIHW");
}

TEST(WeightsFormat, IsSeenFromTheFirstBytes) {
  const test::TemporaryFolder folder;
  const auto path = folder / "file.h5";  // the ending says nothing
  const auto layers = test::small_vgg16();
  const auto weights = test::random_convolutions(layers, 5);
  std::vector<std::vector<float>> kept;
  write_safetensors(path, torchvision_tensors(layers, weights, kept), {});
  EXPECT_EQ(weights_format_of(path), WeightsFormat::safetensors);
  test::write_bytes(path, test::onnx_vgg16(layers, weights).file());
  EXPECT_EQ(weights_format_of(path), WeightsFormat::onnx);
  test::write_keras3(path, layers, weights);
  EXPECT_EQ(weights_format_of(path), WeightsFormat::hdf5);
}

TEST(WeightsFormat, FilesThatPeopleTryGetAdvice) {
  using namespace std::string_literals;
  struct Case {
    std::string bytes;
    std::vector<std::string> words;
  };
  const std::string zip = "PK\x03\x04"s + std::string(26, '\0');
  const Case cases[] = {
      {"", {"empty"}},
      {zip + "archive/data.pkl", {".pth", "torch.load", "safetensors"}},
      {zip + "metadata.json", {".keras", "save_weights"}},
      {"\x80\x02\x8a\nl\xfc\x9c"s, {"pickle", "torch.load"}},
      {"version https://git-lfs.github.com/spec/v1\n", {"git lfs pull"}},
      {"<!DOCTYPE html>", {"web page"}},
      {"\x89PNG\r\n\x1a\n", {"not a weights file"}},
      {"\x93NUMPY\x01\x00"s, {"not a weights file"}},
      {"x", {"not a weights file"}},
  };
  const test::TemporaryFolder folder;
  const auto path = folder / "weights.safetensors";
  for (const Case& tried : cases) {
    test::write_bytes(path, tried.bytes);
    test::expect_refused(path, tried.words, [&] { load_vgg16_weights(path); });
    test::expect_refused(path, tried.words, [&] { describe_weights_file(path); });
  }
}

TEST(WeightsFormat, FolderAndPipeAreNamed) {
  const test::TemporaryFolder folder;
  test::expect_refused(folder.path(), {"it is a folder", "name the weights file"},
                       [&] { load_vgg16_weights(folder.path()); });
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  test::expect_refused(folder / "pipe", {"not a regular file"},
                       [&] { describe_weights_file(folder / "pipe"); });
}

TEST(WeightsFormat, AbsentFileIsAnInputOutputError) {
  const test::TemporaryFolder folder;
  try {
    load_vgg16_weights(folder / "absent.h5");
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("absent.h5"));
  }
}

TEST(WeightsFileSummary, ShowsFilesThatAreNoVgg16) {
  const test::TemporaryFolder folder;
  const std::string json =
      R"({"__metadata__":{"a":"b"},"x":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(json.size());
  test::write_bytes(folder / "f", bytes + json + "1234");
  const WeightsFileSummary summary = describe_weights_file(folder / "f");
  EXPECT_EQ(summary.format, "safetensors");
  ASSERT_EQ(summary.tensors.size(), 1U);
  EXPECT_EQ(summary.tensors[0].name, "x");
  EXPECT_THAT(summary.tensors[0].shape, ::testing::ElementsAre(2, 1));
  EXPECT_THAT(summary.metadata, ::testing::ElementsAre(::testing::Pair("a", "b")));
}

// The one test with a file of full size (59 MB each): a Keras file, imported, is the same weights.
TEST(Vgg16Weights, ImportKeepsValuesDigestAndSource) {
  const test::TemporaryFolder folder;
  const auto weights = test::random_convolutions(vgg16_layers, 17);
  test::write_keras2(folder / "keras.h5", vgg16_layers, weights);
  const Vgg16Weights loaded = load_vgg16_weights(folder / "keras.h5");
  for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
    EXPECT_EQ(loaded.layers[i].kernel, weights[i].kernel);
    EXPECT_EQ(loaded.layers[i].bias, weights[i].bias);
  }
  EXPECT_EQ(loaded.source, "Keras 2 HDF5 file keras.h5");

  const auto imported_path = folder / "imported.safetensors";
  save_vgg16_weights(imported_path, loaded);
  const Vgg16Weights imported = load_vgg16_weights(imported_path);
  EXPECT_EQ(imported.digest, loaded.digest);
  EXPECT_EQ(imported.source, loaded.source);
  for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
    EXPECT_EQ(imported.layers[i].kernel, weights[i].kernel);
    EXPECT_EQ(imported.layers[i].bias, weights[i].bias);
  }

  // The digest is that of the values in canonical order, and a changed value no longer fits it.
  Digester digester;
  for (const ConvolutionWeights& layer : weights) {
    digester.add(std::as_bytes(std::span(layer.kernel)));
    digester.add(std::as_bytes(std::span(layer.bias)));
  }
  EXPECT_EQ(imported.digest, digester.digest());
  std::fstream file(imported_path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-4, std::ios::end);
  const auto lowest = static_cast<char>(file.get() ^ 1);
  file.seekp(-4, std::ios::end);
  file.put(lowest);
  file.close();
  test::expect_refused(imported_path, {"digest", "damaged"},
                       [&] { load_vgg16_weights(imported_path); });
}

TEST(Vgg16Weights, ImageNetWeightsAreTheOnesOfKeras) {
  const auto path = test::vgg16_weights_file();
  if (!path) GTEST_SKIP() << "needs the imported VGG16 weights (tools/fetch_weights.sh)";
  const Vgg16Weights weights = load_vgg16_weights(*path);
  EXPECT_EQ(weights.layers[0].kernel[0], 0.42947057F);
  for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
    const Vgg16Layer& layer = vgg16_layers[i];
    EXPECT_EQ(weights.layers[i].kernel.size(), 9 * layer.input_channels * layer.output_channels);
    EXPECT_EQ(weights.layers[i].bias.size(), layer.output_channels);
  }
}

}  // namespace
}  // namespace graft
