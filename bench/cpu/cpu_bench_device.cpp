#include "bench/cpu/cpu_bench_device.h"

#include <fmt/format.h>

#include <fstream>
#include <string>

#include "bench/cpu/cache_flush.h"
#include "bench/cpu/conditions.h"
#include "bench/cpu/cpu_cases.h"
#include "bench/cpu/peaks.h"
#include "bench/suites/suites_of_backend.h"
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
              fmt::format("this processor has no {}; leave bench.isa at \"best\"", name_of(isa)));
}

void refuse_other_precisions(const Axes& axes) {
  for (const Precision precision : axes.precisions)
    if (precision != Precision::fp32)
      throw Error(ErrorKind::usage,
                  fmt::format("a CPU computes in fp32 only, and bench.precision (--precision) asks "
                              "for {0}; leave {0} out, or measure a GPU (--device cuda)",
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
        suites_(
            backend_, setup, [this] { flush_.run(); }, true) {}

  DeviceIdentity identity() override {
    DeviceIdentity identity;
    identity.device = "cpu";
    identity.name = fmt::format("{}, {}, {} thread{}", model_name(), cpu::name_of(isa_),
                                pool_.threads(), pool_.threads() == 1 ? "" : "s");
    identity.instruction_set = std::string(cpu::name_of(isa_));
    identity.memory_bytes = machine_memory();
    return identity;
  }
  bool gives_times() const override { return true; }

  std::vector<Case> cases(Suite suite, const Axes& axes) override {
    refuse_other_precisions(axes);
    if (suite == Suite::kernels) return listed_.add(cpu_kernel_cases(context_, axes));
    if (suite == Suite::layers) return listed_.add(cpu_layer_cases(context_, axes));
    return suites_.cases(suite, axes);
  }
  std::unique_ptr<Subject> prepare(const Case& which) override {
    const bool own = which.suite == Suite::kernels || which.suite == Suite::layers;
    return own ? listed_.prepare(which.name) : suites_.prepare(which);
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
  SuitesOfBackend suites_;
  ListedCases listed_;
  CpuConditions conditions_;
};

}  // namespace

std::unique_ptr<BenchDevice> make_cpu_bench_device(const BenchSetup& setup, cpu::Isa isa) {
  return std::make_unique<CpuBenchDevice>(setup, isa);
}

}  // namespace graft::bench
