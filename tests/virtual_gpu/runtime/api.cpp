#include "runtime/api.h"

#include <cstring>
#include <utility>

#include "machine/memory.h"
#include "report/report.h"

namespace vgpu {
namespace {

thread_local cudaError_t t_last_error = cudaSuccess;

// One stream per host thread for cudaStreamPerThread.
Stream& per_thread_stream() {
  thread_local Stream* stream = &Scheduler::instance().create_stream(true, false);
  return *stream;
}

void check_live(const std::string& who, std::uint64_t address, std::size_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  if (memory.is_live(address, bytes)) return;
  const bool freed = memory.in_arena(address) && memory.page(address) == Page::freed;
  const std::string text =
      who + " uses " + std::to_string(bytes) + " bytes: " + memory.describe(address);
  Report::instance().error(freed ? "use_after_free" : "out_of_bounds", who, 0, text);
  throw Failure(cudaErrorIllegalAddress, text);
}

}  // namespace

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) t_last_error = error;
  return error;
}

cudaError_t take_last_error() {
  const cudaError_t sticky = Scheduler::instance().sticky_error();
  return sticky != cudaSuccess ? sticky : std::exchange(t_last_error, cudaSuccess);
}

cudaError_t last_error() {
  const cudaError_t sticky = Scheduler::instance().sticky_error();
  return sticky != cudaSuccess ? sticky : t_last_error;
}

cudaError_t run_guarded(const char* name, const std::function<cudaError_t()>& body) {
  Scheduler& scheduler = Scheduler::instance();
  const std::scoped_lock lock(scheduler.mutex());
  if (const int fault = name == nullptr ? 0 : Faults::instance().next(name); fault != 0) {
    if (fault == Faults::kSkipped) return cudaSuccess;
    const auto error = static_cast<cudaError_t>(fault);
    if (is_sticky(error)) scheduler.set_error(error);
    return remember(error);
  }
  if (scheduler.sticky_error() != cudaSuccess) return remember(scheduler.sticky_error());
  cudaError_t error = cudaSuccess;
  try {
    error = body();
  } catch (const Failure& failure) {
    // The program handles what a device would refuse too. What only this one lacks is reported.
    if (failure.code == cudaErrorInvalidKernelImage)
      Report::instance().error("module", "", 0, failure.what());
    error = failure.code;
  }
  return remember(error == cudaSuccess ? scheduler.sticky_error() : error);
}

Stream& stream_from(cudaStream_t handle) {
  Scheduler& scheduler = Scheduler::instance();
  if (handle == nullptr || handle == cudaStreamLegacy) return scheduler.legacy();
  if (handle == cudaStreamPerThread) return per_thread_stream();
  Stream* stream = scheduler.find_stream(handle);
  if (stream == nullptr) throw Failure(cudaErrorInvalidResourceHandle, "no such stream");
  return *stream;
}

bool enqueue_in(cudaStream_t handle, const std::string& name, const std::string& problem,
                Work work) {
  return guarded(nullptr, [&] {
           Stream& stream = stream_from(handle);
           Scheduler::instance().enqueue(stream, std::move(work));
           Scheduler::instance().launched(stream, name, name + problem);
         }) == cudaSuccess;
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
                             who + " reads a byte that was never written: " +
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
