// GRAFT_ISA chooses the vector unit of the program.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/features/features.h"
#include "kernels/cpu/isa.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

using cpu::Isa;
using ::testing::HasSubstr;

ChildOptions with_unit(const std::string& name) {
  ChildOptions options;
  options.environment["GRAFT_ISA"] = name;
  return options;
}

std::string word_for(Isa isa) {
  return isa == Isa::portable ? "portable" : isa == Isa::avx2 ? "avx2" : "avx512";
}

TEST(VectorUnit, IsThatOfTheEnvironment) {
  for (const std::string unknown : {"sse", "AVX2", "\x1b[2J"}) {
    const Outcome outcome = graft_program({"--version"}, with_unit(unknown));
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.error, HasSubstr("expected avx2, avx512 or portable"));
  }
  for (const Isa isa : cpu::all_isas) {
    const Outcome outcome = graft_program({"--version"}, with_unit(word_for(isa)));
    const std::string name(cpu::name_of(isa));
    EXPECT_EQ(outcome.exit_code, cpu::supports(isa) ? 0 : 2);
    EXPECT_THAT(outcome.out + outcome.error,
                HasSubstr(cpu::supports(isa) ? "vector unit in use: " + name : "has no " + name));
  }
}

// A run with the unit, in the folder of its name.
void run_with(const Recipe& recipe, Isa isa) {
  const Outcome outcome =
      graft_program(recipe.arguments("run", word_for(isa)), with_unit(word_for(isa)));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  ASSERT_THAT(outcome.error, HasSubstr("device: CPU, " + std::string(cpu::name_of(isa))));
}

TEST(VectorUnit, Avx2AndAvx512GiveTheSameBytes) {
  if (!cpu::supports(Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  const Recipe recipe;
  run_with(recipe, Isa::avx2);
  run_with(recipe, Isa::avx512);
  const auto avx2 = recipe.result("avx2"), avx512 = recipe.result("avx512");
  EXPECT_TRUE(same_results(recipe.output("avx2"), recipe.output("avx512")));
  EXPECT_EQ(text_of(avx2 / "evaluation.json"), text_of(avx512 / "evaluation.json"));
}

// It rounds each product: its features have a key of their own.
TEST(VectorUnit, PortableIsClose) {
  if (!cpu::supports(Isa::avx2)) GTEST_SKIP() << "this processor has no AVX2";
  const Recipe recipe;
  run_with(recipe, Isa::portable);
  run_with(recipe, Isa::avx2);
  const auto values = [&](Isa isa) {
    const auto set =
        FeatureSet::open(recipe.output(word_for(isa)) / "features", "train", 1U << 20U);
    const FeatureView view = set.view();
    return std::vector<float>(view.data, view.data + view.rows * view.columns);
  };
  EXPECT_TRUE(nearly_equal(values(Isa::portable), values(Isa::avx2), 1e-4));
}

}  // namespace
}  // namespace graft::test
