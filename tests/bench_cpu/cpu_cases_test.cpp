#include "bench/cpu/cpu_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "bench/cpu/cpu_bench_device.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using bench::Axes;

TEST(CpuKernels, AllAreCasesAndCountTheirBytes) {
  const Axes axes{{4}, {{32, 32}}, {Precision::fp32}};
  std::set<std::string> names;
  for (const auto& list : {bench::backbone_kernels(cpu::Isa::portable, axes),
                           bench::head_kernels(cpu::Isa::portable, axes)}) {
    for (const bench::KernelWork& work : list) {
      EXPECT_GT(work.bytes, 0.0) << work.name;
      names.insert(work.name);
    }
  }
  EXPECT_THAT(names, ::testing::IsSupersetOf({"gemm", "finish", "winograd_input", "winograd_output",
                                              "winograd_weights", "convolution_rgb", "global_pool",
                                              "preprocess", "pack_rows", "dense_forward",
                                              "sum_chunks", "relu_dropout", "relu_dropout_backward",
                                              "dense_backward_input", "dense_update", "bias_update",
                                              "sigmoid_cross_entropy", "softmax_cross_entropy"}));
}

TEST(CpuKernels, TheirMemoryIsCheckedBeforeItIsTaken) {
  cpu::ThreadPool pool(1);
  bench::CacheFlush flush(pool);
  const bench::CpuContext context{cpu::Isa::portable, pool, flush};
  std::size_t found = 0;
  for (const bench::Case& one :
       bench::cpu_kernel_cases(context, {{1'000'000'000}, {{32, 32}}, {Precision::fp32}})) {
    if (!one.name.starts_with("kernels/dense_forward")) continue;
    ++found;
    EXPECT_THAT(error_of([&] { one.prepare(); }),
                ::testing::AllOf(::testing::StartsWith(one.name + " needs "),
                                 ::testing::HasSubstr("choose fewer --threads")));
  }
  EXPECT_GT(found, 0U);
}

TEST(CpuCeilings, TheCopyTakesTwoArraysThatGrowWithTheThreads) {
  EXPECT_EQ(bench::memory_of_copy_peak(1), 2.0 * 128 * (1U << 20U));
  EXPECT_EQ(bench::memory_of_copy_peak(1024), 64.0 * (1U << 30U));
}

}  // namespace
}  // namespace graft::test
