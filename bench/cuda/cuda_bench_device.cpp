#include "bench/cuda/cuda_bench_device.h"

#include <fmt/format.h>

#include "bench/cuda/cuda_cases.h"

namespace graft::bench {
namespace {

std::string version_text(int version) {  // 13000 is 13.0
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string runtime_version() {
  int version = 0;
  GRAFT_CUDA_CHECK(cudaRuntimeGetVersion(&version));
  return version_text(version);
}

// The CUDA version of the driver, where NVML is missing.
std::string served_version() {
  int version = 0;
  GRAFT_CUDA_CHECK(cudaDriverGetVersion(&version));
  return "for CUDA " + version_text(version);
}

// In NVML's format.
std::string pci_bus_id(int ordinal) {
  cudaDeviceProp properties{};
  GRAFT_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
  return fmt::format("{:08X}:{:02X}:{:02X}.0", properties.pciDomainID, properties.pciBusID,
                     properties.pciDeviceID);
}

SamplerOptions sampler_options(const cuda::Device& device, bool has_timer,
                               std::optional<std::size_t> flush_bytes) {
  SamplerOptions options;
  options.has_timer = has_timer;
  if (!flush_bytes) {
    int cache = 0;
    GRAFT_CUDA_CHECK(cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, device.ordinal()));
    flush_bytes = 2 * static_cast<std::size_t>(cache);
  }
  options.flush_bytes = *flush_bytes;
  return options;
}

}  // namespace

CudaBenchDevice::CudaBenchDevice(int ordinal, const BenchSetup& setup,
                                 const CudaBenchOptions& options)
    : backend_(ordinal, setup.config.threads),
      device_(ordinal),
      is_virtual_(!device_.has_timer()),
      cudnn_(
          device_.run("the initialization of cuDNN", [] { return cuda::CudnnDevice::current(); })),
      sampler_(device_.run(
          "the initialization of the timer",
          [&] { return Sampler(sampler_options(device_, !is_virtual_, options.flush_bytes)); })),
      context_{device_, sampler_},
      suites_{backend_, setup,
              [this] { device_.run("the flush of the caches", [this] { sampler_.flush(); }); }} {
  const std::string bus =
      device_.run("the search for the GPU", [&] { return pci_bus_id(ordinal); });
  if (options.nvml_library) {
    nvml_.emplace(bus, *options.nvml_library);
  } else if (!is_virtual_) {
    nvml_.emplace(bus);
  }
}

std::string CudaBenchDevice::missing_timer_reason() const {
  return is_virtual_ ? BenchDevice::missing_timer_reason()
                     : "no timer: launches wait, for a profiler or CUDA_LAUNCH_BLOCKING";
}

DeviceIdentity CudaBenchDevice::identity() {
  return device_.run("the GPU's description", [&] {
    DeviceIdentity identity;
    identity.device = fmt::format("cuda:{}", device_.ordinal());
    identity.name = is_virtual_ ? fmt::format("virtual GPU ({})", device_.name()) : device_.name();
    if (nvml_) identity.driver = nvml_->driver();
    if (identity.driver.empty()) identity.driver = served_version();
    identity.cuda = runtime_version();
    identity.cudnn = cuda::cudnn_version();
    identity.instruction_set = fmt::format("sm_{}", device_.compute_capability());
    identity.memory_bytes = device_.memory();
    return identity;
  });
}

std::vector<Case> CudaBenchDevice::cases(Suite suite, const Axes& axes) {
  if (suite == Suite::kernels) return kernel_cases(context_, axes);
  if (suite == Suite::layers)
    return device_.run("the list of cuDNN's engines",
                       [&] { return layer_cases(context_, cudnn_, axes); });
  return backend_cases(suites_, suite, axes);
}

Ceilings CudaBenchDevice::ceilings(std::span<const Precision> precisions, std::stop_token stop) {
  return device_.run("the measurement of the GPU's ceilings",
                     [&] { return measure_ceilings(context_, precisions, stop); });
}

Conditions CudaBenchDevice::conditions() {
  return nvml_ ? nvml_->conditions() : Conditions{};
}

}  // namespace graft::bench
