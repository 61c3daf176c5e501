#include "bench/cuda/nvml.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace graft::bench {
namespace {

// From the NVML API Reference Guide.
using Handle = void*;
using Return = int;
constexpr Return success = 0;
constexpr Return insufficient_size = 7;
constexpr int sm_clock = 1, memory_clock = 2;  // nvmlClockType_t
constexpr int gpu_sensor = 0;

struct ProcessInfo {  // of nvmlDeviceGetComputeRunningProcesses_v3
  unsigned pid;
  unsigned long long used_memory;
  unsigned gpu_instance, compute_instance;
};

// Bits of the clocks' event reasons.
constexpr std::uint64_t idle = 0x1, clocks_setting = 0x2, power_cap = 0x4;
constexpr std::array<std::pair<std::uint64_t, const char*>, 5> throttling = {
    {{0x8, "hardware slowdown"},
     {0x10, "sync boost"},
     {0x20, "thermal, by the driver"},
     {0x40, "thermal, by the hardware"},
     {0x80, "power brake"}}};

// Null where the library lacks the function, or is missing itself.
template <typename... Parameters>
auto find(void* library, const char* name) {
  using Function = Return (*)(Parameters...);
  return library == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(library, name));
}

std::optional<double> number(std::optional<unsigned> value, double unit = 1.0) {
  if (!value) return std::nullopt;
  return *value * unit;
}

}  // namespace

Nvml::Nvml(const std::string& pci_bus_id, const std::string& library)
    : library_(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  const auto init = find<>(library_, "nvmlInit_v2");
  const auto by_bus = find<const char*, Handle*>(library_, "nvmlDeviceGetHandleByPciBusId_v2");
  if (init == nullptr || by_bus == nullptr || init() != success) return;
  started_ = true;
  if (by_bus(pci_bus_id.c_str(), &device_) != success) device_ = nullptr;
}

Nvml::~Nvml() {
  const auto shut_down = find<>(library_, "nvmlShutdown");
  if (started_ && shut_down != nullptr) shut_down();
  if (library_ != nullptr) dlclose(library_);
}

// Calls `function` with the device, the arguments and a pointer to the value.
template <typename Value, typename... Arguments>
std::optional<Value> Nvml::ask(const char* function, Arguments... arguments) const {
  const auto found = find<Handle, Arguments..., Value*>(library_, function);
  Value value{};
  if (found == nullptr || found(device_, arguments..., &value) != success) return std::nullopt;
  return value;
}

std::optional<bool> Nvml::clocks_locked(std::optional<std::uint64_t> reasons) const {
  const auto set = ask<unsigned>("nvmlDeviceGetApplicationsClock", sm_clock);
  const auto usual = ask<unsigned>("nvmlDeviceGetDefaultApplicationsClock", sm_clock);
  if (set && usual && *set != *usual) return true;
  if (reasons && (*reasons & clocks_setting) != 0) return true;
  if (!reasons || (*reasons & idle) != 0) return std::nullopt;
  return false;
}

std::optional<std::size_t> Nvml::other_processes() const {
  const auto processes =
      find<Handle, unsigned*, ProcessInfo*>(library_, "nvmlDeviceGetComputeRunningProcesses_v3");
  if (processes == nullptr) return std::nullopt;
  std::vector<ProcessInfo> list(64);
  auto count = static_cast<unsigned>(list.size());
  Return code = processes(device_, &count, list.data());
  if (code == insufficient_size) {  // the call has set count
    list.resize(std::size_t{count} + 64);
    count = static_cast<unsigned>(list.size());
    code = processes(device_, &count, list.data());
  }
  if (code != success) return std::nullopt;
  list.resize(std::min<std::size_t>(count, list.size()));
  const auto own = static_cast<unsigned>(getpid());
  const auto others = static_cast<std::size_t>(
      std::ranges::count_if(list, [&](const ProcessInfo& one) { return one.pid != own; }));
  const bool numbered_otherwise = others == list.size() && others != 0;
  return numbered_otherwise ? others - 1 : others;
}

Conditions Nvml::conditions() const {
  Conditions now;
  if (device_ == nullptr) return now;
  now.clock_mhz = number(ask<unsigned>("nvmlDeviceGetClockInfo", sm_clock));
  now.memory_clock_mhz = number(ask<unsigned>("nvmlDeviceGetClockInfo", memory_clock));
  now.temperature_celsius = number(ask<unsigned>("nvmlDeviceGetTemperature", gpu_sensor));
  now.power_watts = number(ask<unsigned>("nvmlDeviceGetPowerUsage"), 1e-3);
  using Reasons = unsigned long long;
  auto reasons = ask<Reasons>("nvmlDeviceGetCurrentClocksEventReasons");
  // The name in older drivers.
  if (!reasons) reasons = ask<Reasons>("nvmlDeviceGetCurrentClocksThrottleReasons");
  if (reasons) {
    now.throttle_reasons = throttle_words(*reasons);
    now.power_capped = (*reasons & power_cap) != 0;
  }
  now.clocks_locked = clocks_locked(reasons);
  now.other_processes = other_processes();
  return now;
}

std::string Nvml::driver() const {
  const auto version = find<char*, unsigned>(library_, "nvmlSystemGetDriverVersion");
  std::array<char, 81> text{};  // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE is 80
  if (device_ == nullptr || version == nullptr || version(text.data(), 80) != success) return {};
  return text.data();
}

std::vector<std::string> throttle_words(std::uint64_t reasons) {
  std::vector<std::string> words;
  for (const auto& [bit, word] : throttling)
    if ((reasons & bit) != 0) words.emplace_back(word);
  return words;
}

}  // namespace graft::bench
