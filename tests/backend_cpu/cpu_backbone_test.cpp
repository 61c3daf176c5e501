// The frozen network on the CPU, through the interface of Backend.

#include <unistd.h>

#include <string>

#include "engine/backend/cpu/cpu_backend.h"
#include "tests/backend/expect_error.h"
#include "tests/backend_cpu/photos.h"
#include "tests/kernels/isa_test.h"
#include "tests/reference/convolution.h"
#include "tests/support/forked.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using cpu::CpuBackend;
using cpu::Isa;

std::vector<float> plain_features(const Vgg16Weights& network, const Photos& photos,
                                  Preprocess how) {
  std::vector<float> all;
  for (std::size_t image = 0; image < photos.count; ++image) {
    const std::span rgb =
        std::span(photos.rgb).subspan(image * photos.image_bytes(), photos.image_bytes());
    const std::vector<float> one = reference::rounded(reference::vgg16(
        network, reference::preprocess(how, photos.size.height, photos.size.width, rgb)));
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

constexpr double tolerance = 5e-6;  // of the largest feature
constexpr ConvolutionAlgorithm algorithms[] = {ConvolutionAlgorithm::winograd,
                                               ConvolutionAlgorithm::direct};

class CpuBackbone : public IsaTest {};
GRAFT_FOR_EACH_ISA(CpuBackbone);

TEST_P(CpuBackbone, IsVgg16InDouble) {
  CpuBackend backend(2, GetParam());
  const Photos photos = random_photos({75, 53}, 1);
  static const std::vector<float> expected = plain_features(weights(), photos, Preprocess::rescale);
  for (const ConvolutionAlgorithm algorithm : algorithms) {
    EXPECT_TRUE(
        nearly_equal(features(backend, weights(), photos, options_for(photos, 1, algorithm)),
                     expected, tolerance))
        << name_of(algorithm);
  }
}

TEST_P(CpuBackbone, IsVgg16InDoubleOfPixelsWithoutTheirMean) {
  CpuBackend backend(2, GetParam());
  const Photos photos = random_photos({37, 45}, 1);
  static const std::vector<float> expected = plain_features(weights(), photos, Preprocess::caffe);
  BackboneOptions options = options_for(photos, 1);
  options.preprocess = Preprocess::caffe;
  EXPECT_TRUE(nearly_equal(features(backend, weights(), photos, options), expected, tolerance));
}

TEST_P(CpuBackbone, IsVgg16WithTheRealWeights) {
  const auto file = vgg16_weights_file();
  if (!file) GTEST_SKIP() << "needs the VGG16 weights (tools/fetch_weights.sh)";
  static const Vgg16Weights real = load_vgg16_weights(*file);
  CpuBackend backend(2, GetParam());
  const Photos photos = random_photos({64, 64}, 1);
  static const std::vector<float> expected = plain_features(real, photos, Preprocess::rescale);
  for (const ConvolutionAlgorithm algorithm : algorithms) {
    EXPECT_TRUE(nearly_equal(features(backend, real, photos, options_for(photos, 1, algorithm)),
                             expected, tolerance))
        << name_of(algorithm);
  }
}

// The plain loop would take long here: two algorithms that have little in common must agree.
TEST_P(CpuBackbone, AlgorithmsAgreeOnLongAndOddImages) {
  CpuBackend backend(2, GetParam());
  for (const ImageSize size : {ImageSize{512, 128}, {223, 151}}) {
    const Photos photos = random_photos(size, 1);
    const auto by = [&](ConvolutionAlgorithm algorithm) {
      return features(backend, weights(), photos, options_for(photos, 1, algorithm));
    };
    EXPECT_TRUE(nearly_equal(by(ConvolutionAlgorithm::winograd), by(ConvolutionAlgorithm::direct),
                             2 * tolerance))
        << size.height << 'x' << size.width;
  }
}

TEST_P(CpuBackbone, DoesNotDependOnBatchPositionOrThreads) {
  const Photos photos = random_photos({50, 67}, 7);
  for (const ConvolutionAlgorithm algorithm : algorithms) {
    const auto by = [&](std::size_t threads, std::size_t batch_size) {
      CpuBackend backend(threads, GetParam());
      return features(backend, weights(), photos, options_for(photos, batch_size, algorithm));
    };
    const std::vector<float> expected = by(1, 2);
    // With a tail of 1, no tail, and a batch that is never full.
    for (const auto& [threads, batch_size] : {std::pair(1U, 7U), {2U, 3U}, {3U, 32U}}) {
      EXPECT_TRUE(same_bytes(by(threads, batch_size), expected))
          << name_of(algorithm) << ", " << threads << " threads, batches of " << batch_size;
    }
  }
}

TEST_P(CpuBackbone, MadeForOneImageDiffersInTheLastDigitsAndSaysSo) {
  const Photos photos = random_photos({150, 131}, 2);
  CpuBackend backend(1, GetParam()), other(3, GetParam());
  const std::vector<float> one = features(backend, weights(), photos, 1);
  EXPECT_TRUE(same_bytes(features(other, weights(), photos, 1), one)) << "threads";
  const std::vector<float> two = features(backend, weights(), photos, 2);
  EXPECT_TRUE(nearly_equal(one, two, tolerance));
  EXPECT_FALSE(same_bytes(one, two));
  EXPECT_NE(backend.numerics(options_for(photos, 1, ConvolutionAlgorithm::winograd)),
            backend.numerics(options_for(photos, 2, ConvolutionAlgorithm::winograd)));
  EXPECT_EQ(backend.numerics(options_for(photos, 2, ConvolutionAlgorithm::winograd)),
            backend.numerics(options_for(photos, 32, ConvolutionAlgorithm::winograd)));
}

TEST(CpuBackboneBytes, AreTheSameWithAvx2AndAvx512) {
  if (!cpu::supports(Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  CpuBackend avx2(2, Isa::avx2), avx512(2, Isa::avx512);
  EXPECT_EQ(avx2.numerics({}), avx512.numerics({}));
  const Photos few = random_photos({64, 50}, 1);
  const BackboneOptions direct = options_for(few, 1, ConvolutionAlgorithm::direct);
  EXPECT_TRUE(
      same_bytes(features(avx2, weights(), few, direct), features(avx512, weights(), few, direct)));
  const Photos photos = random_photos({150, 131}, 2);
  EXPECT_TRUE(
      same_bytes(features(avx2, weights(), photos, 2), features(avx512, weights(), photos, 2)));
}

TEST(CpuBackboneNumerics, NameTheAlgorithm) {
  CpuBackend backend(1, Isa::portable);
  const Photos photos = random_photos({32, 32}, 1);
  const auto numerics = [&](ConvolutionAlgorithm algorithm) {
    return backend.numerics(options_for(photos, 1, algorithm));
  };
  EXPECT_EQ(numerics(ConvolutionAlgorithm::automatic), numerics(ConvolutionAlgorithm::winograd));
  EXPECT_NE(numerics(ConvolutionAlgorithm::automatic), numerics(ConvolutionAlgorithm::direct));
}

TEST(CpuBackboneSizes, AreThoseOfFiveHalvings) {
  CpuBackend backend(2);
  for (const ImageSize size : {ImageSize{32, 32}, {33, 95}, {512, 64}, {63, 400}}) {
    const Photos photos = random_photos(size, 1);
    const FeatureShape shape = vgg16_feature_shape(size);
    EXPECT_EQ(shape, (FeatureShape{size.height / 32, size.width / 32, 512}));
    const std::vector<float> values = features(backend, weights(), photos, 1);
    EXPECT_EQ(values.size(), shape.count());
    EXPECT_GT(*std::ranges::max_element(values), 0.0F);
  }
}

TEST(CpuBackboneErrors, AreSentences) {
  CpuBackend backend(1);
  const auto make = [&](std::uint32_t height, std::uint32_t width, std::size_t batch_size) {
    return backend.make_backbone(weights(), {{height, width}, Preprocess::rescale, batch_size});
  };
  expect_usage([&] { make(31, 150, 1); }, "at least [32, 32]");
  expect_usage([&] { make(150, 150, 0); }, "batch_size is 0");
  expect_error(
      ErrorKind::device, [&] { make(60000, 60000, 1); }, "smaller data.image_size");
  expect_error(
      ErrorKind::device, [&] { make(4000000000U, 4000000000U, 1U << 30U); }, "GiB");
  const auto backbone = make(32, 32, 2);
  const HostBuffer images = backend.allocate_host(3 * 32 * 32 * 3);
  const HostBuffer results = backend.allocate_host(3 * 512 * sizeof(float));
  const auto submit = [&](std::size_t count, std::size_t floats) {
    backbone->submit(images.as<const std::uint8_t>(), count, results.as<float>().first(floats));
  };
  for (const std::size_t count : {0U, 3U}) {
    expect_usage([&] { submit(count, 3 * 512); }, "does not fit");
  }
  expect_usage([&] { submit(2, 512); }, "too small");
}

TEST(CpuBackend, SaysWhatItIs) {
  EXPECT_EQ(CpuBackend(3, Isa::portable).description(), "CPU, portable, 3 threads");
  EXPECT_EQ(CpuBackend(1, Isa::portable).description(), "CPU, portable, 1 thread");
  EXPECT_EQ(CpuBackend(1, Isa::portable).numerics({}), "cpu fp32 winograd 2");
  EXPECT_EQ(CpuBackend(1).batches_in_flight(), 1U);
}

TEST(CpuBackend, SaysThatThreadsCannotBeStarted) {
  if (const char* why = why_no_memory_limit()) GTEST_SKIP() << why;
  const Ending ending = in_child([] {
    alarm(20);
    limit_more_memory(std::uint64_t{64} << 20U);
    expect_error(
        ErrorKind::device, [] { make_backend("cpu", 1000); }, "cannot start 1000 threads: ");
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_TRUE(ending.succeeded()) << "code " << ending.exit_code << ", signal " << ending.signal;
}

TEST(CpuBackend, GivesHostMemoryOnCacheLines) {
  CpuBackend backend(1);
  for (const std::size_t bytes : {0U, 1U, 63U, 4096U, 5'000'001U}) {
    const HostBuffer buffer = backend.allocate_host(bytes);
    EXPECT_EQ(buffer.bytes().size(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.bytes().data()) % 64, 0U);
    std::ranges::fill(buffer.bytes(), std::byte{1});
  }
}

TEST(MakeBackend, KnowsItsDevices) {
  EXPECT_EQ(make_backend("cpu", 2)->description().substr(0, 4), "CPU,");
  EXPECT_EQ(make_backend("auto", 1)->numerics({}), make_backend("cpu", 1)->numerics({}));
  expect_error(
      ErrorKind::device, [] { make_backend("cuda", 1); }, "\"cuda\" cannot be used: ");
  for (const char* device : {"gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda:2147483648", "cuda:Local"})
    expect_usage([&] { make_backend(device, 1); },
                 "There is no device \"" + std::string(device) + "\"");
  expect_usage([] { make_backend("cpu", 5000); }, "threads is 5000");
}

TEST(MakeBackend, ALocalGpuIsThatOfTheLauncher) {
  const auto make = [] { make_backend("cuda:local", 1); };
  expect_error(ErrorKind::device, make, "\"cuda:local\" cannot be used: ");
  setenv("SLURM_LOCALID", "first", 1);
  expect_usage(make, "SLURM_LOCALID is \"first\", not a whole number");
  unsetenv("SLURM_LOCALID");
}

}  // namespace
}  // namespace graft::test
