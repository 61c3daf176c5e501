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

class PoolSpans final : public Tracer {
 public:
  TraceDetail detail() const noexcept override { return TraceDetail::device_times; }
  void name_thread(const std::string&) override {}
  void begin(const char*, std::uint64_t) noexcept override {}
  void end() noexcept override {}
  void device_span(const DeviceSpan& span) noexcept override {
    names.emplace_back(span.name);
    if (names.back() == "global_pool") pools.emplace_back(span.layer, span.bytes);
  }
  std::vector<std::string> names;
  std::vector<std::pair<std::string, std::uint64_t>> pools;
};

TEST_F(CudaBackbone, ATraceShowsEachPoolByItsLayerAndNothingAfterTheLast) {
  PoolSpans tracer;
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

TEST_F(CudaBackbone, RefusesFeaturesThatFp16DoesNotHold) {
  BackboneOptions options = small_images(1);
  options.precision = Precision::fp16;
  Vgg16Weights weights = some_weights();
  for (float& value : weights.layers[6].kernel) value *= 1000.0F;
  for (float& value : weights.layers[7].kernel) value *= 1000.0F;
  const Batch batch(*backend_, options, 1, 1);
  EXPECT_THAT(
      test::error_of([&] { test::compute(*backend_->make_backbone(weights, options), batch); }),
      HasSubstr("too large for fp16"));
  weights.layers[7].kernel[5] = 70000.0F;
  EXPECT_EQ(test::error_of([&] { backend_->make_backbone(weights, options); }),
            "The weights of block4_conv1 hold 70000, which is beyond fp16; choose "
            "backbone.precision \"bf16\" or \"fp32\".");
  options.precision = Precision::bf16;
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

}  // namespace
}  // namespace graft
