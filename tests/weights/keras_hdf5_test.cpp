#include <zlib.h>

#include <functional>

#include "engine/weights/convolution_files.h"
#include "tests/support/files.h"
#include "tests/support/forked.h"
#include "tests/support/support.h"
#include "tests/weights/hdf5_writer.h"
#include "tests/weights/small_vgg16.h"

namespace graft {
namespace {

using test::Hdf5Writer;

class KerasHdf5 : public ::testing::Test {
 protected:
  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "weights.h5";
  const test::Layers layers_ = test::small_vgg16();
  const test::Convolutions weights_ = test::random_convolutions(layers_, 13);

  ConvolutionFile read() const { return read_convolutions(path_, layers_); }
  void expect_read() const { test::expect_same(read().convolutions, weights_); }
  void expect_refused(const std::vector<std::string>& words) const {
    test::expect_refused(path_, words, [&] { read(); });
  }
  // A Keras 2 file of one convolution whose kernel is what `kernel` writes.
  void expect_refused_kernel(const std::function<void(Hdf5Writer&, const std::string&)>& kernel,
                             const std::vector<std::string>& words) const {
    {
      Hdf5Writer writer(path_);
      writer.group("a");
      kernel(writer, "a/k");
      const std::size_t bias_shape[] = {layers_[0].output_channels};
      writer.floats("a/b", bias_shape, weights_[0].bias);
      writer.names("a", "weight_names", {"k", "b"});
      writer.names("", "layer_names", {"a"});
    }
    const std::span<const Vgg16Layer> first(layers_.data(), 1);
    test::expect_refused(path_, words, [&] { read_convolutions(path_, first); });
  }
};

TEST_F(KerasHdf5, Keras2FollowsTheAttributes) {
  test::write_keras2(path_, layers_, weights_);
  const ConvolutionFile file = read();
  test::expect_same(file.convolutions, weights_);
  EXPECT_EQ(file.source, "Keras 2 HDF5 file weights.h5");
}

TEST_F(KerasHdf5, Keras2IsReadInEachOfItsForms) {
  for (const test::Keras2Options& options : std::initializer_list<test::Keras2Options>{
           {.variable_length = true}, {.root = "model_weights"}, {.nested = true}}) {
    test::write_keras2(path_, layers_, weights_, options);
    expect_read();
  }
}

TEST_F(KerasHdf5, Keras2LayerOfAnotherKindBetweenIsRefused) {
  test::write_keras2(path_, layers_, weights_, {.before_last = "batch_norm"});
  expect_refused({"12 of 13", "batch_norm", "plain VGG16"});
}

TEST_F(KerasHdf5, Keras3ReadsInTheOrderOfNumbers) {
  test::write_keras3(path_, layers_, weights_);
  const ConvolutionFile file = read();
  test::expect_same(file.convolutions, weights_);
  EXPECT_EQ(file.source, "Keras 3 HDF5 file weights.h5");
}

TEST_F(KerasHdf5, Keras3ModelWithinAModelIsRead) {
  test::write_keras3(path_, layers_, weights_, "layers/functional/layers");
  expect_read();
  test::write_keras3(path_, layers_, weights_, "_layer_checkpoint_dependencies");
  expect_read();
}

// Keras 3 numbers each class of layers on its own, so that the order between them is not in the file.
TEST_F(KerasHdf5, Keras3BatchNormalisationIsRefusedWhereItIsNotOfAHead) {
  for (const std::size_t normalisations : {std::size_t{2}, layers_.size()}) {
    {
      Hdf5Writer writer(path_);
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        const std::string number = i == 0 ? "" : "_" + std::to_string(i);
        const std::size_t channels[] = {layers_[i].output_channels};
        writer.floats("layers/conv2d" + number + "/vars/0", hwio_shape(layers_[i]),
                      weights_[i].kernel);
        writer.floats("layers/conv2d" + number + "/vars/1", channels, weights_[i].bias);
        if (i < normalisations)
          writer.floats("layers/batch_normalization" + number + "/vars/0", channels,
                        weights_[i].bias);
      }
    }
    if (normalisations < layers_.size()) {
      expect_read();
    } else {
      expect_refused({"13 batch normalisations", "plain VGG16"});
    }
  }
}

TEST_F(KerasHdf5, TransposedKernelIsNamedByTheOrderOfItsAxes) {
  expect_refused_kernel(
      [&](Hdf5Writer& writer, const std::string& where) {
        writer.floats(where, oihw_shape(layers_[0]), weights_[0].kernel);
      },
      {"a/k", "2×3×3×3", "in the order OIHW", "to HWIO"});
}

TEST_F(KerasHdf5, TooFewConvolutionsAreCounted) {
  const std::span<const Vgg16Layer> twelve(layers_.data(), 12);
  test::write_keras2(path_, twelve, weights_);
  expect_refused({"12 of 13", "dense"});
  test::write_keras3(path_, twelve, weights_);
  expect_refused({"12 convolutions", "13"});
}

TEST_F(KerasHdf5, AnotherNetworkIsNamedByItsShape) {
  test::Layers other = layers_;
  other[4].output_channels = 9;
  other[5].input_channels = 9;
  const auto weights = test::random_convolutions(other, 1);
  test::write_keras2(path_, other, weights);
  expect_refused({test::keras2_kernel(4), "3×3×4×9", "block3_conv1", "3×3×4×5"});
  test::write_keras3(path_, other, weights);
  expect_refused({"layers/conv2d_4/vars/0", "3×3×4×9", "block3_conv1", "3×3×4×5"});
}

TEST_F(KerasHdf5, NanIsRefused) {
  test::Convolutions bad = weights_;
  bad[3].kernel[5] = std::numeric_limits<float>::quiet_NaN();
  test::write_keras2(path_, layers_, bad);
  expect_refused({"value 5", "kernel", "block2_conv2", "nan"});
}

TEST_F(KerasHdf5, FileOfSomethingElseIsRefused) {
  { Hdf5Writer(path_).group("images"); }
  expect_refused({"not one of Keras'", "layer_names", "layers"});
}

TEST_F(KerasHdf5, MissingAttributeIsNamed) {
  {
    Hdf5Writer writer(path_);
    writer.group("a");
    writer.names("", "layer_names", {"a"});
  }
  expect_refused({"\"a\"", "weight_names"});
}

TEST_F(KerasHdf5, MissingGroupAndDatasetAreNamed) {
  { Hdf5Writer(path_).names("", "layer_names", {"absent"}); }
  expect_refused({"no group", "absent"});
  {
    Hdf5Writer writer(path_);
    writer.group("a");
    writer.names("a", "weight_names", {"a/kernel:0"});
    writer.names("", "layer_names", {"a"});
  }
  expect_refused({"no dataset", "a/a/kernel:0"});
}

TEST_F(KerasHdf5, AttributesThatAreNoNamesAreRefused) {
  { Hdf5Writer(path_).names("", "layer_names", {std::string(5000, 'n')}); }
  expect_refused({"layer_names", "cannot be read"});
  { Hdf5Writer(path_).names("", "layer_names", std::vector<std::string>(10'001, "n")); }
  expect_refused({"layer_names", "no list of names"});
  { Hdf5Writer(path_).number("", "layer_names", 13); }
  expect_refused({"layer_names", "no list of names"});
}

hid_t chunked(std::span<const std::size_t> shape) {
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  const hid_t settings = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(settings, static_cast<int>(extents.size()), extents.data());
  return settings;
}

// 3 GB of zeros in 3 MB, as a chunk that claims the bytes of one kernel.
std::string deflated_bomb() {
  z_stream stream{};
  deflateInit(&stream, 9);
  std::string zeros(std::size_t{1} << 20, '\0');
  std::string block(4096, '\0');
  std::string bomb;
  constexpr std::uint64_t blocks = 3000;
  for (std::uint64_t i = 0; i < 2; ++i) {  // the first block has the header, the others are equal
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(zeros.size());
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    deflate(&stream, Z_FULL_FLUSH);
    const std::size_t size = block.size() - stream.avail_out;
    for (std::uint64_t copy = 0; copy < (i == 0 ? 1 : blocks - 1); ++copy)
      bomb.append(block, 0, size);
  }
  deflateEnd(&stream);
  return bomb;
}

TEST_F(KerasHdf5, ChunkThatInflatesToThreeGigabytesMeetsTheLimitOnMemory) {
  if (const char* reason = test::why_no_memory_limit()) GTEST_SKIP() << reason;
  const std::vector<Vgg16Layer> one = {{"block1_conv1", 3, 1000, false}};
  {
    Hdf5Writer writer(path_);
    const std::size_t bias_shape[] = {1000};
    const hid_t settings = chunked(hwio_shape(one[0]));
    H5Pset_deflate(settings, 9);
    writer.chunk("layers/conv2d/vars/0", hwio_shape(one[0]), settings, deflated_bomb());
    writer.floats("layers/conv2d/vars/1", bias_shape, std::vector<float>(1000));
  }
  test::expect_refused(path_, {"more than 512 MiB of memory"},
                       [&] { read_convolutions(path_, one); });
}

TEST_F(KerasHdf5, KernelWithoutABiasIsRefused) {
  {
    Hdf5Writer writer(path_);
    writer.floats("a/k", hwio_shape(layers_[0]), weights_[0].kernel);
    writer.names("a", "weight_names", {"k"});
    writer.names("", "layer_names", {"a"});
  }
  expect_refused({"a/k", "no bias"});
}

TEST_F(KerasHdf5, LinksAreNotFollowed) {
  const auto elsewhere = folder_ / "elsewhere.h5";
  { Hdf5Writer(elsewhere).floats("k", hwio_shape(layers_[0]), weights_[0].kernel); }
  expect_refused_kernel(
      [&](Hdf5Writer& writer, const std::string& where) {
        writer.floats("other/k", hwio_shape(layers_[0]), weights_[0].kernel);
        writer.soft_link("/other/k", where);
      },
      {"\"k\"", "link", "not followed"});
  expect_refused_kernel(
      [&](Hdf5Writer& writer, const std::string& where) {
        writer.external_link(elsewhere.string(), "/k", where);
      },
      {"\"k\"", "link", "not followed"});
  {
    Hdf5Writer writer(path_);
    writer.group("there");
    writer.soft_link("/there", "layers");
  }
  expect_refused({"\"layers\"", "link"});
}

TEST_F(KerasHdf5, SoftLinkToAGroupIsNotFollowed) {
  {
    Hdf5Writer writer(path_);
    writer.group("real");
    writer.names("real", "weight_names", {"k", "b"});
    writer.soft_link("/real", "a");
    writer.names("", "layer_names", {"a"});
  }
  expect_refused({"\"a\"", "link"});
}

TEST_F(KerasHdf5, ValuesInOtherFilesAreRefused) {
  const auto raw = folder_ / "values.bin";
  const auto bytes = weights_[0].kernel.size() * sizeof(float);
  test::write_bytes(raw, std::string(bytes, '\0'));
  expect_refused_kernel(
      [&](Hdf5Writer& writer, const std::string& where) {
        const hid_t settings = H5Pcreate(H5P_DATASET_CREATE);
        H5Pset_external(settings, raw.c_str(), 0, bytes);
        writer.dataset(where, hwio_shape(layers_[0]), H5T_IEEE_F32LE, nullptr, settings);
      },
      {"a/k", "external storage"});
  expect_refused_kernel(
      [&](Hdf5Writer& writer, const std::string& where) {
        const auto shape = hwio_shape(layers_[0]);
        const hsize_t extents[] = {shape[0], shape[1], shape[2], shape[3]};
        const hid_t space = H5Screate_simple(4, extents, nullptr);
        const hid_t settings = H5Pcreate(H5P_DATASET_CREATE);
        H5Pset_virtual(settings, space, "elsewhere.h5", "/k", space);
        H5Sclose(space);
        writer.dataset(where, shape, H5T_IEEE_F32LE, nullptr, settings);
      },
      {"a/k", "virtual"});
}

TEST_F(KerasHdf5, OnlyBuiltInFiltersAreUsed) {
  const auto shape = hwio_shape(layers_[0]);
  expect_refused_kernel(
      [&](Hdf5Writer& writer, const std::string& where) {
        const hid_t settings = chunked(shape);
        H5Pset_fletcher32(settings);
        writer.floats(where, shape, weights_[0].kernel, settings);
      },
      {"a/k", "filter 3", "deflate"});
  expect_refused_kernel(
      [&](Hdf5Writer& writer, const std::string& where) {
        const hid_t settings = chunked(shape);
        H5Pset_filter(settings, 32000, H5Z_FLAG_OPTIONAL, 0, nullptr);  // a plugin's number
        writer.floats(where, shape, weights_[0].kernel, settings);
      },
      {"a/k", "filter 32000"});
}

TEST_F(KerasHdf5, DeflatedChunksAreRead) {
  const auto shape = hwio_shape(layers_[0]);
  const std::size_t bias_shape[] = {layers_[0].output_channels};
  {
    Hdf5Writer writer(path_);
    const std::size_t chunk[] = {2, 3, 2, 2};
    const hid_t settings = chunked(chunk);
    H5Pset_shuffle(settings);
    H5Pset_deflate(settings, 6);
    writer.floats("layers/conv2d/vars/0", shape, weights_[0].kernel, settings);
    writer.floats("layers/conv2d/vars/1", bias_shape, weights_[0].bias);
  }
  const std::span<const Vgg16Layer> first(layers_.data(), 1);
  test::expect_same(read_convolutions(path_, first).convolutions, {weights_[0]});
}

TEST_F(KerasHdf5, UnwrittenValuesAreRefused) {
  const auto shape = hwio_shape(layers_[0]);
  const auto nothing = [&](Hdf5Writer& writer, const std::string& where) {
    writer.dataset(where, shape, H5T_IEEE_F32LE, nullptr);
  };
  expect_refused_kernel(nothing, {"a/k", "never written"});
}

TEST_F(KerasHdf5, OtherTypesAreRefused) {
  const auto shape = hwio_shape(layers_[0]);
  const auto of_type = [&](hid_t type) {
    return [&, type](Hdf5Writer& writer, const std::string& where) {
      const std::vector<double> values(weights_[0].kernel.begin(), weights_[0].kernel.end());
      writer.dataset(where, shape, type, values.data());
    };
  };
  expect_refused_kernel(of_type(H5T_IEEE_F64LE), {"a/k", "64 bits", "float32"});
  expect_refused_kernel(of_type(H5T_STD_I32LE), {"a/k", "integers", "float32"});
  expect_refused_kernel(of_type(H5T_IEEE_F32BE), {"a/k", "little-endian"});
}

// A dataset may claim any size: the shape is compared before memory is taken.
TEST_F(KerasHdf5, ClaimOfAHugeDatasetTakesNoMemory) {
  expect_refused_kernel(
      [&](Hdf5Writer& writer, const std::string& where) {
        const std::size_t shape[] = {3, 3, std::size_t{1} << 20, std::size_t{1} << 20};
        const std::size_t chunk[] = {1, 1, 16, 16};
        writer.dataset(where, shape, H5T_IEEE_F32LE, nullptr, chunked(chunk));
      },
      {"a/k", "3×3×1048576×1048576", "block1_conv1"});
}

TEST_F(KerasHdf5, TruncatedFileIsRefusedInSilence) {
  test::write_keras2(path_, layers_, weights_);
  const std::string whole = test::read_bytes(path_);
  ::testing::internal::CaptureStderr();
  for (std::size_t length = 8; length < whole.size(); length += whole.size() / 50) {
    SCOPED_TRACE(length);
    test::write_bytes(path_, whole.substr(0, length));
    expect_refused({"HDF5"});
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(KerasHdf5, DescriptionListsTheDatasets) {
  test::write_keras2(path_, layers_, weights_);
  const WeightsFileSummary summary = describe_weights_file(path_);
  EXPECT_EQ(summary.format, "Keras 2 HDF5");
  EXPECT_EQ(summary.tensors.size(), 27U);
  EXPECT_THAT(summary.metadata, ::testing::ElementsAre(::testing::Pair("keras_version", "2.1.6")));

  test::write_keras3(path_, layers_, weights_);
  const WeightsFileSummary keras3 = describe_weights_file(path_);
  EXPECT_EQ(keras3.format, "Keras 3 HDF5");
  ASSERT_EQ(keras3.tensors.size(), 27U);
  EXPECT_EQ(keras3.tensors[0].name, "layers/conv2d/vars/0");
  EXPECT_THAT(keras3.tensors[0].shape, ::testing::ElementsAre(3, 3, 3, 2));

  { Hdf5Writer(path_).soft_link("/nowhere", "link"); }
  EXPECT_EQ(describe_weights_file(path_).format, "HDF5");
  EXPECT_TRUE(describe_weights_file(path_).tensors.empty());
}

}  // namespace
}  // namespace graft
