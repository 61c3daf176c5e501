"""tools/profile.sh: the commands that it builds and runs, with fake tools that record their calls."""

import os
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "tools" / "profile.sh"
FILES = Path(__file__).parent / "profile"

# Records its arguments, one call a line, and leaves the files of the real tool.
FAKE_NSYS = """#!/usr/bin/env bash
printf '%q ' nsys "$@" >>"{calls}"; echo >>"{calls}"
while [ $# -gt 0 ]; do case $1 in
  --output) [ -n "$output" ] || output=$2; shift 2;;
  --trace) case $2 in /*) cp "{files}/trace.json" "$2";; esac; shift 2;;
  stats) stats=true; shift;;
  *) shift;;
esac; done
if [ -n "$stats" ]; then
  for report in cuda_gpu_kern_sum cuda_gpu_trace; do cp "{files}/$report.csv" "${{output}}_$report.csv"; done
fi
exit {code}
"""
FAKE_NCU = """#!/usr/bin/env bash
printf '%q ' ncu "$@" >>"{calls}"; echo >>"{calls}"
[ "$1" = --import ] && cat "{files}/ncu_raw.csv"
while [ $# -gt 0 ]; do case $1 in --trace) cp "{files}/trace.json" "$2"; shift 2;; *) shift;; esac; done
exit {code}
"""
FAKES = {"nsys": FAKE_NSYS, "ncu": FAKE_NCU}


class Profile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.calls = self.folder / "calls"
        self.graft = self.folder / "graft"
        self.write_program(self.graft, "#!/bin/sh\n")
        self.output = self.folder / "out put"
        self.bin = self.folder / "bin"  # no tool that this machine has is on the path
        self.bin.mkdir()
        for command in ("bash", "basename", "cat", "cp", "dirname", "env", "ls", "mkdir", "python3", "rm", "sh", "tail"):
            (self.bin / command).symlink_to(shutil.which(command))

    def write_program(self, path: Path, text: str):
        path.write_text(text)
        path.chmod(0o755)

    def install(self, tool: str, code: int = 0):
        self.write_program(self.folder / tool, FAKES[tool].format(calls=self.calls, files=FILES, code=code))

    def run_script(self, *arguments: str) -> subprocess.CompletedProcess:
        environment = dict(os.environ, PATH=f"{self.folder}:{self.bin}", GRAFT_PROGRAM=str(self.graft))
        return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, env=environment)

    def profile(self, tool: str, *arguments: str) -> subprocess.CompletedProcess:
        return self.run_script(tool, "config.json", "--output", str(self.output), *arguments)

    def called(self) -> list[list[str]]:
        return [shlex.split(line) for line in self.calls.read_text().splitlines()]

    def assert_in_order(self, expected: list[str], actual: list[str]):
        self.assertIn(" ".join(map(shlex.quote, expected)), " ".join(map(shlex.quote, actual)))

    def test_nsys_records_only_the_range_with_each_node_of_graphs(self):
        self.install("nsys")
        done = self.profile("nsys")
        self.assertEqual(done.returncode, 0, done.stderr)
        profile, stats = self.called()
        for expected in (["--trace", "cuda,nvtx,cublas,cudnn,osrt"], ["--cuda-graph-trace", "node"],
                         ["--capture-range", "cudaProfilerApi", "--capture-range-end", "stop"],
                         [str(self.graft), "extract", "config.json", "--set", "device=cuda"],
                         ["--profile", "batches:2-4", "--trace", f"{self.output}/trace.json"]):  # fmt: skip
            self.assert_in_order(expected, profile)
        self.assert_in_order(["--report", "cuda_gpu_kern_sum", "--report", "cuda_gpu_trace", "--format", "csv"], stats)
        self.assertEqual(stats[-1], f"{self.output}/report.nsys-rep")
        self.assertIn("The 3 longest of 3 kernels", done.stdout)
        self.assertIn("during kernels", done.stdout)

    def test_ncu_counts_the_bytes_of_the_range(self):
        self.install("ncu")
        done = self.profile("ncu", "--range", "epoch:2")
        self.assertEqual(done.returncode, 0, done.stderr)
        profile, page = self.called()
        self.assert_in_order(["ncu", "--profile-from-start", "off", "--nvtx", "--metrics"], profile)
        for metric in ("gpu__time_duration.sum", "dram__bytes_read.sum", "dram__bytes_write.sum",
                       "dram__throughput.avg.pct_of_peak_sustained_elapsed"):  # fmt: skip
            self.assertIn(metric, profile[profile.index("--metrics") + 1].split(","))
        self.assert_in_order([str(self.graft), "run", "config.json"], profile)
        self.assert_in_order(["--profile", "epoch:2"], profile)
        self.assertEqual(page[1:], ["--import", f"{self.output}/report.ncu-rep", "--csv", "--page", "raw",
                                    "--print-units", "base"])  # fmt: skip
        self.assertIn("of its peak", done.stdout)
        self.assertRegex(done.stdout, r"100\.0% +2 +bias_relu_max_pool")

    def test_more_arguments_go_to_graft_as_they_are(self):
        self.install("ncu")
        self.profile("ncu", "--", "--set", "backbone.precision=fp16", "a b")
        self.assertEqual(self.called()[0][-3:], ["--set", "backbone.precision=fp16", "a b"])

    def test_features_of_an_earlier_run_are_removed(self):
        self.install("nsys")
        self.profile("nsys")
        old = self.output / "run" / "features"
        old.mkdir(parents=True)
        self.assertEqual(self.profile("nsys").returncode, 0)
        self.assertFalse(old.exists())

    def test_an_unrelated_folder_is_not_touched(self):
        self.install("nsys")
        (self.output / "run").mkdir(parents=True)
        done = self.profile("nsys")
        self.assertEqual(done.returncode, 1)
        self.assertIn("holds files that are not of a profile", done.stderr)
        self.assertTrue((self.output / "run").exists())
        self.assertFalse(self.calls.exists())

    def test_a_dry_run_prints_the_commands_and_runs_none(self):
        for tool in FAKES:
            self.install(tool)
            done = self.profile(tool, "--dry-run")
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = [shlex.split(line) for line in done.stdout.splitlines()]
            self.assertEqual([line[0] for line in lines], [tool, tool, "python3"])
            self.assertIn(str(self.graft), lines[0])
        self.assertFalse(self.calls.exists())
        self.assertFalse(self.output.exists())

    def test_a_tool_that_is_missing_is_named_with_its_package(self):
        for tool, package in [("nsys", "cuda-nsight-systems-13-0"), ("ncu", "cuda-nsight-compute-13-0")]:
            done = self.profile(tool)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{tool} is not installed; it comes with the package {package}", done.stderr)

    def test_a_tool_that_fails_ends_it(self):
        self.install("nsys", code=3)
        done = self.profile("nsys")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nsys or the run under it failed", done.stderr)
        self.assertEqual(len(self.called()), 1)

    def test_a_program_that_is_not_built_is_named(self):
        self.install("nsys")
        self.graft.unlink()
        done = self.profile("nsys")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"there is no {self.graft}", done.stderr)

    def test_wrong_arguments_are_a_sentence(self):
        for arguments, sentence in [(["nsys"], "name the tool"), (["ncu", "c.json", "--output", ""], "--output needs a folder"),
                                    (["ncu", "c.json", "--range", ""], "--range needs a range"), (["perf", "c.json"], "unknown tool perf"),
                                    (["ncu", "c.json", "--rang", "x"], "unknown option --rang"),
                                    (["ncu", "c.json", "--range"], "--range needs a value")]:  # fmt: skip
            done = self.run_script(*arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn(sentence, done.stderr)


if __name__ == "__main__":
    unittest.main()
