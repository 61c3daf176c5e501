#pragma once
// The meaning of "cpu", "cuda", "cuda:N" and "auto".

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>

#include "engine/base/error.h"

namespace graft {

// "cuda" is 0, "cuda:N" is N. Throws Error(usage) for what is neither.
int cuda_ordinal(const std::string& device);

// Calls `cpu` or `cuda(ordinal)`. "auto" takes the first GPU, or the CPU where there is none: then
// `note`, which may be empty, receives the reason. Throws Error(device) when a GPU is named and
// cannot be used.
template <typename Made, typename MakeCpu, typename MakeCuda>
std::unique_ptr<Made> with_device(const std::string& device,
                                  const std::function<void(const std::string&)>& note,
                                  const MakeCpu& cpu, const MakeCuda& cuda) {
  if (device == "cpu") return cpu();
  const bool automatic = device == "auto";
  const int ordinal = automatic ? 0 : cuda_ordinal(device);
  try {
    return cuda(ordinal);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::device) throw;
    if (!automatic)
      throw Error(ErrorKind::device,
                  fmt::format("\"device\": \"{}\" cannot be used: {}. Choose \"cpu\" or \"auto\".",
                              device, error.what()));
    if (note) note(fmt::format("\"device\": \"auto\" takes no GPU: {}", error.what()));
  }
  return cpu();
}

}  // namespace graft
