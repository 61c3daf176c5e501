#pragma once
// Lists of cases, each with the function that prepares it.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/harness/bench_device.h"
#include "bench/harness/case.h"

namespace graft::bench {

struct ListedCase {
  Case what;
  std::function<std::unique_ptr<Subject>()> prepare;  // takes the memory
};
using CaseList = std::vector<ListedCase>;

// "150", or "150x224" (height first) for an image that is not square.
std::string size_text(ImageSize size);

// A case with the name SUITE/WORK/AXES, such as layers/block1_conv2/winograd/fp32/size:150/batch:8.
// The axis "precision" appears in it without its name.
Case named_case(Suite suite, std::string_view work, AxisValues axes);

// The cases that a device has listed so far, by name.
class ListedCases {
 public:
  // Returns the cases in the list's order. Cases with equal names become one: two image sizes can
  // have the same number of features.
  std::vector<Case> add(CaseList list);
  // Throws Error(usage) for a case that was not added.
  std::unique_ptr<Subject> prepare(const std::string& name) const;

 private:
  std::map<std::string, std::function<std::unique_ptr<Subject>()>> prepare_;
};

}  // namespace graft::bench
