#pragma once
// Limits that a process sets for itself before it reads a file that it does not trust.

#include <sys/types.h>

#include <cstdint>

namespace graft {

// From now on the process is killed with its parent. Ends it when `parent` is not its parent any more.
void die_with_parent(pid_t parent);

// From now on the process opens nothing, neither files nor sockets, and starts no other. It writes only
// to standard output, and has `seconds` of processor time and an address space of `memory` bytes. Files
// that it has mapped count. A stricter limit that it was started with stays.
//   Returns false where the kernel has no filters of system calls (seccomp): the limits on resources
//   hold alone. They leave no descriptor free, which is what files and sockets need.
// A build with sanitizers has no limit on memory and no filter: the sanitizers need both.
bool confine_process(std::uint64_t memory, std::uint64_t seconds);

}  // namespace graft
