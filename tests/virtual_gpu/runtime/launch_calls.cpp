// Registration of device code, launches and function attributes: what nvcc's generated code and the
// triple-bracket launch bind to.

#include <algorithm>
#include <cstring>
#include <map>

#include "machine/interpreter.h"
#include "report/report.h"
#include "runtime/api.h"
#include "runtime/device.h"
#include "runtime/modules.h"

using namespace vgpu;

namespace {

struct CallConfiguration {
  dim3 grid, block;
  std::size_t shared;
  cudaStream_t stream;
};
thread_local std::vector<CallConfiguration> t_configurations;

std::map<const void*, int>& dynamic_shared_limits() {  // of cudaFuncSetAttribute; under the lock
  static auto* limits = new std::map<const void*, int>;
  return *limits;
}

int shared_limit(const void* function) {
  const auto found = dynamic_shared_limits().find(function);
  return found != dynamic_shared_limits().end() ? std::max(found->second, 0) : kSharedPerBlock;
}

cudaError_t check_shape(const void* function, const Kernel& kernel, dim3 grid, dim3 block,
                        std::size_t shared) {
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > kMaxThreadsPerBlock || block.x > 1024 || block.y > 1024 ||
      block.z > 64)
    return cudaErrorInvalidConfiguration;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 2147483647U || grid.y > 65535U ||
      grid.z > 65535U)
    return cudaErrorInvalidConfiguration;
  if (threads > kernel.max_threads) return cudaErrorInvalidConfiguration;
  const auto optin = static_cast<std::size_t>(device().shared_per_block_optin);
  const auto limit = static_cast<std::size_t>(shared_limit(function));
  const bool raised = limit > static_cast<std::size_t>(kSharedPerBlock);
  const std::size_t allowed = raised ? std::min(limit + kernel.shared_bytes, optin)
                                     : static_cast<std::size_t>(kSharedPerBlock);
  return shared + kernel.shared_bytes > allowed ? cudaErrorInvalidValue : cudaSuccess;
}

void run(Launch launch) {
  static std::uint32_t number = 0;  // under the lock
  launch.number = ++number;
  launch.held_up = Scheduler::instance().held_up_by();
  Report::instance().launch({launch.kernel->name, launch.grid, launch.block,
                             launch.kernel->shared_bytes + launch.dynamic_shared,
                             run_launch(launch)});
}

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments,
                   std::size_t shared, cudaStream_t handle) {
  use_current_device();
  Stream& stream = stream_from(handle);
  const Kernel& kernel = Modules::instance().kernel(function);
  if (const cudaError_t error = check_shape(function, kernel, grid, block, shared);
      error != cudaSuccess)
    return error;
  Launch launch;
  launch.kernel = &kernel;
  launch.grid = {grid.x, grid.y, grid.z};
  launch.block = {block.x, block.y, block.z};
  launch.dynamic_shared = static_cast<std::uint32_t>(shared);
  launch.parameters.resize(kernel.parameter_bytes);
  for (std::size_t n = 0; n < kernel.parameter_offsets.size(); ++n)
    std::memcpy(launch.parameters.data() + kernel.parameter_offsets[n], arguments[n],
                kernel.parameter_sizes[n]);
  Scheduler::instance().enqueue(stream, [launch] { run(launch); });
  Scheduler::instance().launched(stream, kernel.name, kernel.name);
  return cudaSuccess;
}

}  // namespace

// ---- Registration: before main, so nothing here may throw or decode ----

VGPU_EXPORT void** __cudaRegisterFatBinary(void* fat_binary) {
  return Modules::instance().add(fat_binary);
}
VGPU_EXPORT void __cudaRegisterFatBinaryEnd(void**) {}
VGPU_EXPORT void __cudaUnregisterFatBinary(void** handle) {
  Modules::instance().remove(handle);
}
VGPU_EXPORT void __cudaRegisterFunction(void** handle, const char* host, char*, const char* name,
                                        int, uint3*, uint3*, dim3*, dim3*, int*) {
  Modules::instance().add_function(handle, host, name);
}
VGPU_EXPORT void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
VGPU_EXPORT char __cudaInitModule(void**) {
  return 1;
}

VGPU_EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared,
                                                 CUstream_st* stream) {
  t_configurations.push_back({grid, block, shared, stream});
  return 0;
}
VGPU_EXPORT cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared,
                                                   void* stream) {
  if (t_configurations.empty()) return remember(cudaErrorInvalidConfiguration);
  const CallConfiguration& c = t_configurations.back();
  *grid = c.grid;
  *block = c.block;
  *shared = c.shared;
  *static_cast<cudaStream_t*>(stream) = c.stream;
  t_configurations.pop_back();
  return cudaSuccess;
}

// ---- Launches ----

VGPU_EXPORT cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block,
                                         void** arguments, std::size_t shared,
                                         cudaStream_t stream) {
  return guarded("cudaLaunchKernel",
                 [&] { return launch(function, grid, block, arguments, shared, stream); });
}
VGPU_EXPORT cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block,
                                           void** arguments, std::size_t shared,
                                           cudaStream_t stream) {
  return cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}
VGPU_EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* c, const void* function,
                                            void** arguments) {
  return guarded("cudaLaunchKernel", [&] {
    for (unsigned n = 0; n < c->numAttrs; ++n) {
      const auto& attribute = c->attrs[n];
      const auto& cluster = attribute.val.clusterDim;
      if (attribute.id == cudaLaunchAttributeCooperative && attribute.val.cooperative != 0)
        return cudaErrorNotSupported;
      if (attribute.id == cudaLaunchAttributeClusterDimension &&
          (cluster.x > 1 || cluster.y > 1 || cluster.z > 1))
        return cudaErrorNotSupported;
    }
    return launch(function, c->gridDim, c->blockDim, arguments, c->dynamicSmemBytes, c->stream);
  });
}
// ---- Attributes ----

VGPU_EXPORT cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, const void* function) {
  return guarded("cudaFuncGetAttributes", [&] {
    const Kernel& kernel = Modules::instance().kernel(function);
    Scheduler::instance().load(kernel.name);  // so that a capture can follow
    *a = {};
    a->sharedSizeBytes = kernel.shared_bytes;
    a->localSizeBytes = kernel.local_bytes;
    a->maxThreadsPerBlock = static_cast<int>(kernel.max_threads);
    a->numRegs = 32;  // not known: PTX has no registers of the device
    a->ptxVersion = device().architecture;
    a->binaryVersion = device().architecture;
    a->maxDynamicSharedSizeBytes = shared_limit(function);
  });
}
VGPU_EXPORT cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute which,
                                             int value) {
  return guarded("cudaFuncSetAttribute", [&] {
    const Kernel& kernel = Modules::instance().kernel(function);
    if (which != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    if (value < 0 ||
        value + static_cast<int>(kernel.shared_bytes) > device().shared_per_block_optin)
      return cudaErrorInvalidValue;
    dynamic_shared_limits()[function] = value;
    return cudaSuccess;
  });
}
