"""A run that collects the rows of a million photos takes at most 1 GiB of memory."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import shards

ROWS = 1_000_000


class MillionRows(unittest.TestCase):
    def test_are_collected_and_trained_on_within_a_gibibyte(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            config = shards.make_recipe(folder)
            settings = json.loads(config.read_text())
            photos = folder / "many"
            for label in ("brown", "grey"):
                (photos / label).mkdir(parents=True)
                photo = next((folder / "photos" / "train" / label).iterdir())
                photo.rename(photos / label / "photo.png")
            settings["data"] |= {"train": str(photos), "validation": "", "image_size": [32, 32]}
            settings["features"] = {"layers": ["block1"], "pooling": "average"}
            settings["head"] = {"hidden": []}
            settings["train"] = {"epochs": 1, "batch_size": 4096}
            config.write_text(json.dumps(settings))
            output = folder / "output"
            graft = [shards.PROGRAM, "extract", config, "--output", output]
            subprocess.run([*graft, "--shard", "0/1", "--quiet"], check=True)
            template = output / "features/shard-0-of-1"
            subprocess.run([os.environ["GRAFT_WRITE_SHARDS"], template / "train.files.json", photos,
                            output / "features", str(ROWS)], check=True)
            graft[1] = "run"
            run = subprocess.Popen(graft)
            _, status, usage = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
            print(f"peak of the resident memory: {usage.ru_maxrss / 1024:.0f} MiB")
            self.assertEqual(run.returncode, 0)
            self.assertIn("features/train: 0 computed", (output / "run.log").read_text())
            self.assertLess(usage.ru_maxrss, 1 << 20)  # KiB


if __name__ == "__main__":
    shards.main()
