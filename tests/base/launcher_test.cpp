// What a process reads from the environments of Open MPI, Hydra, Cray and SLURM.

#include "engine/base/launcher.h"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "tests/backend/expect_error.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using Variables = std::map<std::string, std::string>;

VariableLookup lookup(const Variables& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
}

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

Variables without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

const Variables& open_mpi_4() {  // mpirun -n 4, rank 2
  static const Variables variables = {{"OMPI_COMM_WORLD_RANK", "2"},
                                      {"OMPI_COMM_WORLD_SIZE", "4"},
                                      {"OMPI_COMM_WORLD_LOCAL_RANK", "2"},
                                      {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                                      {"OMPI_COMM_WORLD_NODE_RANK", "2"},
                                      {"OMPI_UNIVERSE_SIZE", "4"},
                                      {"PMIX_RANK", "2"},
                                      {"PMIX_NAMESPACE", "3412131841"}};
  return variables;
}

const Variables& open_mpi_5() {  // two machines with two processes each, rank 3
  static const Variables variables = {{"OMPI_COMM_WORLD_RANK", "3"},
                                      {"OMPI_COMM_WORLD_SIZE", "4"},
                                      {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                      {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                      {"OMPI_COMM_WORLD_NODE_RANK", "1"},
                                      {"OMPI_VERSION", "5.0.3"},
                                      {"PMIX_RANK", "3"},
                                      {"PMIX_VERSION", "5.0.2"}};
  return variables;
}

const Variables& hydra() {  // MPICH's and Intel's mpirun -n 8 on two machines, rank 5
  static const Variables variables = {{"PMI_RANK", "5"},        {"PMI_SIZE", "8"},
                                      {"PMI_FD", "9"},          {"MPI_LOCALRANKID", "1"},
                                      {"MPI_LOCALNRANKS", "4"}, {"HYDI_CONTROL_FD", "7"}};
  return variables;
}

const Variables& cray() {  // PALS' mpiexec
  static const Variables variables = {
      {"PMI_RANK", "6"}, {"PMI_SIZE", "8"}, {"PMI_LOCAL_RANK", "2"}, {"PMI_LOCAL_SIZE", "4"}};
  return variables;
}

const Variables& batch_script() {  // sbatch -n 16
  static const Variables variables = {{"SLURM_JOB_ID", "812"}, {"SLURM_NTASKS", "16"},
                                      {"SLURM_NPROCS", "16"},  {"SLURM_PROCID", "0"},
                                      {"SLURM_LOCALID", "0"},  {"SLURM_NODEID", "0"}};
  return variables;
}

const Variables& step() {  // srun in it: task 11
  static const Variables variables = with(batch_script(), {{"SLURM_STEP_ID", "0"},
                                                           {"SLURM_STEPID", "0"},
                                                           {"SLURM_STEP_NUM_TASKS", "16"},
                                                           {"SLURM_PROCID", "11"},
                                                           {"SLURM_LOCALID", "3"},
                                                           {"SLURM_NODEID", "1"}});
  return variables;
}

Variables array(const std::string& id, const std::string& first, const std::string& last,
                const std::string& by, const std::string& count) {  // sbatch without -n
  return {{"SLURM_JOB_ID", "900"},
          {"SLURM_ARRAY_JOB_ID", "897"},
          {"SLURM_ARRAY_TASK_ID", id},
          {"SLURM_ARRAY_TASK_MIN", first},
          {"SLURM_ARRAY_TASK_MAX", last},
          {"SLURM_ARRAY_TASK_STEP", by},
          {"SLURM_ARRAY_TASK_COUNT", count},
          {"SLURM_PROCID", "0"},
          {"SLURM_LOCALID", "0"}};
}

// ---- The rank ----

struct Known {
  std::string name;
  Variables variables;
  std::size_t index, count;
};

TEST(Launcher, NumbersTheProcess) {
  const std::vector<Known> table = {
      {"Open MPI 4.1", open_mpi_4(), 2, 4},
      {"Open MPI 5", open_mpi_5(), 3, 4},
      {"mpirun -n 1", {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}}, 0, 1},
      {"Hydra", hydra(), 5, 8},
      {"PALS", cray(), 6, 8},
      {"srun", step(), 11, 16},
      {"srun of four in a job of sixteen",
       with(step(), {{"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "3"}}),
       3, 4},
      {"srun -n 1",
       with(step(), {{"SLURM_NTASKS", "1"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}),
       0, 1},
      {"srun --mpi=pmi2", with(step(), {{"PMI_RANK", "11"}, {"PMI_SIZE", "16"}}), 11, 16},
      {"sbatch -n 1", with(batch_script(), {{"SLURM_NTASKS", "1"}}), 0, 1},
      {"--array=0-7", array("5", "0", "7", "1", "8"), 5, 8},
      {"--array=1-8", array("1", "1", "8", "1", "8"), 0, 8},
      {"--array=1-15:2", array("15", "1", "15", "2", "8"), 7, 8},
      {"--array=1-16:2, with the end as it was written", array("15", "1", "16", "2", "8"), 7, 8},
      {"--array=4", array("4", "4", "4", "1", "1"), 0, 1},
      {"an array of tasks with -n 1", with(array("5", "0", "7", "1", "8"), {{"SLURM_NTASKS", "1"}}),
       5, 8},
      {"srun -n 1 in an array",
       with(array("5", "0", "7", "1", "8"), {{"SLURM_NTASKS", "1"}, {"SLURM_STEP_NUM_TASKS", "1"}}),
       5, 8},
      {"mpirun -n 1 in an array",
       with(array("5", "0", "7", "1", "8"),
            {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}}),
       5, 8},
  };
  for (const Known& known : table) {
    SCOPED_TRACE(known.name);
    Rank rank;
    ASSERT_NO_THROW(rank = rank_of_process(lookup(known.variables)));
    EXPECT_EQ(rank.index, known.index);
    EXPECT_EQ(rank.count, known.count);
  }
}

TEST(Launcher, TheInnerLauncherWins) {
  const Variables all = with(with(step(), hydra()), open_mpi_4());
  EXPECT_EQ(rank_of_process(lookup(all)).index, 2U);
  EXPECT_EQ(rank_of_process(lookup(without(all, "OMPI_COMM_WORLD_RANK"))).index, 5U);
  // mpirun in a batch script of sixteen tasks.
  EXPECT_EQ(rank_of_process(lookup(with(batch_script(), open_mpi_4()))).count, 4U);
  EXPECT_EQ(rank_of_process(lookup(with(batch_script(), hydra()))).count, 8U);
}

TEST(Launcher, AllTasksOfAnArrayHaveDifferentIndices) {
  for (const std::size_t by : {1U, 2U, 7U}) {
    for (std::size_t task = 0; task < 8; ++task) {
      const Rank rank =
          rank_of_process(lookup(array(std::to_string(3 + task * by), "3",
                                       std::to_string(3 + 7 * by), std::to_string(by), "8")));
      EXPECT_EQ(rank.index, task);
      EXPECT_EQ(rank.count, 8U);
    }
  }
}

// ---- Refusals ----

struct Refused {
  Variables variables;
  std::string sentence;
};

TEST(Launcher, RefusesWhatNamesNoPart) {
  const std::string none =
      "no launcher has numbered this process; start it with srun or mpirun, or write i/n";
  const std::string irregular = "; submit --array=0-N, or write i/n";
  const auto processes = [](const std::string& count) {
    return "each of this SLURM array's tasks has " + count + " processes; ";
  };
  const Variables job = array("5", "0", "7", "1", "8");
  const std::vector<Refused> table = {
      {{}, none},
      {{{"OMPI_COMM_WORLD_RANK", ""}, {"OMPI_COMM_WORLD_SIZE", "4"}}, none},
      {{{"SLURM_JOB_ID", "1"}, {"SLURM_PROCID", "0"}, {"SLURM_LOCALID", "0"}}, none},
      {{{"SLURM_JOB_ID", "1"}, {"SLURM_NTASKS", "16"}}, none},  // the shell of salloc
      // A batch script without srun: one process would be part 0 and the others would miss.
      {batch_script(), "SLURM_NTASKS is 16, but srun did not start this; start it with srun"},
      {with(step(), {{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}),  // --preserve-env
       "SLURM_NTASKS is 16, but srun did not start this; start it with srun"},
      // An array and several processes.
      {with(job, {{"SLURM_NTASKS", "4"}}), processes("4")},
      {with(with(job, step()), {}), processes("16")},
      {with(job, open_mpi_4()), processes("4")},
      {with(job, hydra()), processes("8")},
      // Irregular arrays.
      {array("3", "3", "20", "1", "3"), "array is irregular: 3 of 3 in 3-20:1" + irregular},
      {array("7", "3", "20", "1", "3"), "array is irregular: 7 of 3 in 3-20:1" + irregular},
      {array("7", "3", "20", "4", "3"), irregular},
      {array("8", "3", "11", "4", "3"), irregular},  // a remainder
      {array("8", "0", "7", "1", "8"), irregular},   // above the last
      {array("2", "3", "10", "1", "8"), irregular},  // below the first
      {array("0", "0", "7", "0", "8"), irregular},
      {array("0", "0", "7", "1", "0"), irregular},
      {array("0", "0", "18446744073709551615", "1", "0"), irregular},
      {without(job, "SLURM_ARRAY_TASK_COUNT"), irregular},
      {without(job, "SLURM_ARRAY_TASK_STEP"), irregular},
      // Numbers that are none, or do not fit.
      {with(open_mpi_4(), {{"OMPI_COMM_WORLD_RANK", "two"}}),
       "OMPI_COMM_WORLD_RANK is \"two\", not a whole number"},
      {with(open_mpi_4(), {{"OMPI_COMM_WORLD_SIZE", "4 "}}),
       "OMPI_COMM_WORLD_SIZE is \"4 \", not a whole number"},
      {with(open_mpi_4(), {{"OMPI_COMM_WORLD_RANK", "4"}}),
       "OMPI_COMM_WORLD_RANK is 4, but OMPI_COMM_WORLD_SIZE is 4; write i/n in place of auto"},
      {with(open_mpi_4(), {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "0"}}),
       "OMPI_COMM_WORLD_RANK is 0, but OMPI_COMM_WORLD_SIZE is 0"},
      {without(open_mpi_4(), "OMPI_COMM_WORLD_SIZE"),
       "OMPI_COMM_WORLD_RANK is 2, but OMPI_COMM_WORLD_SIZE is not set"},
      // Some versions of Hydra. SLURM's numbers are those of its proxies then.
      {with(step(), without(hydra(), "PMI_SIZE")), "PMI_RANK is 5, but PMI_SIZE is not set"},
      {with(hydra(), {{"PMI_RANK", "-1"}}), "PMI_RANK is \"-1\", not a whole number"},
      {with(step(), {{"SLURM_NTASKS", "99999999999999999999"}}),
       "SLURM_NTASKS is \"99999999999999999999\", not a whole number"},
      {with(step(), {{"SLURM_PROCID", "16"}}), "SLURM_PROCID is 16, but SLURM_NTASKS is 16"},
      {with(step(), {{"SLURM_STEP_NUM_TASKS", "x\x1b"}}),
       "SLURM_STEP_NUM_TASKS is \"x\\x1b\", not a whole number"},
      {with(job, {{"SLURM_ARRAY_TASK_MIN", "0x1"}}),
       "SLURM_ARRAY_TASK_MIN is \"0x1\", not a whole number"},
  };
  for (const Refused& refused : table)
    expect_usage([&] { rank_of_process(lookup(refused.variables)); }, refused.sentence);
}

// ---- The local rank ----

TEST(Launcher, NumbersTheProcessesOfAMachine) {
  EXPECT_EQ(local_rank(lookup(open_mpi_4())), 2U);
  EXPECT_EQ(local_rank(lookup(open_mpi_5())), 1U);
  EXPECT_EQ(local_rank(lookup(hydra())), 1U);
  EXPECT_EQ(local_rank(lookup(cray())), 2U);
  EXPECT_EQ(local_rank(lookup(step())), 3U);
  EXPECT_EQ(local_rank(lookup(batch_script())), 0U);
  EXPECT_EQ(local_rank(lookup({})), 0U);
  // In a step of SLURM's, which counts the launcher's own processes.
  EXPECT_EQ(local_rank(lookup(with(step(), open_mpi_5()))), 1U);
  EXPECT_EQ(local_rank(lookup(with(step(), hydra()))), 1U);
  EXPECT_EQ(local_rank(lookup(with(step(), cray()))), 2U);
  expect_usage(
      [] {
        local_rank(lookup({{"SLURM_LOCALID", "0,1"}}));
      },
      "SLURM_LOCALID is \"0,1\", not a whole number");
}

TEST(LocalSize, IsWhatTheLauncherSaysOfThisMachine) {
  EXPECT_EQ(local_size(lookup({})), std::nullopt);
  EXPECT_EQ(local_size(lookup({{"OMPI_COMM_WORLD_LOCAL_SIZE", "8"}})), 8U);
  EXPECT_EQ(local_size(lookup({{"MPI_LOCALNRANKS", "4"}})), 4U);
  EXPECT_EQ(local_size(lookup({{"SLURM_STEP_TASKS_PER_NODE", "2(x3),1"}})), 2U);
  EXPECT_EQ(local_size(lookup({{"SLURM_STEP_TASKS_PER_NODE", "16,15"}})), 16U);
  EXPECT_EQ(local_size(lookup({{"SLURM_STEP_TASKS_PER_NODE", "1"}})), 1U);
  EXPECT_EQ(local_size(lookup({{"SLURM_STEP_TASKS_PER_NODE", "1"}, {"SLURM_ARRAY_TASK_ID", "3"}})),
            std::nullopt);
}

}  // namespace
}  // namespace graft::test
