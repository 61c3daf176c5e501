// Device queries, versions, the last error and the profiler's calls. Names and texts of errors are the
// real library's, which needs no device for them.

#include <cuda_profiler_api.h>

#include <cstdio>
#include <map>
#include <optional>

#include "machine/memory.h"
#include "report/environment.h"
#include "report/report.h"
#include "runtime/api.h"
#include "runtime/device.h"

using namespace vgpu;

namespace {

thread_local int t_device = 0;

void fill_properties(cudaDeviceProp& p) {
  const Device& d = device();
  p = {};
  std::snprintf(p.name, sizeof p.name, "%s", d.name);
  p.totalGlobalMem = DeviceMemory::instance().total();
  p.sharedMemPerBlock = kSharedPerBlock;
  p.sharedMemPerBlockOptin = static_cast<std::size_t>(d.shared_per_block_optin);
  p.sharedMemPerMultiprocessor = static_cast<std::size_t>(d.shared_per_multiprocessor);
  p.reservedSharedMemPerBlock = 1024;
  p.regsPerBlock = kRegistersPerMultiprocessor;
  p.regsPerMultiprocessor = kRegistersPerMultiprocessor;
  p.warpSize = 32;
  p.memPitch = 2147483647;
  p.maxThreadsPerBlock = kMaxThreadsPerBlock;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 2147483647;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.totalConstMem = 65536;
  p.major = d.architecture / 10;
  p.minor = d.architecture % 10;
  p.textureAlignment = 512;
  p.multiProcessorCount = d.multiprocessors;
  p.canMapHostMemory = 1;
  p.unifiedAddressing = 1;
  p.concurrentKernels = 1;
  p.asyncEngineCount = 3;
  p.memoryBusWidth = d.memory_bus_bits;
  p.l2CacheSize = d.l2_bytes;
  p.maxThreadsPerMultiProcessor = d.threads_per_multiprocessor;
  p.maxBlocksPerMultiProcessor = d.blocks_per_multiprocessor;
  p.streamPrioritiesSupported = 1;
  p.memoryPoolsSupported = 1;
  p.pciBusID = 1;
}

std::optional<int> attribute(cudaDeviceAttr which) {
  const Device& d = device();
  const std::map<cudaDeviceAttr, int> values = {
      {cudaDevAttrMaxThreadsPerBlock, kMaxThreadsPerBlock},
      {cudaDevAttrMaxSharedMemoryPerBlock, kSharedPerBlock},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, d.shared_per_block_optin},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, d.shared_per_multiprocessor},
      {cudaDevAttrWarpSize, 32},
      {cudaDevAttrMaxRegistersPerBlock, kRegistersPerMultiprocessor},
      {cudaDevAttrMaxRegistersPerMultiprocessor, kRegistersPerMultiprocessor},
      {cudaDevAttrClockRate, d.clock_khz},
      {cudaDevAttrMemoryClockRate, d.memory_clock_khz},
      {cudaDevAttrGlobalMemoryBusWidth, d.memory_bus_bits},
      {cudaDevAttrMultiProcessorCount, d.multiprocessors},
      {cudaDevAttrL2CacheSize, d.l2_bytes},
      {cudaDevAttrMaxThreadsPerMultiProcessor, d.threads_per_multiprocessor},
      {cudaDevAttrMaxBlocksPerMultiprocessor, d.blocks_per_multiprocessor},
      {cudaDevAttrComputeCapabilityMajor, d.architecture / 10},
      {cudaDevAttrComputeCapabilityMinor, d.architecture % 10}};
  const auto found = values.find(which);
  return found == values.end() ? std::nullopt : std::optional(found->second);
}

void check_number(int device_number) {
  if (device_number < 0 || device_number >= environment().devices)
    throw Failure(cudaErrorInvalidDevice, "no such device");
}

}  // namespace

void vgpu::use_current_device() {
  Report::instance().use_device(t_device);
}

VGPU_EXPORT cudaError_t cudaGetDeviceCount(int* count) {
  return guarded("cudaGetDeviceCount", [&] {
    *count = 0;
    if (environment().driver / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
    *count = environment().devices;
    return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaSetDevice(int which) {
  return guarded("cudaSetDevice", [&] {
    check_number(which);
    t_device = which;
  });
}
VGPU_EXPORT cudaError_t cudaGetDevice(int* which) {
  return guarded("cudaGetDevice", [&] {
    *which = t_device;
    return environment().devices == 0 ? cudaErrorNoDevice : cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int which) {
  return guarded("cudaGetDeviceProperties", [&] {
    check_number(which);
    fill_properties(*properties);
  });
}
VGPU_EXPORT cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int number) {
  return guarded("cudaDeviceGetAttribute", [&] {
    check_number(number);
    const std::optional<int> known = attribute(which);
    *value = known.value_or(0);
    return known ? cudaSuccess : cudaErrorInvalidValue;
  });
}
VGPU_EXPORT cudaError_t cudaDriverGetVersion(int* version) {
  return guarded("cudaDriverGetVersion", [&] { *version = environment().driver; });
}
VGPU_EXPORT cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaProfilerStart() {
  return guarded("cudaProfilerStart", [] { Report::instance().profiler(true); });
}
VGPU_EXPORT cudaError_t cudaProfilerStop() {
  return guarded("cudaProfilerStop", [] { Report::instance().profiler(false); });
}
VGPU_EXPORT cudaError_t cudaGetLastError() {
  return take_last_error();
}
VGPU_EXPORT cudaError_t cudaPeekAtLastError() {
  return last_error();
}
