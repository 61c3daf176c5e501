// The runtime API's device queries, versions, errors and profiler calls.

#include <cuda_profiler_api.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "api.h"
#include "device.h"
#include "environment.h"
#include "memory.h"
#include "report.h"

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

int attribute(cudaDeviceAttr which, bool& known) {
  const Device& d = device();
  known = true;
  switch (which) {
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY:
      return kMaxThreadsPerBlock;
    case cudaDevAttrMaxBlockDimZ:
      return 64;
    case cudaDevAttrMaxGridDimX:
      return 2147483647;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      return 65535;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return kSharedPerBlock;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return d.shared_per_block_optin;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return d.shared_per_multiprocessor;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      return 1024;
    case cudaDevAttrWarpSize:
      return 32;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return kRegistersPerMultiprocessor;
    case cudaDevAttrClockRate:
      return d.clock_khz;
    case cudaDevAttrMemoryClockRate:
      return d.memory_clock_khz;
    case cudaDevAttrGlobalMemoryBusWidth:
      return d.memory_bus_bits;
    case cudaDevAttrMultiProcessorCount:
      return d.multiprocessors;
    case cudaDevAttrL2CacheSize:
      return d.l2_bytes;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return d.threads_per_multiprocessor;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return d.blocks_per_multiprocessor;
    case cudaDevAttrComputeCapabilityMajor:
      return d.architecture / 10;
    case cudaDevAttrComputeCapabilityMinor:
      return d.architecture % 10;
    case cudaDevAttrAsyncEngineCount:
      return 3;
    case cudaDevAttrPciBusId:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrStreamPrioritiesSupported:
    case cudaDevAttrHostRegisterSupported:
    case cudaDevAttrMemoryPoolsSupported:
      return 1;
    case cudaDevAttrTotalConstantMemory:
      return 65536;
    case cudaDevAttrIntegrated:
    case cudaDevAttrKernelExecTimeout:
    case cudaDevAttrComputeMode:
    case cudaDevAttrEccEnabled:
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId:
    case cudaDevAttrTccDriver:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrConcurrentManagedAccess:
    case cudaDevAttrPageableMemoryAccess:
    case cudaDevAttrCooperativeLaunch:
      return 0;
    default:
      known = false;
      return 0;
  }
}

struct ErrorRow {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr ErrorRow kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidSymbol, "cudaErrorInvalidSymbol", "invalid device symbol"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidKernelImage, "cudaErrorInvalidKernelImage", "device kernel image is invalid"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {cudaErrorAssert, "cudaErrorAssert", "device-side assert triggered"},
    {cudaErrorHostMemoryAlreadyRegistered, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorHostMemoryNotRegistered, "cudaErrorHostMemoryNotRegistered",
     "pointer does not correspond to a registered memory region"},
    {cudaErrorHardwareStackError, "cudaErrorHardwareStackError", "hardware stack error"},
    {cudaErrorIllegalInstruction, "cudaErrorIllegalInstruction",
     "an illegal instruction was encountered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorInvalidAddressSpace, "cudaErrorInvalidAddressSpace",
     "operation not supported on global/shared address space"},
    {cudaErrorInvalidPc, "cudaErrorInvalidPc", "invalid program counter"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotPermitted, "cudaErrorNotPermitted", "operation not permitted"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
     "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
     "capture was not ended in the same stream as it began"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
     "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"}};

const ErrorRow* row_of(cudaError_t error) {
  const auto* row = std::find_if(std::begin(kErrors), std::end(kErrors),
                                 [&](const ErrorRow& r) { return r.error == error; });
  return row == std::end(kErrors) ? nullptr : row;
}

}  // namespace

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
    if (which < 0 || which >= environment().devices) return cudaErrorInvalidDevice;
    t_device = which;
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaGetDevice(int* which) {
  return guarded("cudaGetDevice", [&] {
    *which = t_device;
    return environment().devices == 0 ? cudaErrorNoDevice : cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaInitDevice(int which, unsigned, unsigned) {
  return cudaSetDevice(which);
}
VGPU_EXPORT cudaError_t cudaSetDeviceFlags(unsigned) {
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int which) {
  return guarded("cudaGetDeviceProperties", [&] {
    if (which < 0 || which >= environment().devices) return cudaErrorInvalidDevice;
    fill_properties(*properties);
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int number) {
  return guarded("cudaDeviceGetAttribute", [&] {
    if (number < 0 || number >= environment().devices) return cudaErrorInvalidDevice;
    bool known = false;
    *value = attribute(which, known);
    return known ? cudaSuccess : cudaErrorInvalidValue;
  });
}
VGPU_EXPORT cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int) {
  std::snprintf(text, static_cast<std::size_t>(length), "0000:01:00.0");
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaDriverGetVersion(int* version) {
  return guarded("cudaDriverGetVersion", [&] {
    *version = environment().driver;
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaDeviceSetLimit(cudaLimit, std::size_t) {
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) {
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 0;
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaProfilerStart() {
  return guarded("cudaProfilerStart", [] {
    Report::instance().profiler(true);
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaProfilerStop() {
  return guarded("cudaProfilerStop", [] {
    Report::instance().profiler(false);
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaDeviceReset() {
  return guarded("cudaDeviceReset", [] {
    Scheduler::instance().finish_all();
    return cudaSuccess;
  });
}

VGPU_EXPORT cudaError_t cudaGetLastError() {
  return take_last_error();
}
VGPU_EXPORT cudaError_t cudaPeekAtLastError() {
  return last_error();
}
VGPU_EXPORT const char* cudaGetErrorName(cudaError_t error) {
  const ErrorRow* row = row_of(error);
  return row != nullptr ? row->name : "unrecognized error code";
}
VGPU_EXPORT const char* cudaGetErrorString(cudaError_t error) {
  const ErrorRow* row = row_of(error);
  return row != nullptr ? row->text : "unrecognized error code";
}
