import contextlib
import io
import json
import os
import random
import re
import unittest
from unittest import mock

import shards
import shards_model
import support

MEASURED = {
    "start": 2.0, "read": 1e-4, "decode": 1e-3, "backbone": 1e-2, "collect": 5e-5, "row_bytes": 32768.0,
    "photo_bytes": 2e4, "photos": 2800, "cores": 2,
}
MACHINES = (1, 2, 4, 8, 16, 32, 64)


def model(measured: dict[str, float] = MEASURED, **changed: float) -> shards_model.Model:
    assumed = {name: value for name, (value, _) in shards_model.ASSUMED.items()}
    return shards_model.Model(measured, assumed | changed)


class Model(unittest.TestCase):
    def test_one_machine_takes_the_sum_of_its_stages(self) -> None:
        # Photos of the measured size, all kept in memory, on storage that never limits.
        free = {"storage_bytes": 1e30, "storage_files": 1e30, "network": 1e30, "round_trip": 0.0}
        one = model(photos=1e6, photo_bytes=2e4, memory=1e12, list_rate=1e6, **free)
        self.assertAlmostEqual(shards_model.seconds(one.extraction(1, gpu=False)), 2 + 1 + (100 + 1000 + 10000) / 2)
        self.assertAlmostEqual(shards_model.seconds(one.extraction(1, gpu=True)), 2 + 1 + 100 / 16 + 200)
        self.assertAlmostEqual(shards_model.seconds(one.collecting()), 2 + 1 + 0 + 50)

    def test_more_machines_are_never_slower_nor_better_than_their_number(self) -> None:
        for gpu in (False, True):
            times = [shards_model.seconds(model().extraction(n, gpu)) for n in MACHINES]
            self.assertEqual(times, sorted(times, reverse=True))
            for n, time in zip(MACHINES, times, strict=True):
                self.assertGreaterEqual(time * n, times[0])

    def test_shards_hold_all_photos_and_the_largest_holds_more_than_its_share(self) -> None:
        self.assertEqual(model().largest_shard(1), 1e7)
        for n in MACHINES[1:]:
            self.assertTrue(1 < model().largest_shard(n) * n / 1e7 < 1.01)

    def test_photos_beyond_the_memory_of_a_shard_are_read_twice(self) -> None:
        # A quarter of 8e9 bytes holds 20,000 photos of 1e5 bytes.
        small = model(photos=1e5, memory=8e9)
        self.assertEqual([small.read_twice(n) for n in (1e4, 5e4)], [0, 30_000])
        self.assertEqual(model(photos=1e5, memory=8e12).read_twice(1e5), 0)
        twice = small.extraction(1, gpu=True)[-1]["storage: files"]
        self.assertEqual(twice, 80_000 / small.a.storage_files)

    def test_the_limit_is_that_of_the_longest_stage(self) -> None:
        for changed, limit in (
            ({}, "CPU: backbone"), ({"network": 1e5}, "network"), ({"storage_bytes": 1e5}, "storage: bytes"),
            ({"storage_files": 10}, "storage: files"), ({"list_rate": 1}, "listing"),
            ({"round_trip": 1}, "round trips"),
        ):
            self.assertEqual(shards_model.shown(model(**changed).extraction(4, gpu=False))[1], limit)
        self.assertEqual(shards_model.shown(model(gpu_rate=1).extraction(4, gpu=True))[1], "GPU")


class Programs(support.InFolder):
    def output(self, program: object, *arguments: object) -> list[str]:
        """The lines that a main() prints. Its exit code is in self.code."""
        text, self.code = io.StringIO(), 0
        with mock.patch("sys.argv", ["", *map(str, arguments)]), contextlib.redirect_stdout(text):
            try:
                program.main()
            except SystemExit as end:
                self.code = int(end.code)
        return text.getvalue().splitlines()

    def test_the_table_has_a_row_for_each_number_and_one_collecting_time(self) -> None:
        stages = self.folder / "stages.json"
        stages.write_text(json.dumps(MEASURED))
        lines = self.output(shards_model, stages, "--photos", "1e6")
        rows = [re.split("  +", line.strip()) for line in lines[: lines.index("")]]
        self.assertEqual([row[0] for row in rows], ["machines", *map(str, MACHINES)])
        self.assertEqual(len({row[6] for row in rows[1:]}), 1)
        for name in shards_model.ASSUMED:
            self.assertTrue(any(line.startswith(f"  {name} = ") for line in lines), name)
        self.assertIn("  photos = 1e+06: ", "\n".join(lines))

    def test_rows_that_differ_are_an_exit_code(self) -> None:
        for same, code in (("yes", 0), ("NO", 1)):
            with mock.patch.object(shards, "measure", return_value=([["a", "b"], ["1", same]], {"photos": 1})):
                self.output(shards, "graft", "photos")
            self.assertEqual(self.code, code)

    def test_shards_of_tiny_photos_are_measured(self) -> None:
        generator = random.Random(1)
        for folder in ("train/a", "train/b", "validation/a", "validation/b"):
            (self.folder / "photos" / folder).mkdir(parents=True)
            for i in range(2):
                photo = self.folder / "photos" / folder / f"{i}.ppm"
                photo.write_bytes(b"P6 200 200 255\n" + generator.randbytes(3 * 200 * 200))
                os.utime(photo, (1e9, 1e9))  # so old that its time tells whether it has changed
        weights = support.known_files(self.folder)[1]
        settings = [f"--set={one}" for one in (f"backbone.weights={weights}", "data.image_size=[64,64]", "cache=")]
        json_file = self.folder / "stages.json"
        lines = self.output(shards, os.environ["GRAFT"], self.folder / "photos", *settings, "--json", json_file)
        self.assertEqual(self.code, 0)
        rows = [re.split("  +", line.strip()) for line in lines[1 : lines.index("")]]
        self.assertEqual([row[0] for row in rows], ["processes", "no shards", "1", "2", "4"])
        self.assertEqual([row[-1] for row in rows[2:]], ["yes"] * 3)
        size = 3 * 200 * 200 + 15
        if len(rows[2]) == len(rows[0]):  # strace works here
            once = f"{8 * (size + 512) / 1e6:.2f}"  # the first 512 bytes show the format
            self.assertEqual([row[3] for row in rows[1:]], [once] * 4)
            self.assertEqual([row[5] for row in rows[2:]], ["0.00"] * 3)
        stages = json.loads(json_file.read_text())
        self.assertEqual((stages["photos"], stages["photo_bytes"]), (8, size))
        self.assertGreaterEqual(stages["row_bytes"], 2 * 2 * 512 * 4)
        for name in ("start", "read", "decode", "backbone"):
            self.assertGreater(stages[name], 0, name)
        self.assertEqual(stages.keys(), MEASURED.keys())


if __name__ == "__main__":
    unittest.main()
