// Figures from NVIDIA's data sheets and the CUDA programming guide's table of compute capabilities.

#include "runtime/device.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "machine/memory.h"
#include "report/environment.h"

namespace vgpu {
namespace {

constexpr Device kDevices[] = {
    {75, "Virtual T4", 40, 1024, 16, 65536, 65536, 4 << 20, 1590000, 5001000, 256},
    {80, "Virtual A100", 108, 2048, 32, 167936, 166912, 40 << 20, 1410000, 1215000, 5120},
    {86, "Virtual RTX 3090", 82, 1536, 16, 102400, 101376, 6 << 20, 1695000, 9751000, 384},
    {89, "Virtual RTX 4090", 128, 1536, 24, 102400, 101376, 72 << 20, 2520000, 10501000, 384},
    {90, "Virtual H100", 132, 2048, 32, 233472, 232448, 50 << 20, 1980000, 2619000, 5120},
    {100, "Virtual B200", 148, 2048, 32, 233472, 232448, 132644864, 1965000, 3996000, 7680},
    {120, "Virtual RTX 5090", 170, 1536, 24, 102400, 101376, 96 << 20, 2407000, 14001000, 512}};

}  // namespace

const Device& device() {
  static const Device* chosen = [] {
    for (const Device& d : kDevices)
      if (d.architecture == environment().architecture) return &d;
    std::fprintf(
        stderr,
        "vgpu: VGPU_ARCH must be one of sm_75, sm_80, sm_86, sm_89, sm_90, sm_100, sm_120\n");
    std::exit(64);
  }();
  return *chosen;
}

std::string cudnn_device_json() {
  const Device& d = device();
  std::ostringstream out;
  out << "{\"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64]"
      << ", \"regsPerBlock\": 65536, \"multiProcessorCount\": " << d.multiprocessors
      << ", \"warpSize\": 32, \"maxSharedMemoryPerBlock\": " << kSharedPerBlock
      << ", \"maxSharedMemoryPerBlockOptin\": " << d.shared_per_block_optin
      << ", \"reservedSharedMemoryPerBlock\": 1024, \"maxRegistersPerSM\": 65536"
      << ", \"maxCtasPerSM\": " << d.blocks_per_multiprocessor
      << ", \"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": " << d.threads_per_multiprocessor
      << ", \"pciDeviceId\": 0, \"isTccDriver\": 0, \"supportCoopLaunch\": 1"
      << ", \"totalGlobalMem\": " << DeviceMemory::instance().total()
      << ", \"smClockRateKHz\": " << d.clock_khz << ", \"memClockRateKHz\": " << d.memory_clock_khz
      << ", \"l2CacheSize\": " << d.l2_bytes << ", \"cudaDeviceId\": 0"
      << ", \"deviceVer\": " << d.architecture * 10 << ", \"driverVer\": " << environment().driver
      << ", \"deviceName\": \"" << d.name << "\"}";
  return out.str();
}

}  // namespace vgpu
