#pragma once
// A test for each vector unit, skipped by name where the processor lacks it.

#include <gtest/gtest.h>

#include <string>

#include "kernels/cpu/kernels.h"

namespace graft::test {

class IsaTest : public ::testing::TestWithParam<cpu::Isa> {
 protected:
  void SetUp() override {
    if (!cpu::supports(GetParam())) {
      GTEST_SKIP() << "this processor has no " << cpu::name_of(GetParam());
    }
  }
  const cpu::KernelTable& kernels() const { return cpu::kernels_for(GetParam()); }
};

// In the name of a test.
inline std::string isa_name(cpu::Isa isa) {
  if (isa == cpu::Isa::portable) return "portable";
  return isa == cpu::Isa::avx2 ? "avx2" : "avx512";
}

}  // namespace graft::test

#define GRAFT_FOR_EACH_ISA(suite)                                                       \
  INSTANTIATE_TEST_SUITE_P(EachIsa, suite, ::testing::ValuesIn(::graft::cpu::all_isas), \
                           [](const auto& test) { return ::graft::test::isa_name(test.param); })
