#include "tests/program/nvtx_calls.h"

#include <fstream>
#include <sstream>

namespace graft::test {
namespace {

// All words but the first `skipped`.
std::string rest_of(const std::string& line, int skipped) {
  std::size_t at = 0;
  for (int i = 0; i < skipped; ++i) at = line.find(' ', at) + 1;
  return line.substr(at);
}

std::string joined(const std::vector<std::string>& open) {
  std::string path;
  for (const std::string& name : open) path += (path.empty() ? "" : "/") + name;
  return path;
}

}  // namespace

NvtxCalls read_nvtx_calls(const std::filesystem::path& file) {
  NvtxCalls calls;
  std::map<std::string, std::vector<std::string>> open;  // by thread, outermost first
  std::ifstream text(file);
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string kind, thread;
    words >> kind >> thread;
    if (kind == "domain") calls.domains.push_back(rest_of(line, 1));
    if (kind == "stream") calls.streams.push_back(rest_of(line, 1));
    if (kind == "thread") calls.threads[thread] = rest_of(line, 2);
    if (kind == "push") {
      const std::string name = rest_of(line, 2);
      open[thread].push_back(name.substr(0, name.rfind(' ')));
      calls.ranges[thread].push_back(joined(open[thread]));
    } else if (kind == "pop") {
      if (open[thread].empty()) {
        calls.fault = "an end without a begin";
      } else {
        open[thread].pop_back();
      }
    }
  }
  for (const auto& [thread, names] : open) {
    if (!names.empty()) calls.fault = "not ended: " + joined(names);
  }
  return calls;
}

std::vector<std::string> all_ranges(const NvtxCalls& calls) {
  std::vector<std::string> all;
  for (const auto& [thread, ranges] : calls.ranges) {
    all.insert(all.end(), ranges.begin(), ranges.end());
  }
  return all;
}

}  // namespace graft::test
