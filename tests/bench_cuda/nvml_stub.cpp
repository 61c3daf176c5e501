// A stub of libnvidia-ml.so.1. NVML_STUB_OLD: with the former names of functions. NVML_STUB_EMPTY:
// without functions.

#include "tests/bench_cuda/nvml_stub.h"

#include <cstring>

extern "C" NvmlStub* nvml_stub() {
  static NvmlStub stub;
  return &stub;
}

#ifndef NVML_STUB_EMPTY

namespace {

constexpr int unknown_device = 6, too_small = 7;

// Counts the call, and returns its configured code.
int called(const char* function) {
  NvmlStub& stub = *nvml_stub();
  ++stub.calls[function];
  const auto failing = stub.failing.find(function);
  return failing == stub.failing.end() ? 0 : failing->second;
}
// Sets `value` on success.
template <typename Value>
int answer(const char* function, Value value, Value* out) {
  const int code = called(function);
  if (code == 0) *out = value;
  return code;
}

struct ProcessInfo {
  unsigned pid;
  unsigned long long used_memory;
  unsigned gpu_instance, compute_instance;
};

}  // namespace

extern "C" {

int nvmlInit_v2() {
  const int code = called("nvmlInit_v2");
  if (code == 0) ++nvml_stub()->started;
  return code;
}
int nvmlShutdown() {
  --nvml_stub()->started;
  return called("nvmlShutdown");
}
int nvmlSystemGetDriverVersion(char* text, unsigned size) {
  const int code = called("nvmlSystemGetDriverVersion");
  if (code == 0) std::strncpy(text, nvml_stub()->driver.c_str(), size);
  return code;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* bus, void** device) {
  if (nvml_stub()->pci_bus_id != bus) return unknown_device;
  return answer("nvmlDeviceGetHandleByPciBusId_v2", static_cast<void*>(nvml_stub()), device);
}
int nvmlDeviceGetClockInfo(void*, int type, unsigned* out) {
  const NvmlStub& stub = *nvml_stub();
  return answer("nvmlDeviceGetClockInfo", type == 2 ? stub.memory_clock_mhz : stub.clock_mhz, out);
}
int nvmlDeviceGetApplicationsClock(void*, int, unsigned* out) {
  return answer("nvmlDeviceGetApplicationsClock", nvml_stub()->application_clock_mhz, out);
}
int nvmlDeviceGetDefaultApplicationsClock(void*, int, unsigned* out) {
  return answer("nvmlDeviceGetDefaultApplicationsClock", nvml_stub()->default_clock_mhz, out);
}
int nvmlDeviceGetTemperature(void*, int, unsigned* out) {
  return answer("nvmlDeviceGetTemperature", nvml_stub()->temperature, out);
}
int nvmlDeviceGetPowerUsage(void*, unsigned* out) {
  return answer("nvmlDeviceGetPowerUsage", nvml_stub()->power_milliwatts, out);
}
#ifdef NVML_STUB_OLD
int nvmlDeviceGetCurrentClocksThrottleReasons(void*, unsigned long long* out) {
  return answer("nvmlDeviceGetCurrentClocksThrottleReasons", nvml_stub()->reasons, out);
}
#else
int nvmlDeviceGetCurrentClocksEventReasons(void*, unsigned long long* out) {
  return answer("nvmlDeviceGetCurrentClocksEventReasons", nvml_stub()->reasons, out);
}
int nvmlDeviceGetComputeRunningProcesses_v3(void*, unsigned* count, ProcessInfo* list) {
  const int code = called("nvmlDeviceGetComputeRunningProcesses_v3");
  if (code != 0) return code;
  const std::vector<unsigned>& processes = nvml_stub()->processes;
  const bool fits = processes.size() <= *count;
  *count = static_cast<unsigned>(processes.size());
  if (!fits) return too_small;
  for (const unsigned pid : processes) *list++ = {pid, 1U << 20U, ~0U, ~0U};
  return 0;
}
#endif
}

#endif  // NVML_STUB_EMPTY
