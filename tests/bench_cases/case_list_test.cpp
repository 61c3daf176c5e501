#include "bench/cases/case_list.h"

#include <gtest/gtest.h>

namespace graft::test {
namespace {

using bench::Suite;

TEST(CaseName, HasTheSuiteTheWorkAndTheAxesInTheirOrder) {
  const bench::Case what = bench::named_case(
      Suite::layers, "block1_conv2/direct",
      {{"precision", "fp32"}, {"size", bench::size_text({150, 150})}, {"batch", "8"}});
  EXPECT_EQ(what.name, "layers/block1_conv2/direct/fp32/size:150/batch:8");
  EXPECT_EQ(what.axes.at(2), (std::pair<std::string, std::string>{"batch", "8"}));
  EXPECT_EQ(bench::size_text({480, 640}), "480x640");
}

TEST(Cases, AreUniqueByName) {
  std::vector<bench::Case> cases = {bench::named_case(Suite::head, "a", {}),
                                    bench::named_case(Suite::head, "b", {})};
  cases.push_back(cases.front());
  const auto unique = bench::without_repeats(cases);
  ASSERT_EQ(unique.size(), 2U);
  EXPECT_EQ(unique[1].name, "head/b");
}

}  // namespace
}  // namespace graft::test
