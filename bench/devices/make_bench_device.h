#pragma once
// The device that the user names, as the harness drives it. The GPU's comes from
// libgraft_cuda_bench.so beside the program, which is loaded when it is asked for.

#include <functional>
#include <memory>
#include <string>

#include "bench/harness/bench_device.h"
#include "bench/harness/cuda_bench_module.h"

namespace graft::bench {

// setup.config.device: "cpu", "cuda", "cuda:N" or "auto". Throws Error(device) with a sentence when
// a GPU is asked for and there is none; "auto" takes the CPU then, and passes a sentence to `note`
// that says why. The CPU's vector unit is setup.config.bench.isa.
std::unique_ptr<BenchDevice> make_bench_device(const BenchSetup& setup,
                                               const std::function<void(const std::string&)>& note);

}  // namespace graft::bench
