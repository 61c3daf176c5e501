#pragma once
// Client of graft-hdf5, the only program that links libhdf5. Damaged files have made that library
// crash and hang, so it runs in a process of its own, which limits itself (tools/hdf5/confinement.h).

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace graft {

// graft-hdf5 in the folder of the running program, as an absolute path. PATH is not searched: a program
// with this library inside needs graft-hdf5, or a link to it, next to it.
std::filesystem::path hdf5_program();

// One byte starts an answer: 0 before the result, else the ErrorKind before the sentence of a refusal.
inline constexpr std::byte hdf5_result{0};

// For a stuck disk. A hang in libhdf5 meets the limit on processor time first.
inline constexpr std::chrono::seconds hdf5_time_limit{120};

// Runs PROGRAM with the arguments PARENT FILE REQUEST…, where PARENT is this process, and returns its
// result, not yet checked. Throws Error:
//   the kind of a refusal, with its sentence (escaped and bounded)
//   weights      it crashed, hung, or its result has more than `largest_result` bytes
//   io, device   it cannot be started; the disk or the machine's memory failed
//   interrupted  stop was requested, or a terminal's Ctrl-C ended it
// Never forks: the program is started with posix_spawn, in this process group.
std::vector<std::byte> run_hdf5_program(const std::filesystem::path& program,
                                        const std::filesystem::path& file,
                                        std::span<const std::string> request,
                                        std::size_t largest_result, const std::stop_token& stop,
                                        std::chrono::milliseconds time_limit = hdf5_time_limit);

}  // namespace graft
