#include "bench/cases/case_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/error.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using bench::CaseList;
using bench::ListedCases;
using bench::Suite;

class Nothing final : public bench::Subject {
 public:
  double sample(bench::CacheState, std::size_t) override { return 0.0; }
};

TEST(CaseName, HasTheSuiteTheWorkAndTheAxesInTheirOrder) {
  const bench::Case what = bench::named_case(
      Suite::layers, "block1_conv2/direct",
      {{"precision", "fp32"}, {"size", bench::size_text({150, 150})}, {"batch", "8"}});
  EXPECT_EQ(what.name, "layers/block1_conv2/direct/fp32/size:150/batch:8");
  EXPECT_EQ(what.axes.at(2), (std::pair<std::string, std::string>{"batch", "8"}));
  EXPECT_EQ(bench::size_text({480, 640}), "480x640");
}

TEST(ListedCases, PreparesListedCasesOnly) {
  int made = 0;
  CaseList list = {{bench::named_case(Suite::head, "a", {}), [&] {
                      ++made;
                      return std::make_unique<Nothing>();
                    }}};
  list.push_back(list.front());
  ListedCases listed;
  EXPECT_EQ(listed.add(list).size(), 1U) << "a name is a case";
  EXPECT_EQ(made, 0) << "listing takes no memory";
  EXPECT_NE(listed.prepare("head/a"), nullptr);
  EXPECT_EQ(made, 1);
  EXPECT_THAT(error_of([&] { listed.prepare("head/b"); }), ::testing::HasSubstr("head/b"));
}

}  // namespace
}  // namespace graft::test
