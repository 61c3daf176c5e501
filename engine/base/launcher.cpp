#include "engine/base/launcher.h"

#include <fmt/format.h>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {
namespace {

template <typename... Values>
[[noreturn]] void refuse(fmt::format_string<Values...> sentence, Values&&... values) {
  throw Error(ErrorKind::usage, fmt::format(sentence, std::forward<Values>(values)...));
}

std::optional<std::size_t> number(const VariableLookup& variable, const std::string& name) {
  const auto text = variable(name);
  const auto value = whole_number(text.value_or(""));
  if (text && !value) refuse("{} is \"{}\", not a whole number", name, printable(*text, 100));
  return value;
}

std::optional<Rank> rank_in(const VariableLookup& variable, const std::string& rank,
                            const std::string& size) {
  const auto index = number(variable, rank);
  if (!index) return std::nullopt;
  // A missing size is not taken from SLURM, which may count Hydra's proxies.
  const auto count = number(variable, size);
  if (*index >= count.value_or(0))
    refuse("{} is {}, but {} is {}; write i/n in place of auto", rank, *index, size,
           count ? std::to_string(*count) : "not set");
  return Rank{*index, *count};
}

Rank rank_in_array(const VariableLookup& variable) {
  const auto value = [&](const char* name) {
    return number(variable, std::string("SLURM_ARRAY_TASK_") + name).value_or(0);
  };
  const auto id = value("ID"), first = value("MIN"), last = value("MAX");
  const auto step = value("STEP"), count = value("COUNT");
  // An index of a list, --array=3,7,20, does not show its position.
  if (step == 0 || count == 0 || id < first || id > last || (id - first) % step != 0 ||
      (last - first) / step != count - 1)
    refuse("the SLURM array is irregular: {} of {} in {}-{}:{}; submit --array=0-N, or write i/n",
           id, count, first, last, step);
  return {(id - first) / step, count};
}

}  // namespace

Rank rank_of_process(const VariableLookup& variable) {
  auto rank = rank_in(variable, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
  if (!rank) rank = rank_in(variable, "PMI_RANK", "PMI_SIZE");
  const bool is_slurm = !rank && variable("SLURM_NTASKS");
  if (is_slurm) rank = rank_in(variable, "SLURM_PROCID", "SLURM_NTASKS");
  if (variable("SLURM_ARRAY_TASK_ID")) {
    if (rank && rank->count > 1)
      refuse("each of this SLURM array's tasks has {} processes; use tasks of one, or no array",
             rank->count);
    return rank_in_array(variable);
  }
  if (!rank)
    refuse("no launcher has numbered this process; start it with srun or mpirun, or write i/n");
  // Outside a step, and with srun --preserve-env, SLURM_NTASKS is the job's.
  if (is_slurm && rank->count != number(variable, "SLURM_STEP_NUM_TASKS").value_or(1))
    refuse("SLURM_NTASKS is {}, but srun did not start this; start it with srun", rank->count);
  return *rank;
}

std::size_t local_rank(const VariableLookup& variable) {
  for (const char* name :
       {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_LOCAL_RANK", "SLURM_LOCALID"})
    if (const auto rank = number(variable, name)) return *rank;
  return 0;
}

std::optional<std::size_t> local_size(const VariableLookup& variable) {
  if (variable("SLURM_ARRAY_TASK_ID")) return std::nullopt;  // tasks may share a machine
  // SLURM lists the machines, "2(x3),1": the first has most.
  for (const char* name :
       {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_TASKS_PER_NODE"})
    if (const auto text = variable(name))
      return whole_number(text->substr(0, text->find_first_of("(,")));
  return std::nullopt;
}

}  // namespace graft
