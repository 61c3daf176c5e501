// The one symbol of libgraft_cuda_bench.so. Its number changes with the interface.

#include "bench/cuda/cuda_bench_device.h"
#include "bench/harness/cuda_bench_module.h"

namespace graft::bench {
namespace {

class Module final : public CudaBenchModule {
 public:
  std::unique_ptr<BenchDevice> make_device(int ordinal, const BenchSetup& setup) const override {
    return std::make_unique<CudaBenchDevice>(ordinal, setup);
  }
};

}  // namespace
}  // namespace graft::bench

extern "C" __attribute__((visibility("default"))) const graft::bench::CudaBenchModule*
graft_cuda_bench_2() {
  static const graft::bench::Module the_module;
  return &the_module;
}
