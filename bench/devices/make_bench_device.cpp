#include "bench/devices/make_bench_device.h"

#include <fmt/format.h>

#include "bench/cpu/cpu_bench_device.h"
#include "engine/backend/cuda_module.h"
#include "engine/backend/device_name.h"
#include "engine/base/error.h"

namespace graft::bench {
namespace {

std::unique_ptr<BenchDevice> make_cuda(int ordinal, const BenchSetup& setup) {
  using Entry = const CudaBenchModule*();
  // Loaded once; it stays loaded.
  static const CudaBenchModule& module = *reinterpret_cast<Entry*>(
      load_cuda_library("libgraft_cuda_bench.so", "graft_cuda_bench_2"))();
  return module.make_device(ordinal, setup);
}

cpu::Isa isa_of(const std::string& word) {
  if (word == "portable") return cpu::Isa::portable;
  if (word == "avx2") return cpu::Isa::avx2;
  if (word == "avx512") return cpu::Isa::avx512;
  return cpu::best_isa();
}

}  // namespace

std::unique_ptr<BenchDevice> make_bench_device(
    const BenchSetup& setup, const std::function<void(const std::string&)>& note) {
  return with_device<BenchDevice>(
      setup.config.device, note,
      [&] { return make_cpu_bench_device(setup, isa_of(setup.config.bench.isa)); },
      [&](int ordinal) { return make_cuda(ordinal, setup); });
}

}  // namespace graft::bench
