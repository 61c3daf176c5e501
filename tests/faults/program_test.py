"""The program's commands on a small recipe, one after another, as a user gives them. Under a sanitizer
each finding ends the command with another exit code. Exit 77: skipped."""

import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import small_recipe

PROGRAM = os.environ["GRAFT_PROGRAM"]
UNUSUAL = Path(os.environ.get("GRAFT_REFERENCE_DIR", "")) / "reference"
FINDINGS = ("Sanitizer", "runtime error", "bug in this program")


class ProgramTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="graft-program-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        small_recipe.make_recipe(cls.folder)

    def start(self, *command):
        pipe = subprocess.PIPE
        return subprocess.Popen([PROGRAM, *command], cwd=self.folder, stdout=pipe, stderr=pipe, text=True, errors="replace")

    def end(self, process, *exits):
        output, error = process.communicate(timeout=600)
        self.assertIn(process.returncode, exits, error)
        for finding in FINDINGS:
            self.assertNotIn(finding, error)
        return output

    def graft(self, *command, exits=(0,)):
        return self.end(self.start(*command), *exits)

    def test_recipe(self):
        self.graft("run", "config.json")
        first = self.graft("predict", "--json", "out", "photos/validation")
        self.graft("run", "config.json")  # all is reused
        small_recipe.write_photos(self.folder / "photos/train", 500, 3, jpegs=1)
        self.graft("extract", "config.json")
        training = self.start("train", "config.json", "--set", "seed=2")
        while training.poll() is None:  # a reader takes no lock
            self.graft("predict", "out", "photos/validation")
        self.end(training, 0)
        self.assertNotEqual(self.graft("predict", "--json", "out", "photos/validation"), first)
        self.graft("crossvalidate", "config.json", "--folds", "2", "--seeds", "2")
        self.graft("evaluate", "out", "--best", "-o", "evaluation.json")
        self.graft("weights", "import", "weights.safetensors", "-o", "imported.safetensors")
        self.graft("weights", "show", "imported.safetensors")

    def test_an_interrupted_run_goes_on(self):
        command = ("run", "config.json", "--output", "interrupted", "--set", "train.epochs=100")
        for moment in (".lock.exclusive", "features/train.npy"):
            process = self.start(*command)
            while process.poll() is None and not (self.folder / "interrupted" / moment).exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            self.end(process, 0, 130)
        self.graft(*command)

    def test_photos_that_cannot_be_read(self):
        bad = self.folder / "photos/train/grey/bad.png"
        good = small_recipe.png(90, 90, 90, seed=1)
        bad.write_bytes(good[: len(good) // 2])
        self.addCleanup(bad.unlink)
        self.graft("run", "config.json", "--output", "stopped", exits=(3,))
        self.graft("run", "config.json", "--output", "skipped", "--set", "data.on_bad_image=skip")
        if UNUSUAL.is_dir():
            self.graft("predict", "skipped", str(UNUSUAL), exits=(0, 3))


if __name__ == "__main__":
    unittest.main()
