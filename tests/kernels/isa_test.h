#pragma once
// A test that runs once for every vector unit, and is skipped, by name, where the processor lacks
// it.

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

inline std::string isa_test_name(const ::testing::TestParamInfo<cpu::Isa>& info) {
  switch (info.param) {
    case cpu::Isa::portable:
      return "portable";
    case cpu::Isa::avx2:
      return "avx2";
    case cpu::Isa::avx512:
      return "avx512";
  }
  return "";
}

}  // namespace graft::test

#define GRAFT_FOR_EACH_ISA(suite)                                                       \
  INSTANTIATE_TEST_SUITE_P(EachIsa, suite, ::testing::ValuesIn(::graft::cpu::all_isas), \
                           ::graft::test::isa_test_name)
