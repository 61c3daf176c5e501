"""tools/gpu_check.sh --pack and --quick: a packed build/release checks the virtual GPU in an empty environment."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).parents[2]
# Of the C and C++ runtime and CUDA: the machine has these.
MACHINES_OWN = re.compile(
    r"/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s|cuda[^/]*|cublas[^/]*|cudnn[^/]*|nv[^/]*))\.so")
LIMIT = 240


class GpuCheck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not (PROJECT / ".git").exists():
            raise unittest.SkipTest("only a git checkout is packed")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.home = Path(folder.name) / "home"  # its cache is empty: nothing large is packed
        cls.home.mkdir()
        cls.packed = Path(folder.name) / "packed"
        cls.script = cls.packed / "tools" / "gpu_check.sh"
        environment = dict(os.environ, HOME=str(cls.home), GRAFT_CACHE=str(cls.home / "cache"))
        subprocess.run([PROJECT / "tools" / "gpu_check.sh", "--pack", cls.packed], check=True, env=environment)

    def run_script(self, *arguments: str, limit: int = LIMIT) -> tuple[subprocess.CompletedProcess, str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "LIMIT": str(limit)}
        done = subprocess.run([self.script, *arguments], capture_output=True, text=True, env=environment)
        report = self.packed / "build" / "gpu_check.txt"
        return done, report.read_text() if report.exists() else ""

    def test_every_library_travels_or_is_the_machines_own(self):
        programs = [path for path in (self.packed / "build" / "release").rglob("*") if path.is_file()]
        self.assertEqual(len(programs), 10)
        environment = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": f"{self.packed / 'lib'}:/usr/local/cuda/lib64"}
        for program in programs:
            listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True, env=environment)
            self.assertNotIn("not found", listed.stdout, program)
            for path in re.findall(r"=> (/.*) \(0x", listed.stdout):
                self.assertTrue(path.startswith(str(self.packed / "lib")) or MACHINES_OWN.search(path), path)

    def test_most_valuable_steps_come_first_and_one_that_fails_does_not_stop_the_others(self):
        program = self.packed / "build" / "release" / "tests" / "kernels_cuda" / "test_kernels_cuda"
        kept = program.with_suffix(".kept")
        program.rename(kept)
        self.addCleanup(kept.replace, program)
        shutil.copy("/bin/false", program)
        done, report = self.run_script("--quick", "--virtual")
        self.assertEqual(done.returncode, 1, done.stderr + report)
        self.assertIn("\n1 failed: tests: test_kernels_cuda\n", report)
        titles = re.findall(r"^== (?:the rest of )?(.*?)(?:: skipped.*)?$", report, re.MULTILINE)
        first = ["GPU", "processor", "disk: writes that are synchronised", "each precision, briefly"]
        self.assertEqual(titles[: len(first)], first)
        for title in ("tests: test_cuda_head", "benchmark: backbone", "benchmark: head", "benchmark: kernels"):
            self.assertIn(title, titles)
        self.assertIn("virtual GPU: no timer", report)

    def test_it_ends_at_its_limit_and_names_what_found_no_time(self):
        done, report = self.run_script("--quick", "--virtual", limit=12)
        self.assertEqual(done.returncode, 0, done.stderr + report)
        self.assertRegex(report, r"\n0 failed\nskipped: .*benchmark: layers \(no time is left\)")
        self.assertLess(int(re.findall(r"^\[ *(\d+)s\]", done.stderr, re.MULTILINE)[-1]), 12 + 5)

    def test_without_a_gpu_it_ends_with_5(self):
        if os.path.exists("/dev/nvidiactl"):
            self.skipTest("this machine has a GPU")
        done, _ = self.run_script("--quick")
        self.assertEqual(done.returncode, 5)
        self.assertIn("no GPU: ", done.stderr)

    def test_a_folder_with_files_is_not_packed_into(self):
        done, _ = self.run_script("--pack", str(self.home.parent))
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not empty", done.stderr)


if __name__ == "__main__":
    unittest.main()
