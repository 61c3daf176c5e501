#pragma once
// Cases, each with the way to its memory: what a suite is, written down in one place.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/harness/bench_device.h"
#include "bench/harness/case.h"

namespace graft::bench {

struct ListedCase {
  Case what;
  std::function<std::unique_ptr<Subject>()> prepare;  // takes the memory
};
using CaseList = std::vector<ListedCase>;

// "150", or "150x224" for an image that is not square: height first.
std::string size_text(ImageSize size);

// A case named after its suite, `work` and its axes in their order: "layers/block1_conv2/winograd",
// "size:150", "batch:8", in one. The precision stands without a word: "fp32".
Case named_case(Suite suite, std::string_view work,
                std::vector<std::pair<std::string, std::string>> axes);

// What a device has listed so far, by name.
class ListedCases {
 public:
  // The cases of the list, in its order; a name that stands there twice (two sizes of image can
  // give the same features) is one case.
  std::vector<Case> add(CaseList list);
  // Throws Error(usage) when no such case was added.
  std::unique_ptr<Subject> prepare(const std::string& name) const;

 private:
  std::map<std::string, std::function<std::unique_ptr<Subject>()>> prepare_;
};

}  // namespace graft::bench
