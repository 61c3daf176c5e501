// The GPU's features against the CPU's.

#include "tests/backend_cuda/backbone/cuda_backbone_test.h"

#include <gmock/gmock.h>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/image/image.h"
#include "tests/reference/feature_map_ops.h"

namespace graft {
namespace {

using test::Batch;
using test::same_bytes;
using test::small_images;
using test::some_weights;
using ::testing::HasSubstr;

// Of the largest feature. What the half types round away adds up over 13 layers.
double tolerance(Precision precision) {
  switch (precision) {
    case Precision::tf32:
    case Precision::fp16:
      return 1e-2;
    case Precision::bf16:
      return 8e-2;
    case Precision::fp32:
      break;
  }
  return 1e-4;
}

struct Case {
  ImageSize size;
  Preprocess preprocess;
  Precision precision;
};
std::string text_of(const Case& one) {
  return std::to_string(one.size.height) + "x" + std::to_string(one.size.width) + "_" +
         std::string(name_of(one.preprocess)) + "_" + std::string(name_of(one.precision));
}
void PrintTo(const Case& one, std::ostream* out) {
  *out << text_of(one);
}

class CudaFeatures : public test::CudaBackboneTest, public ::testing::WithParamInterface<Case> {};

TEST_P(CudaFeatures, AreTheCpus) {
  BackboneOptions options = small_images(2);
  options.image_size = GetParam().size;
  options.preprocess = GetParam().preprocess;
  options.precision = GetParam().precision;
  const Batch batch(*backend_, options, 2, 1), last(*backend_, options, 1, 2);
  const auto backbone = backend_->make_backbone(some_weights(), options);
  for (const Batch* images : {&batch, &last}) {
    test::compute(*backbone, *images);
    EXPECT_TRUE(test::nearly_equal(images->rows(),
                                   test::cpu_features(some_weights(), options, *images),
                                   tolerance(options.precision)));
  }
}

INSTANTIATE_TEST_SUITE_P(CudaFeatures, CudaFeatures,
                         ::testing::Values(Case{{32, 32}, Preprocess::rescale, Precision::fp32},
                                           Case{{37, 45}, Preprocess::caffe, Precision::fp32},
                                           Case{{32, 32}, Preprocess::torch, Precision::tf32},
                                           Case{{37, 45}, Preprocess::rescale, Precision::fp16},
                                           Case{{32, 32}, Preprocess::caffe, Precision::bf16}),
                         [](const auto& test) { return text_of(test.param); });

// Layers, pooled and flat, that end before the last block.
class CudaFeaturesOfLayers : public test::CudaBackboneTest,
                             public ::testing::WithParamInterface<Precision> {};
INSTANTIATE_TEST_SUITE_P(EachPrecision, CudaFeaturesOfLayers,
                         ::testing::Values(Precision::fp32, Precision::tf32, Precision::fp16,
                                           Precision::bf16),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST_P(CudaFeaturesOfLayers, AreTheCpus) {
  BackboneOptions options = small_images(2);
  options.image_size = {37, 45};
  options.precision = GetParam();
  for (const FeatureSource& source :
       {FeatureSource{{Layer::block1}, Pooling::none},
        {{Layer::block3}, Pooling::average},
        {{Layer::block1, Layer::block2, Layer::block3}, Pooling::average_max}}) {
    options.features = source;
    const Batch batch(*backend_, options, 2, 1), last(*backend_, options, 1, 2);
    const auto backbone = backend_->make_backbone(some_weights(), options);
    for (const Batch* images : {&batch, &last}) {
      test::compute(*backbone, *images);
      EXPECT_TRUE(test::nearly_equal(images->rows(),
                                     test::cpu_features(some_weights(), options, *images),
                                     tolerance(options.precision)))
          << name_of(source.pooling) << " up to " << name_of(source.layers.back());
    }
  }
}

class CudaBackbone : public test::CudaBackboneTest {};

// All five layers: 1×1 pixels in the last map.
TEST_F(CudaBackbone, PooledFeaturesAreStatisticsOfTheFlatOnes) {
  BackboneOptions options = small_images(2);
  options.features = {{Layer::block1, Layer::block4, Layer::block5}, Pooling::average_max};
  const Batch pooled(*backend_, options, 2, 1);
  test::compute(*backend_->make_backbone(some_weights(), options), pooled);
  const auto groups = vgg16_feature_groups(options.image_size, options.features);
  for (const FeatureGroup& group : groups) {
    options.features = {{group.layer}, Pooling::none};
    const FeatureShape shape = vgg16_feature_shape(options.image_size, options.features);
    const Batch flat(*backend_, options, 2, 1);
    test::compute(*backend_->make_backbone(some_weights(), options), flat);
    const auto expected =
        reference::global_pool(flat.rows(), {2, shape.height, shape.width, shape.channels});
    const bool is_maximum = group.statistic == Pooling::max;
    std::vector<float> columns;
    for (std::size_t image = 0; image < 2; ++image) {
      const std::vector<float> row = pooled.row(image);
      const auto first = row.begin() + static_cast<std::ptrdiff_t>(group.first);
      columns.insert(columns.end(), first, first + static_cast<std::ptrdiff_t>(group.columns));
    }
    EXPECT_TRUE(test::nearly_equal(columns, is_maximum ? expected.maximum : expected.average,
                                   is_maximum ? 0.0 : 1e-6))
        << name_of(group.statistic) << " of " << name_of(group.layer);
  }
}

class KernelSpans final : public Tracer {
 public:
  TraceDetail detail() const noexcept override { return TraceDetail::device_times; }
  void name_thread(const std::string&) override {}
  void begin(const char*, std::uint64_t) noexcept override {}
  void end() noexcept override {}
  void device_span(const DeviceSpan& span) noexcept override {
    names.emplace_back(span.name);
    if (span.layer != nullptr) kernels.emplace_back(span.name, span.layer);
    if (names.back() == "global_pool") pools.emplace_back(span.layer, span.bytes);
  }
  bool contain(const char* kernel, std::string_view layer) const {
    return std::ranges::find(kernels, std::pair<std::string, std::string>(kernel, layer)) !=
           kernels.end();
  }
  std::vector<std::string> names;
  std::vector<std::pair<std::string, std::string>> kernels;  // with their layers
  std::vector<std::pair<std::string, std::uint64_t>> pools;
};

TEST_F(CudaBackbone, ATraceShowsEachPoolByItsLayerAndNothingAfterTheLast) {
  KernelSpans tracer;
  backend_->set_tracer(&tracer);
  BackboneOptions options = small_images(1);
  options.features = {{Layer::block1, Layer::block2}, Pooling::max};
  const auto backbone = backend_->make_backbone(some_weights(), options);
  const Batch batch(*backend_, options, 1, 1);
  test::compute(*backbone, batch);
  EXPECT_EQ(std::ranges::count(tracer.names, "convolution"), 4);
  EXPECT_EQ(std::ranges::count(tracer.names, "cast_features"), 0);
  const std::vector<std::pair<std::string, std::uint64_t>> pools = {
      {"block1_conv2", 4U * 64 * (16 * 16 + 1)}, {"block2_conv2", 4U * 128 * (8 * 8 + 1)}};
  EXPECT_EQ(tracer.pools, pools);
}

TEST_F(CudaBackbone, PhotosWithTheRealWeightsInEveryPrecision) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const auto weights_file = test::vgg16_weights_file();
  if (!weights_file) GTEST_SKIP() << "needs the imported weights (tools/fetch_weights.sh)";
  const Vgg16Weights weights = load_vgg16_weights(*weights_file);
  BackboneOptions options = small_images(2);
  options.image_size = {64, 64};
  options.preprocess = Preprocess::caffe;  // the largest activations
  const Batch photos(*backend_, options, 2);
  const auto folder = reference / "data" / "cats_and_dogs" / "train";
  const std::filesystem::path files[] = {folder / "cats" / "cat.0.jpg",
                                         folder / "dogs" / "dog.0.jpg"};
  for (std::size_t i = 0; i < photos.count(); ++i) {
    const Image image = decode_image(read_file(files[i], maximum_image_file_bytes), {});
    resize_image(image, Resize::nearest, options.image_size, photos.image(i));
  }
  const std::vector<float> expected = test::cpu_features(weights, options, photos);
  for (const Precision precision :
       {Precision::fp32, Precision::tf32, Precision::fp16, Precision::bf16}) {
    options.precision = precision;
    test::compute(*backend_->make_backbone(weights, options), photos);
    EXPECT_TRUE(test::nearly_equal(photos.rows(), expected, tolerance(precision)))
        << name_of(precision);
  }
}

TEST_F(CudaBackbone, AnImagesFeaturesDoNotDependOnItsPlaceOrCompany) {
  const BackboneOptions options = small_images(3);
  const auto backbone = backend_->make_backbone(some_weights(), options);
  const Batch full(*backend_, options, 3, 1);
  test::compute(*backbone, full);
  for (std::size_t i = 0; i < 3; ++i) {
    const Batch other(*backend_, options, 3, 7), alone(*backend_, options, 1);
    std::ranges::copy(full.image(i), other.image(2 - i).begin());
    std::ranges::copy(full.image(i), alone.image(0).begin());
    test::compute(*backbone, other);
    test::compute(*backbone, alone);
    EXPECT_TRUE(same_bytes(other.row(2 - i), full.row(i))) << i;
    EXPECT_TRUE(same_bytes(alone.row(0), full.row(i))) << i;
  }
}

TEST_F(CudaBackbone, WritesTheRowsOfItsImagesOnly) {
  const BackboneOptions options = small_images(3);
  const auto backbone = backend_->make_backbone(some_weights(), options);
  const Batch batch(*backend_, options, 3, 1);
  backbone->wait(backbone->submit(batch.images(), 1, batch.features()));
  EXPECT_NE(batch.row(0), std::vector<float>(batch.row(0).size(), -1.0F));
  EXPECT_EQ(batch.row(1), std::vector<float>(batch.row(1).size(), -1.0F));
  EXPECT_EQ(batch.row(2), std::vector<float>(batch.row(2).size(), -1.0F));
}

TEST_F(CudaBackbone, TicketsAreWaitedForInAnyOrder) {
  const BackboneOptions options = small_images(1);
  const auto backbone = backend_->make_backbone(some_weights(), options);
  std::vector<Batch> batches;
  std::vector<Backbone::Ticket> tickets;
  for (std::uint32_t i = 0; i < 4; ++i) {
    batches.emplace_back(*backend_, options, 1, i);
    tickets.push_back(test::submit(*backbone, batches.back()));
  }
  backbone->wait(tickets[2]);  // and so for those before
  const std::vector<float> third = batches[2].rows();
  backbone->wait(tickets[0]);
  backbone->wait(tickets[2]);
  backbone->wait(tickets[3]);
  const Batch again(*backend_, options, 1, 2);
  test::compute(*backbone, again);
  EXPECT_TRUE(same_bytes(third, again.rows()));
  EXPECT_EQ(test::error_of([&] { backbone->wait(tickets[3] + 2); }),
            "The backbone gave out no ticket 6: the last is 5.");
}

TEST_F(CudaBackbone, RefusesABatchThatIsNotOne) {
  const BackboneOptions options = small_images(2);
  const auto backbone = backend_->make_backbone(some_weights(), options);
  const Batch batch(*backend_, options, 3, 1);
  constexpr std::size_t image = 3072, feature = 512;
  const auto refused = [&](std::size_t count, std::size_t bytes, std::size_t floats) {
    const std::string sentence = test::error_of([&] {
      backbone->submit(batch.images().first(bytes), count, batch.features().first(floats));
    });
    return sentence.starts_with("A batch of " + std::to_string(count) + " images does not fit");
  };
  EXPECT_TRUE(refused(0, image, feature));
  EXPECT_TRUE(refused(3, 3 * image, 3 * feature));
  EXPECT_TRUE(refused(2, 2 * image - 1, 2 * feature));
  EXPECT_TRUE(refused(2, 2 * image, 2 * feature - 1));
}

TEST_F(CudaBackbone, RefusesWeightsThatFp16DoesNotHold) {
  BackboneOptions options = small_images(1);
  options.precision = Precision::fp16;
  Vgg16Weights weights = some_weights();
  weights.layers[7].kernel[5] = 70000.0F;
  EXPECT_EQ(test::error_of([&] { backend_->make_backbone(weights, options); }),
            "The weights of block4_conv1 hold 70000, which is beyond fp16; choose "
            "backbone.precision \"bf16\" or \"fp32\".");
  options.precision = Precision::bf16;
  const Batch batch(*backend_, options, 1, 1);
  EXPECT_EQ(
      test::error_of([&] { test::compute(*backend_->make_backbone(weights, options), batch); }),
      "");
}

TEST_F(CudaBackbone, RefusesWeightsAndOptionsThatDoNotFit) {
  Vgg16Weights weights = some_weights();
  weights.layers[4].bias.pop_back();
  EXPECT_EQ(test::error_of([&] { backend_->make_backbone(weights, small_images(1)); }),
            "The weights of block3_conv1 have the wrong size.");
  BackboneOptions options = small_images(0);
  EXPECT_THAT(test::error_of([&] { backend_->make_backbone(some_weights(), options); }),
              HasSubstr("batch_size is 0"));
  options = small_images(std::size_t{1} << 40U);
  EXPECT_THAT(test::error_of([&] { backend_->make_backbone(some_weights(), options); }),
              HasSubstr("choose a backbone.batch_size of at most 32767"));
  options = small_images(1);
  options.image_size = {31, 32};
  EXPECT_THAT(test::error_of([&] { backend_->numerics(options); }), HasSubstr("too small"));
}

// So that what the key names is what computes.
TEST_F(CudaBackbone, AllPlansAreChosenByNumerics) {
  const test::TemporaryFolder folder;
  BackboneOptions options = small_images(5);
  options.cache = folder / "plans";
  backend_->numerics(options);
  ASSERT_FALSE(std::filesystem::is_empty(options.cache));
  std::filesystem::remove_all(options.cache);
  backend_->make_backbone(some_weights(), options);
  EXPECT_FALSE(std::filesystem::exists(options.cache)) << "a plan was chosen later";
}

TEST_F(CudaBackbone, NumericsNameAllThatDecidesTheBytes) {
  BackboneOptions options = small_images(2);
  const std::string numerics = backend_->numerics(options);
  EXPECT_THAT(numerics, HasSubstr("cuda fp32 1, "));
  EXPECT_THAT(numerics, HasSubstr(", batch 2, engines "));
  EXPECT_EQ(backend_->numerics(options), numerics);
  options.batch_size = 3;
  EXPECT_NE(backend_->numerics(options), numerics);
  options = small_images(2);
  options.precision = Precision::fp16;
  EXPECT_NE(backend_->numerics(options), numerics);
}

// ---- Halves that are not finite ----

// One output of a layer, in all its pixels.
constexpr std::size_t large_channel = 5;

// The layer's weights that make its large channel. Those of the next layer that read it: inputs.
void set_outputs(Vgg16Weights& weights, std::size_t layer, float value) {
  std::vector<float>& kernel = weights.layers[layer].kernel;
  const std::size_t outputs = vgg16_layers[layer].output_channels;
  for (std::size_t i = large_channel; i < kernel.size(); i += outputs) kernel[i] = value;
}
void set_inputs(Vgg16Weights& weights, std::size_t layer, float value) {
  const Vgg16Layer& shape = vgg16_layers[layer];
  for (std::size_t tap = 0; tap < 9; ++tap) {
    const auto row = weights.layers[layer].kernel.begin() +
                     static_cast<std::ptrdiff_t>((tap * shape.input_channels + large_channel) *
                                                 shape.output_channels);
    std::fill_n(row, shape.output_channels, value);
  }
}

// Each layer, where the features need no layer of a later block.
class HalvesOfLayer : public test::CudaBackboneTest,
                      public ::testing::WithParamInterface<std::size_t> {
 protected:
  void SetUp() override {
    CudaBackboneTest::SetUp();
    constexpr Layer blocks[] = {Layer::block1, Layer::block2, Layer::block3, Layer::block4,
                                Layer::block5};
    options_.precision = Precision::fp16;
    options_.features = {{blocks[vgg16_layers[layer_].name[5] - '1']}, Pooling::average};
  }
  std::string error() {
    const Batch batch(*backend_, options_, 1, 1);
    return test::error_of(
        [&] { test::compute(*backend_->make_backbone(weights_, options_), batch); });
  }

  const std::size_t layer_ = GetParam();
  BackboneOptions options_ = small_images(1);
  Vgg16Weights weights_ = some_weights();
};
std::string layer_name(const ::testing::TestParamInfo<std::size_t>& test) {
  return std::string(vgg16_layers[test.param].name);
}
INSTANTIATE_TEST_SUITE_P(, HalvesOfLayer, ::testing::Range(std::size_t{0}, vgg16_convolutions),
                         layer_name);

// Each layer before another one of its block.
class HalvesThatALayerReads : public HalvesOfLayer {};
INSTANTIATE_TEST_SUITE_P(, HalvesThatALayerReads, ::testing::Values(0, 2, 4, 5, 7, 8, 10, 11),
                         layer_name);

TEST_P(HalvesOfLayer, InfiniteSumsAreRefused) {
  EXPECT_EQ(error(), "");
  set_outputs(weights_, layer_, 60000.0F);
  EXPECT_THAT(error(), HasSubstr("are too large for fp16 with these weights"));
}

// A ReLU makes them 0 in the features. With its ReLU a convolution stores that 0 and nothing is lost.
TEST_P(HalvesOfLayer, SumsOfMinusInfinityAreRefused) {
  set_outputs(weights_, layer_, -60000.0F);
  KernelSpans spans;
  backend_->set_tracer(&spans);
  const std::string sentence = error();
  backend_->set_tracer(nullptr);
  const std::string_view name = vgg16_layers[layer_].name;
  const bool stores_sums =
      spans.contain("bias_relu", name) || spans.contain("bias_relu_max_pool", name);
  EXPECT_EQ(sentence != "", stores_sums) << sentence;
}

// 0 times infinity.
TEST_P(HalvesThatALayerReads, NansInTheNextLayerAreRefused) {
  set_outputs(weights_, layer_, 60000.0F);
  set_inputs(weights_, layer_ + 1, 0.0F);
  EXPECT_THAT(error(), HasSubstr("are too large for fp16"));
}

// Nothing but the flag shows an infinity whose weights in the next layer are negative.
TEST_P(HalvesThatALayerReads, MinusInfinityInTheNextLayerIsRefused) {
  set_outputs(weights_, layer_, 60000.0F);
  set_inputs(weights_, layer_ + 1, -1.0F);
  EXPECT_THAT(error(), HasSubstr("are too large for fp16"));
}

TEST_P(HalvesOfLayer, SumsThatTheirBiasMakesInfiniteAreRefused) {
  set_outputs(weights_, layer_, 10.0F);
  EXPECT_EQ(error(), "");
  weights_.layers[layer_].bias[large_channel] = 65504.0F;
  EXPECT_THAT(error(), HasSubstr("are too large for fp16"));
}

class Halves : public test::CudaBackboneTest {
 protected:
  // Weights that are too large for black images. White ones have the sum -65472, which is a half.
  static Vgg16Weights not_for_black() {
    Vgg16Weights weights = some_weights();
    set_outputs(weights, 0, 0.0F);
    for (std::size_t input = 0; input < 3; ++input) {  // of the tap in the middle
      weights.layers[0].kernel[(4 * 3 + input) * 64 + large_channel] = -21824.0F;
    }
    weights.layers[0].bias[large_channel] = 65504.0F;
    set_inputs(weights, 1, 2.0F);
    return weights;
  }
  static BackboneOptions options(std::size_t batch_size) {
    BackboneOptions options = small_images(batch_size);
    options.precision = Precision::fp16;
    options.features = {{Layer::block1}, Pooling::average};
    return options;
  }
};

// A convolution with its ReLU may make a NaN 0, and the next would not show it.
TEST_F(Halves, NoConvolutionWithItsReluFollowsAnother) {
  KernelSpans spans;
  backend_->set_tracer(&spans);
  BackboneOptions all = small_images(1);
  all.precision = Precision::fp16;
  const Batch batch(*backend_, all, 1, 1);
  test::compute(*backend_->make_backbone(some_weights(), all), batch);
  backend_->set_tracer(nullptr);
  bool follows = false;
  for (const Vgg16Layer& layer : vgg16_layers) {
    ASSERT_TRUE(spans.contain("convolution", layer.name)) << layer.name;
    const bool has_relu = !layer.pool_after && !spans.contain("bias_relu", layer.name);
    EXPECT_FALSE(has_relu && follows) << layer.name;
    EXPECT_EQ(spans.contain("bias_relu_max_pool", layer.name), layer.pool_after) << layer.name;
    follows = has_relu;
  }
}

// Neither by the zeros of rows that had no image yet, nor by an earlier batch's image.
TEST_F(Halves, ABatchIsRefusedForItsOwnImagesOnly) {
  const auto backbone = backend_->make_backbone(not_for_black(), options(2));
  const Batch white(*backend_, options(2), 2), black(*backend_, options(2), 2);
  std::ranges::fill(white.images(), std::uint8_t{255});
  std::ranges::fill(black.images(), std::uint8_t{0});
  const auto submit_first = [&](const Batch& batch) {
    return backbone->submit(batch.images(), 1, batch.features());
  };
  for (std::size_t slot = 0; slot < cuda::backbone_slots; ++slot) {
    EXPECT_EQ(test::error_of([&] { backbone->wait(submit_first(white)); }), "");
  }
  for (std::size_t slot = 0; slot < cuda::backbone_slots; ++slot) {
    EXPECT_THAT(test::error_of([&] { test::compute(*backbone, black); }),
                HasSubstr("too large for fp16"));
  }
  for (std::size_t slot = 0; slot < cuda::backbone_slots; ++slot) {
    EXPECT_EQ(test::error_of([&] { backbone->wait(submit_first(white)); }), "");
  }
}

TEST_F(Halves, EachBatchInFlightHasItsOwnFlagInEveryOrder) {
  const auto backbone = backend_->make_backbone(not_for_black(), options(1));
  const std::vector<bool> is_black = {true, false, false, true, true, false};
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    if (test::on_virtual_gpu()) GRAFT_VIRTUAL_GPU(vgpu_set_seed)(seed);
    std::vector<Batch> batches;
    std::vector<Backbone::Ticket> tickets;
    for (const bool one : is_black) {
      batches.emplace_back(*backend_, options(1), 1);
      std::ranges::fill(batches.back().images(), static_cast<std::uint8_t>(one ? 0 : 255));
      tickets.push_back(test::submit(*backbone, batches.back()));
    }
    for (std::size_t i = 0; i < tickets.size(); ++i) {
      const std::string sentence = test::error_of([&] { backbone->wait(tickets[i]); });
      EXPECT_EQ(sentence != "", is_black[i]) << "batch " << i << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace graft
