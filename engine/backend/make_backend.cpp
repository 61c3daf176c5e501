#include <fmt/format.h>

#include <charconv>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "engine/backend/cuda_module.h"
#include "engine/backend/device_name.h"
#include "engine/base/error.h"

namespace graft {
namespace {

[[noreturn]] void no_such_device(const std::string& device) {
  throw Error(
      ErrorKind::usage,
      fmt::format("There is no device \"{}\"; choose \"cpu\", \"cuda\", \"cuda:N\" or \"auto\".",
                  device));
}

}  // namespace

int cuda_ordinal(const std::string& device) {
  if (device == "cuda") return 0;
  const std::string prefix = "cuda:";
  int ordinal = 0;
  const char* end = device.data() + device.size();
  if (!device.starts_with(prefix)) no_such_device(device);
  const auto [stop, failure] = std::from_chars(device.data() + prefix.size(), end, ordinal);
  if (failure != std::errc{} || stop != end || ordinal < 0) no_such_device(device);
  return ordinal;
}

std::unique_ptr<Backend> make_backend(const std::string& device, std::size_t threads,
                                      const std::function<void(const std::string&)>& note) {
  return with_device<Backend>(
      device, note,
      [&]() -> std::unique_ptr<Backend> { return std::make_unique<cpu::CpuBackend>(threads); },
      [&](int ordinal) { return cuda_module().make_backend(ordinal, threads); });
}

}  // namespace graft
