// Features of any layers, pooled or flat, on the CPU.

#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "engine/base/file.h"
#include "engine/base/trace.h"
#include "engine/image/image.h"
#include "tests/backend/expect_error.h"
#include "tests/backend_cpu/photos.h"
#include "tests/kernels/isa_test.h"
#include "tests/reference/convolution.h"
#include "tests/reference/feature_map_ops.h"
#include "tests/support/npz.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using cpu::CpuBackend;
using ::testing::ElementsAre;

constexpr Layer all_layers[] = {Layer::block1, Layer::block2, Layer::block3, Layer::block4,
                                Layer::block5};

// Features by their definition, from the flat features of each layer.
std::vector<float> pooled(const FeatureSource& source, ImageSize size, std::size_t count,
                          const std::vector<std::vector<float>>& flat) {
  std::vector<float> rows;
  for (std::size_t image = 0; image < count; ++image) {
    for (const Layer layer : source.layers) {
      const FeatureShape shape = vgg16_feature_shape(size, {{layer}, Pooling::none});
      const std::span<const float> map =
          std::span(flat[static_cast<std::size_t>(layer)]).subspan(image * shape.count());
      const auto [average, maximum] = reference::global_pool(
          map.first(shape.count()), {1, shape.height, shape.width, shape.channels});
      if (source.pooling != Pooling::max) rows.insert(rows.end(), average.begin(), average.end());
      if (source.pooling != Pooling::average)
        rows.insert(rows.end(), maximum.begin(), maximum.end());
    }
  }
  return rows;
}

class FeaturesOfLayers : public IsaTest {
 protected:
  std::vector<float> run(const Photos& photos, std::size_t batch_size, const FeatureSource& source,
                         std::size_t threads = 2) const {
    CpuBackend backend(threads, GetParam());
    BackboneOptions options = options_for(photos, batch_size);
    options.features = source;
    return features(backend, weights(), photos, options);
  }
  std::vector<std::vector<float>> flat(const Photos& photos, std::size_t batch_size) const {
    std::vector<std::vector<float>> maps;
    for (const Layer layer : all_layers) {
      maps.push_back(run(photos, batch_size, {{layer}, Pooling::none}));
    }
    return maps;
  }
};
GRAFT_FOR_EACH_ISA(FeaturesOfLayers);

TEST_P(FeaturesOfLayers, FlatAreTheLayersFeatureMapAfterItsPool) {
  const Photos photos = random_photos({37, 45}, 1);
  const auto image = reference::preprocess(Preprocess::rescale, 37, 45, photos.rgb);
  for (const Layer layer : all_layers) {
    EXPECT_TRUE(nearly_equal(run(photos, 1, {{layer}, Pooling::none}),
                             reference::rounded(reference::vgg16(weights(), image, layer)), 1e-5))
        << name_of(layer);
  }
}

// From 1×1 pixels in the last map on, odd sizes, and batches with a tail.
TEST_P(FeaturesOfLayers, PooledAreStatisticsOfTheFlatOnes) {
  for (const ImageSize size : {ImageSize{32, 32}, {50, 67}}) {
    const Photos photos = random_photos(size, 5);
    const auto maps = flat(photos, 3);
    for (const FeatureSource& source :
         {FeatureSource{{Layer::block1}, Pooling::average},
          {{Layer::block2}, Pooling::max},
          {{Layer::block5}, Pooling::average_max},
          {{Layer::block3, Layer::block5}, Pooling::average},
          {{Layer::block1, Layer::block2, Layer::block4}, Pooling::average_max}}) {
      EXPECT_TRUE(
          nearly_equal(run(photos, 3, source), pooled(source, size, photos.count, maps), 1e-6))
          << size.height << "×" << size.width << ", " << name_of(source.pooling) << " up to "
          << name_of(source.layers.back());
    }
  }
}

// A maximum is a value of the map: the bytes of the flat features, whatever else is computed.
TEST_P(FeaturesOfLayers, MaximaAreValuesOfTheFlatOnes) {
  const Photos photos = random_photos({75, 53}, 2);
  const FeatureSource source = {{std::begin(all_layers), std::end(all_layers)}, Pooling::max};
  EXPECT_TRUE(same_bytes(run(photos, 2, source), pooled(source, photos.size, 2, flat(photos, 2))));
}

TEST_P(FeaturesOfLayers, DoNotDependOnBatchPositionOrThreads) {
  const Photos photos = random_photos({50, 67}, 7);
  const FeatureSource source = {{Layer::block2, Layer::block3}, Pooling::average_max};
  const std::vector<float> expected = run(photos, 2, source, 1);
  EXPECT_TRUE(same_bytes(run(photos, 7, source, 1), expected));
  EXPECT_TRUE(same_bytes(run(photos, 3, source, 2), expected));
  EXPECT_TRUE(same_bytes(run(photos, 32, source, 3), expected));
}

TEST(FeaturesOfLayersBytes, AreTheSameWithAvx2AndAvx512) {
  if (!cpu::supports(cpu::Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  const Photos photos = random_photos({75, 53}, 2);
  BackboneOptions options = options_for(photos, 2);
  options.features = {{Layer::block1, Layer::block4}, Pooling::average_max};
  CpuBackend avx2(2, cpu::Isa::avx2), avx512(2, cpu::Isa::avx512);
  EXPECT_TRUE(same_bytes(features(avx2, weights(), photos, options),
                         features(avx512, weights(), photos, options)));
}

// A group of images is as many as a cache holds: of these photos, one in the first layers and fewer
// than 30 in those after block2.
TEST(FeaturesOfLayersGroups, EachWriteTheRowsOfTheirImages) {
  const Photos photos = random_photos({150, 131}, 30);
  CpuBackend backend(2);
  const auto run = [&](const FeatureSource& source) {
    BackboneOptions options = options_for(photos, 30);
    options.features = source;
    return features(backend, weights(), photos, options);
  };
  std::vector<std::vector<float>> maps(5);
  for (const Layer layer : {Layer::block2, Layer::block3})
    maps[static_cast<std::size_t>(layer)] = run({{layer}, Pooling::none});
  for (const FeatureSource& source : {FeatureSource{{Layer::block2}, Pooling::max},
                                      {{Layer::block2, Layer::block3}, Pooling::max}}) {
    EXPECT_TRUE(same_bytes(run(source), pooled(source, photos.size, 30, maps)))
        << "up to " << name_of(source.layers.back());
  }
}

class SpanNames final : public Tracer {
 public:
  TraceDetail detail() const noexcept override { return TraceDetail::kernels; }
  void name_thread(const std::string&) override {}
  void begin(const char* name, std::uint64_t) noexcept override { names.emplace_back(name); }
  void end() noexcept override {}
  std::vector<std::string> names;
};

TEST(FeaturesOfLayersWork, EndsWithTheLastWantedLayer) {
  const Photos photos = random_photos({32, 32}, 1);
  CpuBackend backend(1);
  SpanNames tracer;
  backend.set_tracer(&tracer);
  BackboneOptions options = options_for(photos, 1);
  options.features = {{Layer::block1}, Pooling::none};
  features(backend, weights(), photos, options);
  EXPECT_THAT(tracer.names, ElementsAre("block1_conv1", "block1_conv2"));
  tracer.names.clear();
  options.features = {{Layer::block1, Layer::block3}, Pooling::max};
  features(backend, weights(), photos, options);
  EXPECT_THAT(tracer.names, ElementsAre("block1_conv1", "block1_conv2", "global_pool",
                                        "block2_conv1", "block2_conv2", "block3_conv1",
                                        "block3_conv2", "block3_conv3", "global_pool"));
}

TEST(FeaturesOfLayersErrors, AreSentences) {
  CpuBackend backend(1);
  BackboneOptions options = options_for(random_photos({32, 32}, 1), 1);
  const auto refused = [&](const FeatureSource& source, const std::string& part) {
    options.features = source;
    expect_usage([&] { backend.make_backbone(weights(), options); }, part);
  };
  refused({{}, Pooling::max}, "need one layer");
  refused({{Layer::block1, Layer::block2}, Pooling::none}, "features.pooling");
  refused({{Layer::block2, Layer::block1}, Pooling::max}, "several that ascend");
  options.features = {{Layer::block5}, Pooling::average_max};
  const auto backbone = backend.make_backbone(weights(), options);
  const HostBuffer images = backend.allocate_host(32 * 32 * 3);
  const HostBuffer results = backend.allocate_host(1023 * sizeof(float));
  expect_usage([&] { backbone->submit(images.as<const std::uint8_t>(), 1, results.as<float>()); },
               "too small");
}

// Keras' VGG16 with pooling='avg' or 'max' gives the mean or maximum of its flat features.
TEST(FeaturesOfLayersKeras, PooledFeaturesOfThirtyTwoPhotosAreWithin1e4) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const auto weights_file = vgg16_weights_file();
  if (!weights_file) GTEST_SKIP() << "needs the VGG16 weights (tools/fetch_weights.sh)";
  const auto arrays = read_npz(reference / "reference" / "seed_features_keras.npz");
  const std::vector<std::string> files = arrays.at("files").strings();
  Photos photos{{150, 150}, files.size(), {}};
  photos.rgb.resize(photos.count * photos.image_bytes());
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto path = reference / "data" / "cats_and_dogs" / "train" / files[i];
    const Image image = decode_image(read_file(path, maximum_image_file_bytes), {});
    resize_image(image, Resize::nearest, photos.size,
                 std::span(photos.rgb).subspan(i * photos.image_bytes(), photos.image_bytes()));
  }
  BackboneOptions options = options_for(photos, 8);
  options.features = {{Layer::block5}, Pooling::average_max};
  const std::vector<float> expected = pooled(options.features, photos.size, photos.count,
                                             {{}, {}, {}, {}, arrays.at("features").floats()});
  CpuBackend backend(0);
  const std::vector<float> actual =
      features(backend, load_vgg16_weights(*weights_file), photos, options);
  ASSERT_EQ(actual.size(), expected.size());
  double largest_difference = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(std::isfinite(actual[i]));
    largest_difference =
        std::max(largest_difference, std::abs(static_cast<double>(actual[i] - expected[i])));
  }
  EXPECT_LE(largest_difference, 1e-4);
  RecordProperty("largest_difference", std::to_string(largest_difference));
}

}  // namespace
}  // namespace graft::test
