#pragma once
// What all entry points share: the lock, injected faults, sticky errors, the thread's last error.

#include <cuda_runtime_api.h>

#include <string>
#include <type_traits>

#include "report/faults.h"
#include "runtime/streams.h"

// The library hides its symbols; entry points are the exception.
#define VGPU_EXPORT extern "C" __attribute__((visibility("default")))

// The first line of a call of cuBLAS or cuDNN: counts it and returns its injected error, if any.
#define VGPU_LIBRARY_CALL(name, Status) \
  if (const int fault = Faults::instance().next(name); fault != 0) return static_cast<Status>(fault)

namespace vgpu {

// Sets the thread's last error and returns it.
cudaError_t remember(cudaError_t error);
cudaError_t take_last_error();
cudaError_t last_error();

// Runs `body` under the scheduler's lock, unless the call is made to fail or the device is lost. A
// Failure becomes its error. `name`: for counting and faults; nullptr where a library has done that.
cudaError_t run_guarded(const char* name, const std::function<cudaError_t()>& body);
template <class Body>  // returns a cudaError_t or nothing
cudaError_t guarded(const char* name, Body&& body) {
  return run_guarded(name, [&]() -> cudaError_t {
    if constexpr (!std::is_void_v<decltype(body())>) return body();
    body();
    return cudaSuccess;
  });
}

// Of the calling thread: the report lists the devices that have memory, streams or launches.
void use_current_device();

// Knows the special handles 0, 1 (legacy) and 2 (per thread). Throws Failure for a stale handle.
Stream& stream_from(cudaStream_t handle);
// For cuBLAS and cuDNN: false where the stream takes no work. `name`: the call; `problem`: what
// their choice of a kernel depends on.
bool enqueue_in(cudaStream_t handle, const std::string& name, const std::string& problem,
                Work work);

// Device memory for operations that are computed on the host (copies, cuBLAS, cuDNN). Each reports
// what is wrong (out of bounds, freed, not initialised) and throws Failure 700 where there is nothing
// to read or write.
const void* device_read(const std::string& who, const void* device, std::size_t bytes);
void* device_write(const std::string& who, void* device, std::size_t bytes);

}  // namespace vgpu
