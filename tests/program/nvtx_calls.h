#pragma once
// The NVTX calls that tests/profile/nvtx_injection.cpp recorded.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace graft::test {

struct NvtxCalls {
  std::vector<std::string> domains, streams;
  std::map<std::string, std::string> threads;  // the last name of each, by its id
  // "outer/inner" for each range, by its thread: how it was nested.
  std::map<std::string, std::vector<std::string>> ranges;
  std::string fault;  // a range that was not ended, or ended twice; empty: none
};

// Empty if the file does not exist.
NvtxCalls read_nvtx_calls(const std::filesystem::path& file);

// The ranges of all threads.
std::vector<std::string> all_ranges(const NvtxCalls& calls);

}  // namespace graft::test
