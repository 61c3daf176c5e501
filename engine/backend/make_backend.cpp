#include <fmt/format.h>

#include <utility>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/cpu_backend.h"
#include "engine/backend/cuda_module.h"
#include "engine/backend/device_name.h"
#include "engine/base/error.h"
#include "engine/base/launcher.h"
#include "engine/base/text.h"
#include "engine/config/paths.h"

namespace graft {

int cuda_ordinal(const std::string& device, const DeviceNote& note) {
  if (device == "cuda") return 0;
  if (device != "cuda:local") {
    const auto ordinal = whole_number(device.starts_with("cuda:") ? device.substr(5) : "");
    if (ordinal && std::in_range<int>(*ordinal)) return static_cast<int>(*ordinal);
    throw Error(ErrorKind::usage,
                "There is no device \"{}\"; choose \"cpu\", \"cuda\", \"cuda:N\", \"cuda:local\" "
                "or \"auto\".",
                device);
  }
  const std::size_t rank = local_rank(process_environment().variable);
  const auto count = static_cast<std::size_t>(cuda_module().device_count());
  if (rank < count) return static_cast<int>(rank);
  if (count > 1)
    throw Error(ErrorKind::device,
                "there are {} GPUs for local rank {}; start one process for each GPU", count, rank);
  // SLURM may show each task its own GPU alone.
  if (note)
    note(fmt::format("\"device\": \"cuda:local\": local rank {} takes the one visible GPU", rank));
  return 0;
}

std::unique_ptr<Backend> make_backend(const std::string& device, std::size_t threads,
                                      const std::function<void(const std::string&)>& note) {
  return with_device<Backend>(
      device, note,
      [&]() -> std::unique_ptr<Backend> { return std::make_unique<cpu::CpuBackend>(threads); },
      [&](int ordinal) { return cuda_module().make_backend(ordinal, threads); });
}

}  // namespace graft
