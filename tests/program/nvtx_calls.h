#pragma once
// What tests/profile/nvtx_injection.cpp has written down.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace graft::test {

struct NvtxCalls {
  std::vector<std::string> domains, streams;
  std::map<std::string, std::string> threads;  // the last name of each, by its id
  // "outer/inner" for each range, by its thread: how it lay in others.
  std::map<std::string, std::vector<std::string>> ranges;
  std::string fault;  // a range that was not ended, or ended twice; empty: none
};

// Of a file that is not there: nothing.
NvtxCalls read_nvtx_calls(const std::filesystem::path& file);

// The ranges of all threads.
std::vector<std::string> all_ranges(const NvtxCalls& calls);

}  // namespace graft::test
