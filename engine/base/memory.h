#pragma once
// Memory of the machine, so that work that cannot fit is refused before it begins.

#include <cstdint>
#include <filesystem>
#include <string>

namespace graft {

// In bytes: the physical memory, or what the control groups of this process allow if that is less
// (containers, batch systems).
std::uint64_t machine_memory();

// In bytes: what can be taken without swapping (MemAvailable of /proc/meminfo), and at most
// machine_memory(). 0 where the system does not tell. `root` is the folder that has /proc.
std::uint64_t available_memory(const std::filesystem::path& root = "/");

// The lowest memory limit of this process's control group and its parents, version 2 (memory.max) or
// 1 (memory.limit_in_bytes). The largest number when there is none. `root` is the folder that has
// /proc and the mounted groups.
std::uint64_t control_group_limit(const std::filesystem::path& root = "/");

// Throws Error(device) when `bytes` are more than machine_memory():
//   WHAT needs 12.3 GiB of memory, and this machine has 7.8 GiB; ADVICE.
// A double, so that a product of sizes never wraps.
void check_memory(const std::string& what, double bytes, const std::string& advice);

}  // namespace graft
