// What cases claim to cost, against numbers by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/cpu/cache_flush.h"
#include "bench/cpu/cpu_cases.h"
#include "bench/cpu/kernel_work.h"
#include "bench/cpu/peaks.h"
#include "bench/suites/suites_of_backend.h"
#include "bench/suites/vgg16_work.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using bench::Axes;
using bench::Suite;

// Planes of 150, 75, 37, 18 and 9 pixels; pools leave an odd row and column out.
TEST(Vgg16Work, IsThatOfADirectConvolutionByHand) {
  const auto layers = bench::vgg16_work({150, 150});
  EXPECT_EQ(layers[0].flop, 2.0 * 9 * 3 * 64 * 150 * 150);
  EXPECT_EQ(layers[3].flop, 2.0 * 9 * 128 * 128 * 74 * 74) << "block2_conv2 has 75×75, and a pool";
  EXPECT_EQ(layers[12].output_values, 512.0 * 4 * 4);
  EXPECT_EQ(layers[12].weight_values, 9.0 * 512 * 512 + 512);
  double weights = 0.0;
  for (const bench::LayerWork& layer : layers) weights += layer.weight_values;
  EXPECT_EQ(weights, static_cast<double>(vgg16_parameters));
  EXPECT_EQ(bench::vgg16_flop({32, 32}) / 2.0,
            1024.0 * 9 * (3 * 64 + 64 * 64) + 256.0 * 9 * (64 * 128 + 128 * 128) +
                64.0 * 9 * (128 * 256 + 2 * 256 * 256) + 16.0 * 9 * (256 * 512 + 2 * 512 * 512) +
                4.0 * 9 * (3 * 512 * 512));
}

TEST(KernelWork, EveryKernelOfTheTableIsThereAndCountsItsBytes) {
  const Axes axes{{4}, {{32, 32}}, {Precision::fp32}};
  std::set<std::string> names;
  for (const auto& list : {bench::backbone_kernels(cpu::Isa::portable, axes),
                           bench::head_kernels(cpu::Isa::portable, axes)}) {
    for (const bench::KernelWork& work : list) {
      EXPECT_GT(work.bytes, 0.0) << work.name;
      names.insert(work.name);
    }
  }
  EXPECT_THAT(names,
              ::testing::IsSupersetOf(
                  {"gemm", "finish", "winograd_input", "winograd_output", "winograd_weights",
                   "convolution_rgb", "preprocess", "pack_rows", "dense_forward", "sum_chunks",
                   "relu_dropout", "relu_dropout_backward", "dense_backward_input", "dense_update",
                   "bias_update", "sigmoid_cross_entropy", "softmax_cross_entropy"}));
}

TEST(KernelMemory, IsCheckedBeforeItIsTaken) {
  cpu::ThreadPool pool(1);
  bench::CacheFlush flush(pool);
  const bench::CpuContext context{cpu::Isa::portable, pool, flush};
  std::size_t asked = 0;
  for (const auto& listed :
       bench::cpu_kernel_cases(context, {{1'000'000'000}, {{32, 32}}, {Precision::fp32}})) {
    if (!listed.what.name.starts_with("kernels/dense_forward")) continue;
    ++asked;
    EXPECT_THAT(error_of([&] { listed.prepare(); }),
                ::testing::AllOf(::testing::StartsWith(listed.what.name + " needs "),
                                 ::testing::HasSubstr("choose fewer --threads")));
  }
  EXPECT_GT(asked, 0U);
}

TEST(CeilingsMemory, IsTwoArraysThatGrowWithTheThreads) {
  EXPECT_EQ(bench::memory_of_copy_peak(1), 2.0 * 128 * (1U << 20U));
  EXPECT_EQ(bench::memory_of_copy_peak(1024), 64.0 * (1U << 30U));
}

TEST(HeadCost, IsTwoProductsForwardAndBackwardAndOneMoreBehindTheFirstLayer) {
  cpu::CpuBackend backend(1);
  bench::SuitesOfBackend suites(
      backend, {}, [] {}, true);
  const auto cases = suites.cases(Suite::head, {{16}, {{150, 150}}, {Precision::fp32}});
  ASSERT_EQ(cases.size(), 3U);
  EXPECT_EQ(cases[0].name, "head/train_step/inputs:8192/hidden:256/batch:16");
  const double first = 8192.0 * 256, last = 256.0;
  EXPECT_EQ(cases[0].cost.flop, 2.0 * 16 * (2 * first + 3 * last));
  EXPECT_EQ(cases[1].cost.flop, 2.0 * 800 * (first + last));
}

TEST(SuitesOfBackend, WithoutTimesASampleRunsAndIsZero) {
  cpu::CpuBackend backend(1);
  int flushes = 0;
  bench::SuitesOfBackend suites(
      backend, {}, [&] { ++flushes; }, false);
  const auto cases = suites.cases(Suite::head, {{2}, {{32, 32}}, {Precision::fp32}});
  for (const bench::Case& one : cases) {
    const auto subject = suites.prepare(one);
    EXPECT_EQ(subject->sample(bench::CacheState::cold, 1), 0.0) << one.name;
  }
  EXPECT_EQ(flushes, 3);
}

}  // namespace
}  // namespace graft::test
