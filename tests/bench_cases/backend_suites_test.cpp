// Names and costs of the cases of every Backend, against numbers by hand.

#include "bench/cases/backend_suites.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/cases/case_list.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using bench::Suite;

const bench::Axes one_point{{16}, {{150, 150}}, {Precision::fp32}};

TEST(LayerCost, CountsInputOutputAndWeightsOnceInTheStorageType) {
  const LayerShape shape = vgg16_shapes({150, 150})[3];
  const bench::Cost cost = bench::layer_cost(shape, 2, Precision::fp16);
  EXPECT_EQ(cost.flop, 2 * 2.0 * 9 * 128 * 128 * 74 * 74) << "75×75 before a pool";
  EXPECT_EQ(cost.bytes, 2.0 * (2.0 * (75 * 75 * 128 + 37 * 37 * 128) + 9.0 * 128 * 128 + 128));
  EXPECT_EQ(cost.arithmetic, Precision::fp16);
  EXPECT_EQ(bench::layer_cost(shape, 2, Precision::tf32).bytes, 2.0 * cost.bytes);
}

TEST(HeadCost, IsTwoProductsForwardAndBackwardAndOneMoreAfterTheFirstLayer) {
  cpu::CpuBackend backend(1);
  const bench::SuiteContext context{backend, {}, [] {}};
  const auto cases = bench::backend_cases(context, Suite::head, one_point);
  ASSERT_EQ(cases.size(), 3U);
  EXPECT_EQ(cases[0].name, "head/train_step/inputs:8192/hidden:256/batch:16");
  const double first = 8192.0 * 256, last = 256.0;
  EXPECT_EQ(cases[0].cost.flop, 2.0 * 16 * (2 * first + 3 * last));
  EXPECT_EQ(cases[1].cost.flop, 2.0 * 800 * (first + last));
}

TEST(HeadCases, TrainingStepsFollowEachOtherInASample) {
  cpu::CpuBackend backend(1);
  const bench::SuiteContext context{backend, {}, [] {}};
  for (const bench::Case& one : bench::backend_cases(context, Suite::head, one_point))
    EXPECT_EQ(one.sequence, one.name.starts_with("head/train_step/") ? 10U : 1U) << one.name;
}

TEST(BackboneCost, IsThatOfItsLayersOnce) {
  cpu::CpuBackend backend(1);
  const bench::SuiteContext context{backend, {}, [] {}};
  const auto cases = bench::backend_cases(context, Suite::backbone, one_point);
  ASSERT_EQ(cases.size(), 1U) << "without with_threads there is no sweep of threads";
  EXPECT_EQ(cases[0].cost.flop, 16 * vgg16_flop({150, 150}));
  EXPECT_EQ(cases[0].cost.bytes, 16 * (3.0 * 150 * 150 + 4.0 * 8192) + 4.0 * vgg16_parameters);
}

TEST(BackendSuites, AColdSampleFlushesOnce) {
  cpu::CpuBackend backend(1);
  const TemporaryFolder folder;
  bench::BenchSetup setup;
  setup.scratch = [&] { return folder.path(); };
  int flushes = 0;
  const bench::SuiteContext context{backend, setup, [&] { ++flushes; }};
  const bench::Axes axes{{2}, {{32, 32}}, {Precision::fp32}};
  int cases = 0;
  for (const Suite suite : {Suite::head, Suite::pipeline}) {
    for (const bench::Case& one : bench::backend_cases(context, suite, axes)) {
      EXPECT_GT(one.prepare()->sample(bench::CacheState::cold, 1), 0.0) << one.name;
      EXPECT_EQ(flushes, ++cases) << one.name;
    }
  }
  EXPECT_EQ(cases, 10);
}

}  // namespace
}  // namespace graft::test
