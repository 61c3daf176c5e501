#pragma once
// What all entry points share: the lock, injected faults, sticky errors, the thread's last error.

#include <cuda_runtime_api.h>

#include <mutex>
#include <optional>
#include <string>

#include "faults.h"
#include "streams.h"

// The library hides its symbols; entry points are the exception.
#define VGPU_EXPORT extern "C" __attribute__((visibility("default")))

namespace vgpu {

// Sets the thread's last error and returns it.
cudaError_t remember(cudaError_t error);
cudaError_t take_last_error();
cudaError_t last_error();

// `name`: for counting and faults; nullptr where the caller has seen to that.
// Runs `body` under the scheduler's lock, unless the call is made to fail or the device is lost.
// Exceptions of the virtual GPU become errors here.
cudaError_t guarded(const char* name, const std::function<cudaError_t()>& body);

// Host → stream, with the special handles 0, 1 (legacy) and 2 (per thread). nullptr: a stale
// handle.
Stream* stream_from(cudaStream_t handle);
inline cudaStream_t handle_of(Stream& stream) {
  return reinterpret_cast<cudaStream_t>(&stream);
}

// Device memory for operations that are computed on the host (copies, cuBLAS, cuDNN). Each reports
// what is wrong (out of bounds, freed, not initialised) and throws LaunchFailure 700 where there is
// nothing to read or write.
const void* device_read(const std::string& who, const void* device, std::size_t bytes);
void* device_write(const std::string& who, void* device, std::size_t bytes);

}  // namespace vgpu
