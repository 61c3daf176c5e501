// Allocation, pinned memory, copies, memsets.

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "machine/memory.h"
#include "report/leaks.h"
#include "report/report.h"
#include "runtime/api.h"

using namespace vgpu;

namespace {

std::uint64_t address_of(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}
bool is_on_device(const void* pointer) {
  return DeviceMemory::instance().in_arena(address_of(pointer));
}
bool is_pageable(const void* host, std::size_t bytes) {
  return !DeviceMemory::instance().is_pinned(host, bytes);
}

// Allocation waits for nothing, but is no part of a graph.
void refuse_in_capture() {
  if (Scheduler::instance().unsafe_call_in_capture())
    throw Failure(cudaErrorStreamCaptureUnsupported, "the call is not allowed in a capture");
}

std::map<const void*, std::size_t>& host_allocations() {  // of cudaHostAlloc; under the lock
  static auto* map = new std::map<const void*, std::size_t>;
  return *map;
}

// ---- Copies ----

bool matches(cudaMemcpyKind kind, bool from_device, bool to_device) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !from_device && !to_device;
    case cudaMemcpyHostToDevice:
      return !from_device && to_device;
    case cudaMemcpyDeviceToHost:
      return from_device && !to_device;
    case cudaMemcpyDeviceToDevice:
      return from_device && to_device;
    default:
      return true;
  }
}

void check_range(const void* pointer, std::size_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  const std::uint64_t address = address_of(pointer);
  if (!is_on_device(pointer) || memory.is_live(address, bytes)) return;
  const std::string text =
      "a copy of " + std::to_string(bytes) + " bytes: " + memory.describe(address);
  const bool freed = memory.page(address) == Page::freed;
  Report::instance().error(freed ? "use_after_free" : "out_of_bounds", "cudaMemcpy", 0, text);
  throw Failure(cudaErrorInvalidValue, text);
}

// When the copy's turn comes in its stream.
void run_copy(void* to, const void* from, std::size_t bytes) {
  constexpr const char* kWho = "cudaMemcpy";
  const DeviceMemory& memory = DeviceMemory::instance();
  const bool within_device = is_on_device(from) && is_on_device(to);
  if (!within_device) {
    const void* source = is_on_device(from) ? device_read(kWho, from, bytes) : from;
    std::memcpy(is_on_device(to) ? device_write(kWho, to, bytes) : to, source, bytes);
    return;
  }
  // Unwritten bytes stay unwritten.
  if (!memory.is_live(address_of(from), bytes)) device_read(kWho, from, bytes);  // throws
  const std::uint8_t* shadow = memory.shadow(address_of(from));
  const std::vector<std::uint8_t> written(shadow, shadow + bytes);
  std::memmove(device_write(kWho, to, bytes), memory.data(address_of(from)), bytes);
  std::copy(written.begin(), written.end(), memory.shadow(address_of(to)));
}

cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                 cudaStream_t handle, bool async) {
  Scheduler& scheduler = Scheduler::instance();
  Stream& stream = stream_from(handle);
  if (!async) refuse_in_capture();
  if (bytes == 0) return cudaSuccess;
  const bool to_device = is_on_device(to);
  const bool from_device = is_on_device(from);
  if (!matches(kind, from_device, to_device)) return cudaErrorInvalidValue;
  check_range(to, bytes);
  check_range(from, bytes);
  const bool is_captured = stream.capture != nullptr;
  if (async && !is_captured && !from_device && is_pageable(from, bytes)) {  // staged when called
    const auto* first = static_cast<const std::byte*>(from);
    const auto staged = std::make_shared<std::vector<std::byte>>(first, first + bytes);
    scheduler.enqueue(stream, [=] { run_copy(to, staged->data(), bytes); });
  } else {
    scheduler.enqueue(stream, [=] { run_copy(to, from, bytes); });
  }
  const bool host_waits =
      async ? !to_device && is_pageable(to, bytes) && !is_captured : !(from_device && to_device);
  if (host_waits) scheduler.finish(stream);
  return scheduler.take_async_error();
}

cudaError_t set(void* to, int value, std::size_t bytes, cudaStream_t handle) {
  Stream& stream = stream_from(handle);
  if (bytes == 0) return cudaSuccess;
  if (is_on_device(to) ? !DeviceMemory::instance().is_live(address_of(to), bytes)
                       : is_pageable(to, bytes))
    return cudaErrorInvalidValue;
  Scheduler::instance().enqueue(
      stream, [=] { std::memset(device_write("cudaMemset", to, bytes), value, bytes); });
  return cudaSuccess;
}

cudaError_t host_allocate(void** pointer, std::size_t bytes) {
  refuse_in_capture();
  use_current_device();
  constexpr std::size_t page = 4096;
  const std::size_t size = (std::max<std::size_t>(bytes, 1) + page - 1) / page * page;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return cudaErrorMemoryAllocation;
  host_allocations()[memory] = size;
  DeviceMemory::instance().add_pinned(memory, bytes);
  *pointer = memory;
  return cudaSuccess;
}

}  // namespace

std::size_t vgpu::live_host_allocations() {
  return host_allocations().size();
}

VGPU_EXPORT cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  return guarded("cudaMalloc", [&] {
    refuse_in_capture();
    use_current_device();
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    *pointer = reinterpret_cast<void*>(DeviceMemory::instance().allocate(bytes));
    return *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaFree(void* pointer) {
  return guarded("cudaFree", [&] {
    refuse_in_capture();
    Scheduler::instance().finish_all();
    DeviceMemory& memory = DeviceMemory::instance();
    if (pointer == nullptr || memory.release(address_of(pointer))) return cudaSuccess;
    Report::instance().error("bad_free", "", 0,
                             "cudaFree of a pointer that is not a live allocation: " +
                                 memory.describe(address_of(pointer)));
    return cudaErrorInvalidValue;
  });
}
VGPU_EXPORT cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total) {
  return guarded("cudaMemGetInfo", [&] {
    const DeviceMemory& memory = DeviceMemory::instance();
    *total = memory.total();
    *free_bytes = memory.total() - memory.used();
  });
}

VGPU_EXPORT cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  return guarded("cudaHostAlloc", [&] { return host_allocate(pointer, bytes); });
}
VGPU_EXPORT cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  return guarded("cudaMallocHost", [&] { return host_allocate(pointer, bytes); });
}
VGPU_EXPORT cudaError_t cudaFreeHost(void* pointer) {
  return guarded("cudaFreeHost", [&] {
    if (pointer == nullptr) return cudaSuccess;
    const auto found = host_allocations().find(pointer);
    if (found == host_allocations().end()) return cudaErrorInvalidValue;
    Scheduler::instance().finish_all();
    DeviceMemory::instance().remove_pinned(pointer);
    munmap(pointer, found->second);
    host_allocations().erase(found);
    return cudaSuccess;
  });
}

VGPU_EXPORT cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes,
                                   cudaMemcpyKind kind) {
  return guarded("cudaMemcpy", [&] { return copy(to, from, bytes, kind, nullptr, false); });
}
VGPU_EXPORT cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                        cudaMemcpyKind kind, cudaStream_t stream) {
  return guarded("cudaMemcpyAsync", [&] { return copy(to, from, bytes, kind, stream, true); });
}
VGPU_EXPORT cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  return guarded("cudaMemset", [&] { return set(to, value, bytes, nullptr); });
}
VGPU_EXPORT cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes,
                                        cudaStream_t stream) {
  return guarded("cudaMemsetAsync", [&] { return set(to, value, bytes, stream); });
}
