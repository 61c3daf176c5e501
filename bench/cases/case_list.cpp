#include "bench/cases/case_list.h"

#include <fmt/format.h>

#include <set>

#include "engine/base/error.h"

namespace graft::bench {

std::string size_text(ImageSize size) {
  return size.height == size.width ? fmt::format("{}", size.height)
                                   : fmt::format("{}x{}", size.height, size.width);
}

Case named_case(Suite suite, std::string_view work, AxisValues axes) {
  Case what;
  what.suite = suite;
  what.name = fmt::format("{}/{}", name_of(suite), work);
  for (const auto& [axis, value] : axes)
    what.name +=
        axis == "precision" ? fmt::format("/{}", value) : fmt::format("/{}:{}", axis, value);
  what.axes = std::move(axes);
  return what;
}

std::vector<Case> ListedCases::add(CaseList list) {
  std::vector<Case> cases;
  cases.reserve(list.size());
  std::set<std::string> names;
  for (ListedCase& listed : list) {
    if (!names.insert(listed.what.name).second) continue;
    prepare_[listed.what.name] = std::move(listed.prepare);
    cases.push_back(std::move(listed.what));
  }
  return cases;
}

std::unique_ptr<Subject> ListedCases::prepare(const std::string& name) const {
  const auto listed = prepare_.find(name);
  if (listed == prepare_.end())
    throw Error(ErrorKind::usage, fmt::format("{}: no such case", name));
  return listed->second();
}

}  // namespace graft::bench
