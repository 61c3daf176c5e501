#pragma once
// The GPU that a program sees: properties of a real one of the chosen architecture.

#include <cstddef>
#include <string>

namespace vgpu {

struct Device {
  int architecture;  // 80
  const char* name;
  int multiprocessors;
  int threads_per_multiprocessor;
  int blocks_per_multiprocessor;
  int shared_per_multiprocessor;  // bytes
  int shared_per_block_optin;     // bytes
  int l2_bytes;
  int clock_khz;
  int memory_clock_khz;
  int memory_bus_bits;
};

constexpr int kSharedPerBlock = 48 * 1024;
constexpr int kMaxThreadsPerBlock = 1024;
constexpr int kRegistersPerMultiprocessor = 65536;

// For VGPU_ARCH.
const Device& device();

// The same as JSON, with the keys that cuDNN's device-properties descriptor wants.
std::string cudnn_device_json();

}  // namespace vgpu
