#pragma once
// This process's place among those that Open MPI, PMI (Hydra, Intel MPI, Cray) or SLURM started, by
// the environment. Functions throw Error(usage), a sentence without a place.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace graft {

// Nothing when the environment variable is unset or empty.
using VariableLookup = std::function<std::optional<std::string>(const std::string& name)>;

struct Rank {
  std::size_t index = 0;  // below count
  std::size_t count = 1;
};

// For --shard auto. Open MPI's variables win, then PMI's, then a SLURM step's, then a SLURM array's.
Rank rank_of_process(const VariableLookup& variable);

// Among this job's processes on this machine; 0 without a launcher.
std::size_t local_rank(const VariableLookup& variable);

// How many of this job's processes are on this machine. Nothing where no launcher says it.
std::optional<std::size_t> local_size(const VariableLookup& variable);

}  // namespace graft
