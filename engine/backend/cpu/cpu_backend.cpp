#include "engine/backend/cpu/cpu_backend.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <system_error>

#include "engine/backend/cpu/aligned_floats.h"
#include "engine/backend/cpu/cpu_backbone.h"
#include "engine/backend/cpu/cpu_head.h"
#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft::cpu {
namespace {

const KernelTable& checked_kernels(Isa isa) {
  if (!supports(isa)) {
    throw Error(ErrorKind::usage, "This processor has no {}.", name_of(isa));
  }
  return kernels_for(isa);
}

std::size_t checked_threads(std::size_t threads) {
  constexpr std::size_t most = 1024;
  if (threads > most) {
    throw Error(ErrorKind::usage, "threads is {}; at most {} make sense. 0 takes one per core.",
                threads, most);
  }
  return threads == 0 ? available_cores() : threads;
}

void check_precision(const BackboneOptions& options) {
  if (options.precision == Precision::fp32) return;
  throw Error(ErrorKind::usage,
              "backbone.precision \"{}\" needs a GPU; on a CPU choose \"auto\" or \"fp32\".",
              name_of(options.precision));
}

ThreadPool started_threads(std::size_t threads) {
  try {
    return ThreadPool(threads);
  } catch (const std::system_error& error) {
    throw Error(ErrorKind::device, "cannot start {} threads: {}; lower threads", threads,
                error.code().message());
  }
}

}  // namespace

Isa chosen_isa() {
  const char* const value = std::getenv("GRAFT_ISA");
  const std::string_view name = value == nullptr ? "" : value;
  if (name.empty()) return best_isa();
  if (name != "avx2" && name != "avx512" && name != "portable") {
    throw Error(ErrorKind::usage, "GRAFT_ISA is \"{}\"; expected avx2, avx512 or portable",
                printable(name, 100));
  }
  const Isa isa = name == "avx2" ? Isa::avx2 : name == "avx512" ? Isa::avx512 : Isa::portable;
  checked_kernels(isa);
  return isa;
}

CpuBackend::CpuBackend(std::size_t threads, Isa isa)
    : isa_(isa),
      kernels_(checked_kernels(isa)),
      threads_(started_threads(checked_threads(threads))) {}

std::string CpuBackend::description() const {
  return fmt::format("CPU, {}, {}", name_of(isa_),
                     counted(threads_.threads(), "thread", "threads"));
}

std::string CpuBackend::numerics(const BackboneOptions& options) {
  check_precision(options);
  return backbone_numerics(isa_, options);
}

HostBuffer CpuBackend::allocate_host(std::size_t bytes) {
  if (bytes == 0) return {};
  const std::size_t floats = bytes / sizeof(float) + (bytes % sizeof(float) == 0 ? 0 : 1);
  const auto memory = std::make_shared<AlignedFloats>(floats);
  return {reinterpret_cast<std::byte*>(memory->data()), bytes, [memory](std::byte*) {}};
}

std::unique_ptr<Backbone> CpuBackend::make_backbone(const Vgg16Weights& weights,
                                                    const BackboneOptions& options) {
  check_precision(options);
  return make_cpu_backbone(weights, options, threads_, kernels_, tracer_);
}

std::unique_ptr<Head> CpuBackend::make_head(const HeadOptions& options) {
  return make_cpu_head(options, threads_, kernels_);
}

}  // namespace graft::cpu
