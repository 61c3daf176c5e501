#pragma once
// Makes chosen API calls fail. VGPU_FAIL="cudaMalloc:3:2,cublasLtMatmul:1:13": the third cudaMalloc
// returns error 2, the first cublasLtMatmul returns 13. A kernel launch is called cudaLaunchKernel.
// CUDA errors that break a context (700, 702, 710, 714 … 719) stay, as they do on a device. Error 0,
// for calls of the runtime only, skips the call: it reports success and does nothing, as in a program
// that forgot it.

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace vgpu {

class Faults {
 public:
  static Faults& instance();
  static constexpr int kSkipped = -1;
  void set(const std::string& text);      // throws std::runtime_error
  int next(const std::string& function);  // counts the call; its error, 0 for none, or kSkipped
  std::map<std::string, long> calls();    // since the start, or the last set()

 private:
  struct Fault {
    std::string function;
    long call;
    int error;
  };
  Faults();
  std::mutex mutex_;
  std::vector<Fault> faults_;
  std::map<std::string, long> calls_;
};

bool is_sticky(int error);

}  // namespace vgpu
