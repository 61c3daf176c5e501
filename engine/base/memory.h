#pragma once
// How much memory there is to take, so that what cannot fit is refused before it is taken.

#include <cstdint>
#include <filesystem>
#include <string>

namespace graft {

// In bytes: the physical memory, or what the control groups of this process allow if that is less
// (containers, batch systems).
std::uint64_t machine_memory();

// The least memory limit of the control groups that this process is in, version 2 (memory.max) or 1
// (memory.limit_in_bytes), its own group and those above it; the largest number when there is none.
// `root` is where /proc and the mounted groups are looked for.
std::uint64_t control_group_limit(const std::filesystem::path& root = "/");

// Throws Error(device) when `bytes` are more than machine_memory():
//   WHAT needs 12.3 GiB of memory, and this machine has 7.8 GiB; ADVICE.
// A double, so that a product of sizes never wraps.
void check_memory(const std::string& what, double bytes, const std::string& advice);

}  // namespace graft
