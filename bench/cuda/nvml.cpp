#include "bench/cuda/nvml.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace graft::bench {
namespace {

// From the NVML API Reference Guide.
using Handle = struct nvmlDevice_st*;
using Return = int;
constexpr Return success = 0;
constexpr Return insufficient_size = 7;
enum ClockType : int { sm_clock = 1, memory_clock = 2 };
constexpr int gpu_sensor = 0;

struct ProcessInfo {  // of nvmlDeviceGetComputeRunningProcesses_v3
  unsigned pid;
  unsigned long long used_memory;
  unsigned gpu_instance, compute_instance;
};

// Bits of the clocks' event reasons.
constexpr std::uint64_t idle = 0x1, clocks_setting = 0x2;
struct Reason {
  std::uint64_t bit;
  const char* word;
};
constexpr std::array<Reason, 6> slowing = {{{0x4, "power cap"},
                                            {0x8, "hardware slowdown"},
                                            {0x10, "sync boost"},
                                            {0x20, "thermal, by the driver"},
                                            {0x40, "thermal, by the hardware"},
                                            {0x80, "power brake"}}};

template <typename Function>
Function* find(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

// Calls `function`, if it exists, with `arguments` and a pointer to the value.
template <typename Value, typename... Parameters, typename... Arguments>
std::optional<Value> ask(Return (*function)(Parameters...), Arguments... arguments) {
  Value value{};
  if (function == nullptr || function(arguments..., &value) != success) return std::nullopt;
  return value;
}

std::optional<double> number(std::optional<unsigned> value, double unit = 1.0) {
  if (!value) return std::nullopt;
  return *value * unit;
}

}  // namespace

// The library and its functions; null: the library lacks it.
struct Nvml::Library {
  using OfClock = Return(Handle, int, unsigned*);
  using OfReasons = Return(Handle, unsigned long long*);

  explicit Library(void* loaded)
      : library(loaded),
        shut_down(find<Return()>(library, "nvmlShutdown")),
        driver_version(find<Return(char*, unsigned)>(library, "nvmlSystemGetDriverVersion")),
        clock(find<OfClock>(library, "nvmlDeviceGetClockInfo")),
        application_clock(find<OfClock>(library, "nvmlDeviceGetApplicationsClock")),
        default_clock(find<OfClock>(library, "nvmlDeviceGetDefaultApplicationsClock")),
        temperature(find<OfClock>(library, "nvmlDeviceGetTemperature")),
        power(find<Return(Handle, unsigned*)>(library, "nvmlDeviceGetPowerUsage")),
        event_reasons(find<OfReasons>(library, "nvmlDeviceGetCurrentClocksEventReasons")),
        throttle_reasons(find<OfReasons>(library, "nvmlDeviceGetCurrentClocksThrottleReasons")),
        processes(find<Return(Handle, unsigned*, ProcessInfo*)>(
            library, "nvmlDeviceGetComputeRunningProcesses_v3")) {}
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (started && shut_down != nullptr) shut_down();
    dlclose(library);
  }

  // Starts the library and finds the device.
  bool start(const std::string& pci_bus_id) {
    auto* init = find<Return()>(library, "nvmlInit_v2");
    auto* by_bus = find<Return(const char*, Handle*)>(library, "nvmlDeviceGetHandleByPciBusId_v2");
    if (init == nullptr || by_bus == nullptr || init() != success) return false;
    started = true;
    return by_bus(pci_bus_id.c_str(), &device) == success;
  }

  // By the old function where the library lacks the new one.
  std::optional<std::uint64_t> reasons() const {
    auto value = ask<unsigned long long>(event_reasons, device);
    if (!value) value = ask<unsigned long long>(throttle_reasons, device);
    return value;
  }

  std::optional<bool> clocks_locked(std::optional<std::uint64_t> now) const {
    const auto set = ask<unsigned>(application_clock, device, static_cast<int>(sm_clock));
    const auto usual = ask<unsigned>(default_clock, device, static_cast<int>(sm_clock));
    if (set && usual && *set != *usual) return true;
    if (now && (*now & clocks_setting) != 0) return true;
    if (!now || (*now & idle) != 0) return std::nullopt;
    return false;
  }

  std::optional<std::size_t> other_processes() const {
    if (processes == nullptr) return std::nullopt;
    std::vector<ProcessInfo> list(64);
    auto count = static_cast<unsigned>(list.size());
    Return code = processes(device, &count, list.data());
    if (code == insufficient_size) {  // the call has set count
      list.resize(std::size_t{count} + 64);
      count = static_cast<unsigned>(list.size());
      code = processes(device, &count, list.data());
    }
    if (code != success) return std::nullopt;
    list.resize(std::min<std::size_t>(count, list.size()));
    const auto own = static_cast<unsigned>(getpid());
    const auto others = static_cast<std::size_t>(
        std::ranges::count_if(list, [&](const ProcessInfo& one) { return one.pid != own; }));
    const bool numbered_otherwise = others == list.size() && others != 0;
    return numbered_otherwise ? others - 1 : others;
  }

  void* library;
  Return (*shut_down)();
  Return (*driver_version)(char*, unsigned);
  OfClock *clock, *application_clock, *default_clock, *temperature;
  Return (*power)(Handle, unsigned*);
  OfReasons *event_reasons, *throttle_reasons;
  Return (*processes)(Handle, unsigned*, ProcessInfo*);
  Handle device = nullptr;
  bool started = false;
};

Nvml::Nvml(const std::string& pci_bus_id, const std::string& library) {
  void* loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) return;
  auto found = std::make_unique<Library>(loaded);
  if (found->start(pci_bus_id)) library_ = std::move(found);
}

Nvml::~Nvml() = default;

Conditions Nvml::conditions() const {
  Conditions now;
  if (library_ == nullptr) return now;
  const Library& nvml = *library_;
  const auto clock = [&](ClockType type) {
    return number(ask<unsigned>(nvml.clock, nvml.device, static_cast<int>(type)));
  };
  now.clock_mhz = clock(sm_clock);
  now.memory_clock_mhz = clock(memory_clock);
  now.temperature_celsius = number(ask<unsigned>(nvml.temperature, nvml.device, gpu_sensor));
  now.power_watts = number(ask<unsigned>(nvml.power, nvml.device), 1e-3);
  const auto reasons = nvml.reasons();
  if (reasons) now.throttle_reasons = throttle_words(*reasons);
  now.clocks_locked = nvml.clocks_locked(reasons);
  now.other_processes = nvml.other_processes();
  return now;
}

std::string Nvml::driver() const {
  if (library_ == nullptr || library_->driver_version == nullptr) return {};
  std::array<char, 81> text{};  // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE is 80
  if (library_->driver_version(text.data(), 80) != success) return {};
  return text.data();
}

std::vector<std::string> throttle_words(std::uint64_t reasons) {
  std::vector<std::string> words;
  for (const Reason& reason : slowing) {
    if ((reasons & reason.bit) != 0) words.emplace_back(reason.word);
  }
  return words;
}

}  // namespace graft::bench
