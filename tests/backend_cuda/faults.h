#pragma once
// Calls that fail on demand on the virtual GPU: each call of a function once.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/base/error.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft::test {

// "cudaMalloc:5:2": the fifth call returns code 2. "": none. Resets the counts of calls.
inline void set_faults(const std::string& text) {
  GRAFT_VIRTUAL_GPU(vgpu_set_faults)(text.c_str());
}

// How often each function was called since set_faults().
inline std::map<std::string, long> counted_calls() {
  const TemporaryFolder folder;
  const auto path = folder / "report.json";
  EXPECT_EQ(GRAFT_VIRTUAL_GPU(vgpu_write_report)(path.c_str()), 0);
  std::ifstream file(path);
  return nlohmann::json::parse(file).at("calls").get<std::map<std::string, long>>();
}

// A function that releases something is not made to fail: a destructor cannot report it.
inline bool is_release(const std::string& function) {
  return function.find("Destroy") != std::string::npos ||
         function.find("Free") != std::string::npos;
}

inline void expect_no_leaks(const std::string& fault) {
  set_faults("");
  EXPECT_EQ(GRAFT_VIRTUAL_GPU(vgpu_check_leaks)(), 0) << fault;
}

// `work` throws Error(device) with a sentence about the call that failed. False: it succeeds.
template <typename Work>
bool fails_on_the_device(const std::string& fault, const Work& work) {
  set_faults(fault);
  try {
    work();
    return false;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device) << fault;
    EXPECT_THAT(error.what(), ::testing::HasSubstr(" failed")) << fault;
    return true;
  }
}

// For a fixture over CudaTest or one of its children.
template <typename Fixture>
class FaultTest : public Fixture {
 protected:
  void SetUp() override {
    if (!on_virtual_gpu()) GTEST_SKIP() << "only the virtual GPU fails on demand";
    Fixture::SetUp();
  }
};

}  // namespace graft::test
