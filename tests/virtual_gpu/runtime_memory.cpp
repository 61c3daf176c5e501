// Allocation, copies, memsets, symbols, pinned memory, the default memory pool.

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "api.h"
#include "interpreter.h"
#include "memory.h"
#include "modules.h"
#include "report.h"

using namespace vgpu;

namespace {

std::uint64_t address_of(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}
void* pointer_of(std::uint64_t address) {
  return reinterpret_cast<void*>(address);
}
bool on_device(const void* pointer) {
  return DeviceMemory::instance().in_arena(address_of(pointer));
}

// Allocation waits for nothing, but is no part of a graph.
cudaError_t forbidden_in_capture() {
  return Scheduler::instance().unsafe_call_in_capture() ? cudaErrorStreamCaptureUnsupported
                                                        : cudaSuccess;
}

std::map<const void*, std::size_t>& host_allocations() {  // of cudaHostAlloc; under the lock
  static auto* map = new std::map<const void*, std::size_t>;
  return *map;
}

// ---- Copies ----

// A rectangle of `rows` times `width` bytes; one row for a plain copy.
struct Copy {
  std::byte* to;
  const std::byte* from;
  std::size_t to_pitch, from_pitch, width, rows;
  bool to_device, from_device;
  std::shared_ptr<std::vector<std::byte>> staged;  // of pageable memory: copied when called
};

// One row, on the device's side of things.
void copy_row(const Copy& c, std::size_t row) {
  DeviceMemory& memory = DeviceMemory::instance();
  std::byte* to = c.to + row * c.to_pitch;
  const std::byte* from =
      c.staged != nullptr ? c.staged->data() + row * c.width : c.from + row * c.from_pitch;
  const std::byte* source = from;
  std::vector<std::uint8_t> shadow;
  if (c.from_device && c.to_device) {  // unwritten bytes stay unwritten
    if (memory.is_live(address_of(from), c.width))
      shadow.assign(memory.shadow(address_of(from)), memory.shadow(address_of(from)) + c.width);
    if (!memory.is_live(address_of(from), c.width)) device_read("cudaMemcpy", from, c.width);
    source = memory.data(address_of(from));
  } else if (c.from_device) {
    source = static_cast<const std::byte*>(device_read("cudaMemcpy", from, c.width));
  }
  if (!c.to_device) {
    std::memcpy(to, source, c.width);
    return;
  }
  std::memmove(device_write("cudaMemcpy", to, c.width), source, c.width);
  if (!shadow.empty()) std::copy(shadow.begin(), shadow.end(), memory.shadow(address_of(to)));
}

int run_copy(const Copy& c) {
  try {
    for (std::size_t row = 0; row < c.rows; ++row) copy_row(c, row);
  } catch (const LaunchFailure& failure) {
    return failure.code;
  }
  return 0;
}

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

bool is_live_rectangle(const std::byte* base, std::size_t pitch, std::size_t width,
                       std::size_t rows) {
  return DeviceMemory::instance().is_live(address_of(base), pitch * (rows - 1) + width);
}

bool is_pageable(const void* host, std::size_t bytes) {
  return !DeviceMemory::instance().is_pinned(host, bytes);
}

cudaError_t bad_copy(const std::byte* base, std::size_t bytes) {
  DeviceMemory& memory = DeviceMemory::instance();
  const bool freed = memory.page(address_of(base)) == Page::freed;
  Report::instance().error(
      freed ? "use_after_free" : "out_of_bounds", "cudaMemcpy", 0,
      "a copy of " + std::to_string(bytes) + " bytes: " + memory.describe(address_of(base)));
  return cudaErrorInvalidValue;
}

cudaError_t copy(Copy c, cudaMemcpyKind kind, cudaStream_t handle, bool async) {
  Scheduler& scheduler = Scheduler::instance();
  Stream* stream = stream_from(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (!async && scheduler.unsafe_call_in_capture()) return cudaErrorStreamCaptureUnsupported;
  if (c.width == 0 || c.rows == 0) return cudaSuccess;
  c.to_device = on_device(c.to);
  c.from_device = on_device(c.from);
  if (!matches(kind, c.from_device, c.to_device)) return cudaErrorInvalidValue;
  if (c.to_device && !is_live_rectangle(c.to, c.to_pitch, c.width, c.rows))
    return bad_copy(c.to, c.width * c.rows);
  if (c.from_device && !is_live_rectangle(c.from, c.from_pitch, c.width, c.rows))
    return bad_copy(c.from, c.width * c.rows);
  const bool to_pageable = !c.to_device && is_pageable(c.to, c.to_pitch * (c.rows - 1) + c.width);
  const bool from_pageable =
      !c.from_device && is_pageable(c.from, c.from_pitch * (c.rows - 1) + c.width);
  const bool capturing = stream->capture != nullptr;
  if (from_pageable && async && !capturing) {
    c.staged = std::make_shared<std::vector<std::byte>>(c.width * c.rows);
    for (std::size_t row = 0; row < c.rows; ++row)
      std::memcpy(c.staged->data() + row * c.width, c.from + row * c.from_pitch, c.width);
  }
  scheduler.enqueue(*stream, [c] { return run_copy(c); });
  const bool host_waits = async ? to_pageable && !capturing : !(c.from_device && c.to_device);
  if (host_waits) scheduler.finish(*stream);
  return static_cast<cudaError_t>(scheduler.take_async_error());
}

cudaError_t plain_copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                       cudaStream_t stream, bool async) {
  return copy({static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes, bytes,
               bytes, 1, false, false, nullptr},
              kind, stream, async);
}

cudaError_t pitched_copy(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                         std::size_t width, std::size_t rows, cudaMemcpyKind kind,
                         cudaStream_t stream, bool async) {
  if (width > to_pitch || width > from_pitch) return cudaErrorInvalidPitchValue;
  return copy({static_cast<std::byte*>(to), static_cast<const std::byte*>(from), to_pitch,
               from_pitch, width, rows, false, false, nullptr},
              kind, stream, async);
}

cudaError_t set(void* to, int value, std::size_t bytes, cudaStream_t handle) {
  Stream* stream = stream_from(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  if (on_device(to) ? !is_live_rectangle(static_cast<std::byte*>(to), bytes, bytes, 1)
                    : is_pageable(to, bytes))
    return cudaErrorInvalidValue;
  Scheduler::instance().enqueue(*stream, [to, value, bytes] {
    try {
      std::memset(device_write("cudaMemset", to, bytes), value, bytes);
    } catch (const LaunchFailure& failure) {
      return failure.code;
    }
    return 0;
  });
  return cudaSuccess;
}

cudaError_t release(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  if (!DeviceMemory::instance().release(address_of(pointer))) {
    Report::instance().error("bad_free", "", 0,
                             "cudaFree of what is no live allocation: " +
                                 DeviceMemory::instance().describe(address_of(pointer)));
    return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

cudaError_t host_allocate(void** pointer, std::size_t bytes) {
  if (const cudaError_t error = forbidden_in_capture(); error != cudaSuccess) return error;
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

namespace vgpu {
std::size_t live_host_allocations() {
  return host_allocations().size();
}
}  // namespace vgpu

// ---- Device allocations ----

VGPU_EXPORT cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  return guarded("cudaMalloc", [&] {
    if (const cudaError_t error = forbidden_in_capture(); error != cudaSuccess) return error;
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    *pointer = pointer_of(DeviceMemory::instance().allocate(bytes));
    return *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaMallocPitch(void** pointer, std::size_t* pitch, std::size_t width,
                                        std::size_t rows) {
  *pitch = (width + 511) / 512 * 512;
  return cudaMalloc(pointer, *pitch * rows);
}
VGPU_EXPORT cudaError_t cudaFree(void* pointer) {
  return guarded("cudaFree", [&] {
    if (const cudaError_t error = forbidden_in_capture(); error != cudaSuccess) return error;
    Scheduler::instance().finish_all();
    return release(pointer);
  });
}
VGPU_EXPORT cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t handle) {
  return guarded("cudaMallocAsync", [&] {
    Stream* stream = stream_from(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->capture != nullptr) return cudaErrorNotSupported;
    const std::uint64_t base =
        DeviceMemory::instance().allocate(std::max<std::size_t>(bytes, 1), true);
    *pointer = pointer_of(base);
    if (base == 0) return cudaErrorMemoryAllocation;
    Scheduler::instance().enqueue(*stream, [base] {
      DeviceMemory::instance().make_live(base);
      return 0;
    });
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  return guarded("cudaFreeAsync", [&] {
    Stream* stream = stream_from(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->capture != nullptr) return cudaErrorNotSupported;
    Scheduler::instance().enqueue(*stream,
                                  [pointer] { return static_cast<int>(release(pointer)); });
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total) {
  return guarded("cudaMemGetInfo", [&] {
    const DeviceMemory& memory = DeviceMemory::instance();
    *total = memory.total();
    *free_bytes = memory.total() - memory.used();
    return cudaSuccess;
  });
}

// The default pool: a handle, and thresholds that change nothing here.
VGPU_EXPORT cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  static int the_pool = 0;
  *pool = reinterpret_cast<cudaMemPool_t>(&the_pool);
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int number) {
  return cudaDeviceGetDefaultMemPool(pool, number);
}
VGPU_EXPORT cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) {
  return cudaSuccess;
}

// ---- Pinned host memory ----

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
VGPU_EXPORT cudaError_t cudaHostRegister(void* pointer, std::size_t bytes, unsigned) {
  return guarded("cudaHostRegister", [&] {
    DeviceMemory& memory = DeviceMemory::instance();
    if (memory.is_pinned(pointer, 1)) return cudaErrorHostMemoryAlreadyRegistered;
    memory.add_pinned(pointer, bytes);
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaHostUnregister(void* pointer) {
  return guarded("cudaHostUnregister", [&] {
    Scheduler::instance().finish_all();
    return DeviceMemory::instance().remove_pinned(pointer) ? cudaSuccess
                                                           : cudaErrorHostMemoryNotRegistered;
  });
}
VGPU_EXPORT cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  return guarded("cudaHostGetDevicePointer", [&] {
    if (!DeviceMemory::instance().is_pinned(host, 1)) return cudaErrorInvalidValue;
    *device = host;
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* pointer) {
  return guarded("cudaPointerGetAttributes", [&] {
    *a = {};
    const DeviceMemory& memory = DeviceMemory::instance();
    if (memory.is_live(address_of(pointer), 1)) {
      a->type = cudaMemoryTypeDevice;
      a->devicePointer = const_cast<void*>(pointer);
    } else if (memory.is_pinned(pointer, 1)) {
      a->type = cudaMemoryTypeHost;
      a->devicePointer = a->hostPointer = const_cast<void*>(pointer);
    } else {
      a->type = cudaMemoryTypeUnregistered;
    }
    return cudaSuccess;
  });
}

// ---- Copies and sets ----

VGPU_EXPORT cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes,
                                   cudaMemcpyKind kind) {
  return guarded("cudaMemcpy", [&] { return plain_copy(to, from, bytes, kind, nullptr, false); });
}
VGPU_EXPORT cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                        cudaMemcpyKind kind, cudaStream_t stream) {
  return guarded("cudaMemcpyAsync",
                 [&] { return plain_copy(to, from, bytes, kind, stream, true); });
}
VGPU_EXPORT cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from,
                                     std::size_t from_pitch, std::size_t width, std::size_t rows,
                                     cudaMemcpyKind kind) {
  return guarded("cudaMemcpy2D", [&] {
    return pitched_copy(to, to_pitch, from, from_pitch, width, rows, kind, nullptr, false);
  });
}
VGPU_EXPORT cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                                          std::size_t from_pitch, std::size_t width,
                                          std::size_t rows, cudaMemcpyKind kind,
                                          cudaStream_t stream) {
  return guarded("cudaMemcpy2DAsync", [&] {
    return pitched_copy(to, to_pitch, from, from_pitch, width, rows, kind, stream, true);
  });
}
VGPU_EXPORT cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  return guarded("cudaMemset", [&] { return set(to, value, bytes, nullptr); });
}
VGPU_EXPORT cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes,
                                        cudaStream_t stream) {
  return guarded("cudaMemsetAsync", [&] { return set(to, value, bytes, stream); });
}

// ---- Symbols ----

namespace {
cudaError_t copy_symbol(const void* symbol, void* host, std::size_t bytes, std::size_t offset,
                        bool to_symbol, cudaMemcpyKind kind, cudaStream_t stream, bool async) {
  std::size_t size = 0;
  void* device = pointer_of(Modules::instance().variable(symbol, size) + offset);
  if (offset > size || bytes > size - offset) return cudaErrorInvalidValue;
  return to_symbol ? plain_copy(device, host, bytes, kind, stream, async)
                   : plain_copy(host, device, bytes, kind, stream, async);
}
}  // namespace

VGPU_EXPORT cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, std::size_t bytes,
                                           std::size_t offset, cudaMemcpyKind kind) {
  return guarded("cudaMemcpyToSymbol", [&] {
    return copy_symbol(symbol, const_cast<void*>(from), bytes, offset, true, kind, nullptr, false);
  });
}
VGPU_EXPORT cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* from,
                                                std::size_t bytes, std::size_t offset,
                                                cudaMemcpyKind kind, cudaStream_t stream) {
  return guarded("cudaMemcpyToSymbolAsync", [&] {
    return copy_symbol(symbol, const_cast<void*>(from), bytes, offset, true, kind, stream, true);
  });
}
VGPU_EXPORT cudaError_t cudaMemcpyFromSymbol(void* to, const void* symbol, std::size_t bytes,
                                             std::size_t offset, cudaMemcpyKind kind) {
  return guarded("cudaMemcpyFromSymbol", [&] {
    return copy_symbol(symbol, to, bytes, offset, false, kind, nullptr, false);
  });
}
VGPU_EXPORT cudaError_t cudaGetSymbolAddress(void** pointer, const void* symbol) {
  return guarded("cudaGetSymbolAddress", [&] {
    std::size_t size = 0;
    *pointer = pointer_of(Modules::instance().variable(symbol, size));
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaGetSymbolSize(std::size_t* size, const void* symbol) {
  return guarded("cudaGetSymbolSize", [&] {
    Modules::instance().variable(symbol, *size);
    return cudaSuccess;
  });
}
