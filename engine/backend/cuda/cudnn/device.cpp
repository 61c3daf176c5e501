#include "engine/backend/cuda/cudnn/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/base/error.h"
#include "kernels/cuda/check.h"

namespace graft::cuda {
namespace {

constexpr std::size_t major_version(std::size_t version) {
  return version / 10000;
}

std::string version_text(std::size_t version) {
  return fmt::format("{}.{}.{}", major_version(version), version / 100 % 100, version % 100);
}

// For keys: the library's version, and the one setting of the environment that changes its choice.
std::string library_identity() {
  const char* tf32 = std::getenv("NVIDIA_TF32_OVERRIDE");  // NOLINT(concurrency-mt-unsafe)
  return fmt::format("cuDNN {}{}{}", cudnn_version(), tf32 == nullptr ? "" : ", TF32 override ",
                     tf32 == nullptr ? "" : tf32);
}

// cuDNN's description of a GPU. What GpuProperties does not say is the same for every GPU since
// sm_75, or has no influence on plans. Version of the driver: of the toolkit.
std::string description_of(const GpuProperties& gpu) {
  return nlohmann::json{{"maxGridSize", {2147483647, 65535, 65535}},
                        {"maxBlockSize", {1024, 1024, 64}},
                        {"regsPerBlock", 65536},
                        {"multiProcessorCount", gpu.multiprocessors},
                        {"warpSize", 32},
                        {"maxSharedMemoryPerBlock", 49152},
                        {"maxSharedMemoryPerBlockOptin", gpu.shared_memory_per_block},
                        {"reservedSharedMemoryPerBlock", 1024},
                        {"maxRegistersPerSM", 65536},
                        {"maxCtasPerSM", gpu.blocks_per_multiprocessor},
                        {"maxThreadsPerBlock", 1024},
                        {"maxThreadsPerSM", gpu.threads_per_multiprocessor},
                        {"pciDeviceId", 0},
                        {"isTccDriver", 0},
                        {"supportCoopLaunch", 1},
                        {"totalGlobalMem", gpu.memory},
                        {"smClockRateKHz", gpu.clock_khz},
                        {"memClockRateKHz", gpu.memory_clock_khz},
                        {"l2CacheSize", gpu.l2_cache},
                        {"cudaDeviceId", 0},
                        {"deviceVer", gpu.compute_capability * 10},
                        {"driverVer", CUDART_VERSION},
                        {"deviceName", gpu.name}}
      .dump();
}

}  // namespace

std::string cudnn_version() {
  return version_text(cudnnGetVersion());
}

void check_cudnn_version(std::size_t loaded) {
  if (major_version(loaded) == CUDNN_MAJOR && loaded >= CUDNN_VERSION) return;
  throw Error(ErrorKind::device,
              "cuDNN {} was loaded, and this program was built for cuDNN {}: install that or a "
              "newer cuDNN {}, or name its folder in LD_LIBRARY_PATH",
              version_text(loaded), version_text(CUDNN_VERSION), CUDNN_MAJOR);
}

CudnnDevice CudnnDevice::current() {
  check_cudnn_version(cudnnGetVersion());
  int ordinal = 0, driver = 0;
  cudaDeviceProp properties = {};
  GRAFT_CUDA_CHECK(cudaGetDevice(&ordinal));
  GRAFT_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
  GRAFT_CUDA_CHECK(cudaDriverGetVersion(&driver));
  CudnnDevice device;
  cudnnHandle_t handle = nullptr;
  GRAFT_CUDNN_CHECK(cudnnCreate(&handle));
  device.handle_.reset(handle, cudnnDestroy);
  device.compute_capability_ = properties.major * 10 + properties.minor;
  device.memory_ = properties.totalGlobalMem;
  device.identity_ = fmt::format(
      "{}, sm_{}, {} multiprocessors, {} bytes of shared memory, {} of memory, driver {}, {}",
      properties.name, device.compute_capability_, properties.multiProcessorCount,
      properties.sharedMemPerBlockOptin, device.memory_, driver, library_identity());
  return device;
}

CudnnDevice CudnnDevice::described(const GpuProperties& gpu) {
  check_cudnn_version(cudnnGetVersion());
  // Those that cuDNN is known to plan for; some others end the process.
  constexpr std::array known = {75, 80, 86, 87, 89, 90, 100, 103, 120, 121};
  if (std::find(known.begin(), known.end(), gpu.compute_capability) == known.end()) {
    throw Error(ErrorKind::device,
                "cuDNN {} plans for sm_{} only on such a GPU; choose one of sm_{}", cudnn_version(),
                gpu.compute_capability, fmt::join(known, ", sm_"));
  }
  const std::string text = description_of(gpu);
  Descriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties
      .set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
           static_cast<std::int64_t>(text.size()) + 1, text.c_str())
      .finalize();
  CudnnDevice device;
  device.properties_ = std::make_shared<const Descriptor>(std::move(properties));
  device.compute_capability_ = gpu.compute_capability;
  device.memory_ = gpu.memory;
  device.identity_ = fmt::format("described as {}, {}", text, library_identity());
  return device;
}

}  // namespace graft::cuda
