#pragma once
// The meaning of "cpu", "cuda", "cuda:N", "cuda:local" and "auto".

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>

#include "engine/base/error.h"

namespace graft {

using DeviceNote = std::function<void(const std::string&)>;  // receives a sentence; may be empty

// "cuda" is 0, "cuda:N" is N, "cuda:local" the local rank, or 0 with a note where one GPU is visible.
// Throws Error(usage) for other names, Error(device) for want of GPUs.
int cuda_ordinal(const std::string& device, const DeviceNote& note);

// Calls `cpu` or `cuda(ordinal)`. "auto" takes the first GPU, or the CPU where there is none: then
// `note` receives the reason. Throws Error(device) when a GPU is named and cannot be used.
template <typename Made, typename MakeCpu, typename MakeCuda>
std::unique_ptr<Made> with_device(const std::string& device, const DeviceNote& note,
                                  const MakeCpu& cpu, const MakeCuda& cuda) {
  if (device == "cpu") return cpu();
  const bool automatic = device == "auto";
  try {
    return cuda(automatic ? 0 : cuda_ordinal(device, note));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::device) throw;
    if (!automatic)
      throw Error(ErrorKind::device,
                  "\"device\": \"{}\" cannot be used: {}. Choose \"cpu\" or \"auto\".", device,
                  error.what());
    if (note) note(fmt::format("\"device\": \"auto\" takes no GPU: {}", error.what()));
  }
  return cpu();
}

}  // namespace graft
