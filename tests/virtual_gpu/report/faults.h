#pragma once
// Makes chosen API calls fail. VGPU_FAIL="cudaMalloc:3:2,cublasLtMatmul:1:13": the third cudaMalloc
// returns error 2, the first cublasLtMatmul returns 13. A kernel launch is called cudaLaunchKernel.
// CUDA errors that break a context (700, 702, 710, 714 … 719) stay, as they do on a device. Error 0,
// for calls of the runtime only, skips the call: it reports success and does nothing, as in a program
// that forgot it.
//
// Engines of cuDNN fail by their number, -1 for every engine: "engine.finalize:12:4000" (a plan of
// engine 12 cannot be built), "engine.execute:34:5000" (a plan of engine 34 fails when it is
// executed), "engine.saturate:41:1" (it stores at most 65504 in a half, instead of Inf).

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
  std::map<long, int> of_engines(const std::string& name);  // by number
  std::map<std::string, long> calls();                      // since the start, or the last set()

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
