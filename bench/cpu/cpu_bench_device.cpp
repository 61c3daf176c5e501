#include "bench/cpu/cpu_bench_device.h"

#include <fmt/format.h>

#include <fstream>
#include <string>

#include "bench/cpu/conditions.h"
#include "bench/cpu/cpu_cases.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "engine/base/error.h"
#include "engine/base/memory.h"

namespace graft::bench {
namespace {

std::string model_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

cpu::Isa supported(cpu::Isa isa) {
  if (cpu::supports(isa)) return isa;
  throw Error(ErrorKind::usage,
              fmt::format("--isa: this processor has no {}; omit it", name_of(isa)));
}

void refuse_other_precisions(const Axes& axes) {
  for (const Precision precision : axes.precisions)
    if (precision != Precision::fp32)
      throw Error(
          ErrorKind::usage,
          fmt::format("--precision: a CPU has fp32 only, not {}; omit it or use --device cuda",
                      name_of(precision)));
}

class CpuBenchDevice final : public BenchDevice {
 public:
  CpuBenchDevice(const BenchSetup& setup, cpu::Isa isa)
      : isa_(supported(isa)),
        pool_(setup.config.threads > 0 ? setup.config.threads : cpu::available_cores()),
        flush_(pool_),
        context_{isa_, pool_, flush_},
        backend_(pool_.threads(), isa_),
        suites_{backend_, setup, std::ref(flush_), [isa](std::size_t threads) {
                  return std::make_unique<cpu::CpuBackend>(threads, isa);
                }} {}

  DeviceIdentity identity() override {
    DeviceIdentity identity;
    identity.device = "cpu";
    identity.name = fmt::format("{}, {}, {} thread{}", model_name(), cpu::name_of(isa_),
                                pool_.threads(), pool_.threads() == 1 ? "" : "s");
    identity.instruction_set = std::string(cpu::name_of(isa_));
    identity.memory_bytes = machine_memory();
    return identity;
  }
  bool has_timer() const override { return true; }

  std::vector<Case> cases(Suite suite, const Axes& axes) override {
    refuse_other_precisions(axes);
    if (suite == Suite::kernels) return cpu_kernel_cases(context_, axes);
    if (suite == Suite::layers) return cpu_layer_cases(context_, axes);
    return backend_cases(suites_, suite, axes);
  }

  Ceilings ceilings(std::span<const Precision>, std::stop_token stop) override {
    check_memory("measuring the bandwidth of a copy", memory_of_copy_peak(pool_.threads()),
                 "choose fewer --threads");
    Ceilings ceilings;
    ceilings.bytes_per_second = memory_copy_peak(pool_.threads());
    if (stop.stop_requested()) throw Error(ErrorKind::interrupted, "interrupted");
    ceilings.flop_per_second[Precision::fp32] = multiply_add_peak(isa_, pool_.threads());
    return ceilings;
  }
  Conditions conditions() override { return conditions_.now(); }

 private:
  const cpu::Isa isa_;
  cpu::ThreadPool pool_;
  CacheFlush flush_;
  const CpuContext context_;
  cpu::CpuBackend backend_;
  const SuiteContext suites_;
  CpuConditions conditions_;
};

}  // namespace

cpu::Isa isa_of(std::string_view name) {
  if (name == "best" || name == "auto") return cpu::best_isa();
  if (name == "portable") return cpu::Isa::portable;
  if (name == "avx2") return cpu::Isa::avx2;
  if (name == "avx512") return cpu::Isa::avx512;
  throw Error(ErrorKind::usage,
              fmt::format("expected portable, avx2, avx512 or auto, got {}", name));
}

std::unique_ptr<BenchDevice> make_cpu_bench_device(const BenchSetup& setup, cpu::Isa isa) {
  return std::make_unique<CpuBenchDevice>(setup, isa);
}

}  // namespace graft::bench
