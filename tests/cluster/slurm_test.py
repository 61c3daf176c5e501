"""Shards that SLURM places, moves to another node and starts again."""

import tempfile
from pathlib import Path

import slurm
from shards import PHOTOS, Messages, ShardsTest, main, skip, wait_until

TASKS = 8


class SlurmTest(ShardsTest):
    @classmethod
    def setUpClass(cls):
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="graft-slurm-")))
        try:
            cls.cluster = cls.enterClassContext(slurm.Cluster(folder))
        except slurm.CannotStart as reason:
            skip(f"SLURM cannot start: {reason}")
        super().setUpClass()

    def submit(self, name, *options, launcher=""):
        """The job's number. Its messages go to NAME/JOB."""
        self.output(name).parent.mkdir(exist_ok=True)
        words = [f"'{word}'" for word in self.command("extract", name, "--shard", "auto")]
        log = f"--output={self.output(name).parent}/%A"
        command = " ".join([launcher, *words])
        return self.cluster.call(
            "sbatch", "--parsable", "--requeue", "--open-mode=append", log, *options, "--wrap", command
        )

    def task(self, job, index):
        """What SLURM says of a task, by key."""
        words = self.cluster.call("scontrol", "--oneliner", "show", "job", f"{job}_{index}").split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def messages(self, name, job):
        self.cluster.wait(lambda: not self.cluster.call("squeue", "--noheader", f"--jobs={job}"), 120)
        return Messages((self.folder / name / job).read_text())

    def test_a_task_of_an_array_moves_from_a_drained_node(self):
        moved = TASKS - 1
        job = self.submit("array", f"--array=0-{moved}")
        self.wait_for_rows("array", (moved,), TASKS)
        node = self.task(job, moved)["NodeList"]
        self.cluster.call("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
        self.cluster.call("scontrol", "requeue", f"{job}_{moved}")
        wait_until(lambda: self.task(job, moved)["JobState"] in ("PENDING", "COMPLETING"))
        self.assert_incomplete("array", (moved,), TASKS)
        wait_until(lambda: self.task(job, moved)["JobState"] == "COMPLETED", 120)
        ended = self.task(job, moved)
        self.assertEqual(ended["Restarts"], "1")
        self.assertNotEqual(ended["NodeList"], node)
        self.cluster.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
        messages = self.messages("array", job)
        self.assertGreater(messages.resumed, 0)
        self.assertEqual(self.collect("array").computed, 0)
        self.assert_same_bytes("array")

    def test_a_step_of_four_tasks(self):
        extract = self.command("extract", "step", "--shard", "auto")
        self.assertEqual(
            self.end(self.start(["srun", "-n", "4", *extract], env=self.cluster.environment)).computed, PHOTOS
        )
        self.assertEqual(self.collect("step").computed, 0)
        self.assert_same_bytes("step")

    def test_mpirun_in_a_job_of_two_nodes(self):
        job = self.submit("mpi", "--nodes=2", "--ntasks=4", launcher="mpirun --allow-run-as-root")
        self.assertEqual(self.messages("mpi", job).computed, PHOTOS)
        self.assertEqual(self.collect("mpi").computed, 0)
        self.assert_same_bytes("mpi")

    def test_a_launcher_that_does_not_name_one_shard_is_refused(self):
        for name, options, launcher in (
            ("no step", ["--ntasks=4"], ""),
            ("alone", [], ""),
            ("array of steps", ["--array=0-1", "--ntasks=2"], "srun"),
            ("array of mpirun", ["--array=0-1", "--ntasks=2"], "mpirun --allow-run-as-root"),
            ("uneven array", ["--array=2,5,11"], ""),
        ):
            with self.subTest(name):
                job = self.submit(name, *options, launcher=launcher)
                self.assertIn("--shard", self.messages(name, job))
                self.assertFalse(self.output(name).exists())


if __name__ == "__main__":
    main("munged", "slurmctld", "slurmd", "sbatch", "mpirun")
