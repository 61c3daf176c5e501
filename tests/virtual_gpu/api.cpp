#include "api.h"

#include <cstdio>
#include <cstring>
#include <utility>

#include "interpreter.h"
#include "memory.h"
#include "modules.h"
#include "report.h"

namespace vgpu {
namespace {

thread_local cudaError_t t_last_error = cudaSuccess;

// One stream per host thread for cudaStreamPerThread.
Stream& per_thread_stream() {
  thread_local Stream* stream = &Scheduler::instance().create_stream(true, 0, false);
  return *stream;
}

[[noreturn]] void bad_range(const char* kind, const std::string& who, std::uint64_t address,
                            std::size_t bytes) {
  const std::string text = who + " uses " + std::to_string(bytes) +
                           " bytes: " + DeviceMemory::instance().describe(address);
  Report::instance().error(kind, who, 0, text);
  throw LaunchFailure(cudaErrorIllegalAddress, text);
}

void check_live(const std::string& who, std::uint64_t address, std::size_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  if (!memory.is_live(address, bytes)) {
    const bool freed = memory.in_arena(address) && memory.page(address) == Page::freed;
    bad_range(freed ? "use_after_free" : "out_of_bounds", who, address, bytes);
  }
  if (memory.page(address) == Page::reserved)
    bad_range("use_before_allocation", who, address, bytes);
}

}  // namespace

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) t_last_error = error;
  return error;
}

cudaError_t take_last_error() {
  const auto sticky = static_cast<cudaError_t>(Scheduler::instance().sticky_error());
  if (sticky != cudaSuccess) return sticky;
  return std::exchange(t_last_error, cudaSuccess);
}

cudaError_t last_error() {
  const auto sticky = static_cast<cudaError_t>(Scheduler::instance().sticky_error());
  return sticky != cudaSuccess ? sticky : t_last_error;
}

cudaError_t guarded(const char* name, const std::function<cudaError_t()>& body) {
  Scheduler& scheduler = Scheduler::instance();
  const std::scoped_lock lock(scheduler.mutex());
  if (const int fault = name == nullptr ? 0 : Faults::instance().next(name); fault != 0) {
    if (fault == Faults::kLeftOut) return cudaSuccess;
    scheduler.set_error(is_sticky(fault) ? fault : 0);
    return remember(static_cast<cudaError_t>(fault));
  }
  if (scheduler.sticky_error() != 0)
    return remember(static_cast<cudaError_t>(scheduler.sticky_error()));
  cudaError_t error = cudaSuccess;
  try {
    error = body();
  } catch (const LaunchFailure& failure) {
    scheduler.set_error(failure.code);
    error = static_cast<cudaError_t>(failure.code);
  } catch (const ModuleError& failure) {
    // What a device would refuse too is the program's to handle; what only this one lacks is
    // reported.
    if (failure.code == cudaErrorInvalidKernelImage)
      Report::instance().error("module", "", 0, failure.what());
    error = static_cast<cudaError_t>(failure.code);
  }
  if (error == cudaSuccess && scheduler.sticky_error() != 0)
    error = static_cast<cudaError_t>(scheduler.sticky_error());
  return remember(error);
}

Stream* stream_from(cudaStream_t handle) {
  Scheduler& scheduler = Scheduler::instance();
  if (handle == nullptr || handle == cudaStreamLegacy) return &scheduler.legacy();
  if (handle == cudaStreamPerThread) return &per_thread_stream();
  return scheduler.find_stream(handle);
}

const void* device_read(const std::string& who, const void* device, std::size_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  const auto address = reinterpret_cast<std::uint64_t>(device);
  if (bytes == 0 || memory.is_pinned(device, bytes)) return device;
  check_live(who, address, bytes);
  if (const void* hole = std::memchr(memory.shadow(address), kUninitialised, bytes);
      hole != nullptr) {
    const auto at = static_cast<const std::uint8_t*>(hole) - memory.shadow(address);
    Report::instance().error("uninitialised_read", who, 0,
                             who + " reads a byte that nobody has written: " +
                                 memory.describe(address + static_cast<std::uint64_t>(at)));
  }
  return memory.data(address);
}

void* device_write(const std::string& who, void* device, std::size_t bytes) {
  DeviceMemory& memory = DeviceMemory::instance();
  const auto address = reinterpret_cast<std::uint64_t>(device);
  if (bytes == 0 || memory.is_pinned(device, bytes)) return device;
  check_live(who, address, bytes);
  memory.set_initialised(address, bytes);
  return memory.data(address);
}

}  // namespace vgpu
