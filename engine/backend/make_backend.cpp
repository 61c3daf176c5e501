#include <fmt/format.h>

#include <charconv>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "engine/backend/cuda_module.h"
#include "engine/backend/device_name.h"
#include "engine/base/error.h"

namespace graft {

int cuda_ordinal(const std::string& device) {
  constexpr std::string_view prefix = "cuda:";
  if (device == "cuda") return 0;
  int ordinal = -1;
  const char* const end = device.data() + device.size();
  if (device.starts_with(prefix) &&
      std::from_chars(device.data() + prefix.size(), end, ordinal).ptr == end && ordinal >= 0)
    return ordinal;
  throw Error(
      ErrorKind::usage,
      fmt::format("There is no device \"{}\"; choose \"cpu\", \"cuda\", \"cuda:N\" or \"auto\".",
                  device));
}

std::unique_ptr<Backend> make_backend(const std::string& device, std::size_t threads,
                                      const std::function<void(const std::string&)>& note) {
  return with_device<Backend>(
      device, note,
      [&]() -> std::unique_ptr<Backend> { return std::make_unique<cpu::CpuBackend>(threads); },
      [&](int ordinal) { return cuda_module().make_backend(ordinal, threads); });
}

}  // namespace graft
