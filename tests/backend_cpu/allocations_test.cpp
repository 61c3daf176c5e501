// Once warm, a batch takes no memory: neither a training step, nor an evaluation, nor a batch of
// the backbone. Every way to the heap that the program's own code has is counted: `new`, and malloc
// and aligned_alloc, whose calls the linker brings here (--wrap, see CMakeLists.txt).

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "engine/backend/cpu/aligned_floats.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "engine/backend/cpu/cpu_head.h"
#include "tests/backend/head_samples.h"
#include "tests/backend_cpu/random_network.h"
#include "tests/kernels/isa_test.h"

namespace {

std::atomic<std::size_t> allocated_bytes = 0;

void count(std::size_t size) {
  allocated_bytes += size == 0 ? 1 : size;
}

}  // namespace

// The names that the linker's --wrap gives to what is wrapped and to what wraps it.
extern "C" {
void* real_malloc(std::size_t size) __asm__("__real_malloc");
void* real_aligned_alloc(std::size_t alignment, std::size_t size) __asm__("__real_aligned_alloc");
void* counted_malloc(std::size_t size) __asm__("__wrap_malloc");
void* counted_aligned_alloc(std::size_t alignment,
                            std::size_t size) __asm__("__wrap_aligned_alloc");

void* counted_malloc(std::size_t size) {
  count(size);
  return real_malloc(size);
}
void* counted_aligned_alloc(std::size_t alignment, std::size_t size) {
  count(size);
  return real_aligned_alloc(alignment, size);
}
}

namespace {

void* checked(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// These call the counting functions above.
void* operator new(std::size_t size) {
  return checked(std::malloc(size == 0 ? 1 : size));
}
void* operator new[](std::size_t size) {
  return checked(std::malloc(size == 0 ? 1 : size));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto line = static_cast<std::size_t>(alignment);
  return checked(std::aligned_alloc(line, (size + line - 1) / line * line));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace graft {
namespace {

template <typename Action>
std::size_t bytes_taken_by(const Action& action) {
  const std::size_t before = allocated_bytes;
  action();
  return allocated_bytes - before;
}

// A value that the compiler believes is looked at, so that it cannot leave out what made it.
const void* volatile looked_at;

TEST(Allocations, AreCounted) {
  EXPECT_EQ(bytes_taken_by([] {
              const auto value = std::make_unique<std::uint64_t>(1);
              looked_at = value.get();
            }),
            sizeof(std::uint64_t));
  EXPECT_EQ(bytes_taken_by([] {
              const std::vector<float> values(100);
              looked_at = values.data();
            }),
            100 * sizeof(float));
  EXPECT_GE(bytes_taken_by([] {
              const cpu::AlignedFloats values(100);
              looked_at = values.data();
            }),
            100 * sizeof(float));
}

constexpr std::size_t thread_count = 3;

class AllocatesNothing : public test::IsaTest {};
GRAFT_FOR_EACH_ISA(AllocatesNothing);

// The shapes are large enough that every stage is shared between the threads.
TEST_P(AllocatesNothing, InATrainingStepAfterTheFirst) {
  for (const std::size_t classes : {2, 3}) {
    HeadOptions options;
    options.inputs = 777;
    options.hidden = {517, 40};
    options.classes = classes;
    options.batch_size = 16;
    options.steps = 9;
    options.class_weights.assign(classes, 0.5F);
    cpu::ThreadPool pool(thread_count);
    const auto head = cpu::make_cpu_head(options, pool, kernels());
    const test::Samples samples = test::random_samples(16, options.inputs, classes, 2);
    head->set_state(test::random_state(options, 3));
    head->set_training_data(samples.view(), samples.labels,
                            test::random_normalization(options.inputs, 4));
    const std::vector<std::uint32_t> rows = test::first_rows(16);
    test::train_step(*head, rows, 0);
    EXPECT_EQ(bytes_taken_by([&] {
                for (std::uint64_t step = 1; step < 5; ++step) test::train_step(*head, rows, step);
                test::train_step(*head, std::span(rows).first(7), 5);
              }),
              0U)
        << classes << " classes";
  }
}

// Few rows and many take different ways through the head.
TEST_P(AllocatesNothing, InEvaluationAndPredictionAfterTheFirst) {
  HeadOptions options;
  options.inputs = 777;
  options.hidden = {517};
  options.classes = 3;
  options.views = 2;
  cpu::ThreadPool pool(thread_count);
  const auto head = cpu::make_cpu_head(options, pool, kernels());
  head->set_state(test::random_state(options, 3));
  for (const std::size_t rows : {20, 300}) {
    const test::Samples samples = test::random_samples(rows, options.inputs, 3, 2);
    std::vector<float> probabilities(rows / 2 * 3);
    const auto both = [&] {
      test::evaluate(*head, samples.view(), std::span(samples.labels).first(rows / 2));
      head->predict(samples.view(), probabilities);
    };
    both();
    EXPECT_EQ(bytes_taken_by(both), 0U) << rows << " rows";
  }
}

// One backbone, made and warmed here: a full batch and a short one.
void expect_no_memory_taken_by_batches(cpu::Isa isa, const Vgg16Weights& weights,
                                       ConvolutionAlgorithm algorithm, std::size_t batch,
                                       const FeatureSource& source = {}) {
  constexpr ImageSize size = {50, 67};
  cpu::CpuBackend backend(thread_count, isa);
  const auto backbone = backend.make_backbone(
      weights,
      {.image_size = size, .batch_size = batch, .algorithm = algorithm, .features = source});
  const std::vector<std::uint8_t> pixels =
      test::random_pixels(batch * size.height * size.width * 3, 11);
  const HostBuffer images = backend.allocate_host(pixels.size());
  std::ranges::copy(pixels, images.as<std::uint8_t>().begin());
  const HostBuffer features =
      backend.allocate_host(batch * vgg16_feature_shape(size, source).count() * sizeof(float));
  const auto submit = [&](std::size_t count) {
    backbone->wait(backbone->submit(images.as<const std::uint8_t>(), count, features.as<float>()));
  };
  submit(batch);
  EXPECT_EQ(bytes_taken_by([&] { submit(batch); }), 0U);
  EXPECT_EQ(bytes_taken_by([&] { submit((batch + 1) / 2); }), 0U) << "a short batch";
}

// A backbone for one image and one for several cut their layers differently.
TEST_P(AllocatesNothing, InABatchOfTheBackboneAfterTheFirst) {
  static const Vgg16Weights weights = test::random_vgg16(7);
  for (const ConvolutionAlgorithm algorithm :
       {ConvolutionAlgorithm::automatic, ConvolutionAlgorithm::direct}) {
    for (const std::size_t batch : {1, 5}) {
      SCOPED_TRACE(::testing::Message() << name_of(algorithm) << ", batch " << batch);
      expect_no_memory_taken_by_batches(GetParam(), weights, algorithm, batch);
    }
  }
  expect_no_memory_taken_by_batches(GetParam(), weights, ConvolutionAlgorithm::automatic, 5,
                                    {{Layer::block1, Layer::block3}, Pooling::average_max});
}

// Weights and activations of the layers after the last wanted one.
TEST_P(AllocatesNothing, ForLayersThatTheFeaturesDoNotNeed) {
  static const Vgg16Weights weights = test::random_vgg16(7);
  cpu::CpuBackend backend(1, GetParam());
  const auto bytes_up_to = [&](Layer layer, Pooling pooling) {
    const FeatureSource source = {{layer}, pooling};
    BackboneOptions options;
    options.features = source;
    return bytes_taken_by([&] { backend.make_backbone(weights, options); });
  };
  constexpr std::size_t mib = std::size_t{1} << 20U;
  const std::size_t all = bytes_up_to(Layer::block5, Pooling::none);
  EXPECT_LT(bytes_up_to(Layer::block1, Pooling::average), all - 100 * mib);
  EXPECT_LT(bytes_up_to(Layer::block3, Pooling::average), all - 50 * mib);
  // The outputs of a group that are only pooled: 4 × 4 × 512 floats an image, at most 32 of them.
  EXPECT_LE(bytes_up_to(Layer::block5, Pooling::average), all + 2 * mib);
}

}  // namespace
}  // namespace graft
