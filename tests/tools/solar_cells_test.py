"""tools/fetch_solar_cells.sh and tools/list_solar_cells.py: the photos of the quickstart and their list."""

import collections
import csv
import hashlib
import os
import pathlib
import subprocess
import tempfile
import unittest
import zipfile

import list_solar_cells

SCRIPT = pathlib.Path(list_solar_cells.__file__).with_name("fetch_solar_cells.sh")


def rows_of(file):
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


class ListSolarCells(unittest.TestCase):
    def unpack(self, cells):
        """Unpacks a wheel with these (name, bytes, probability, module) and gives the folder."""
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        labels = ""
        with zipfile.ZipFile(folder / "x.whl", "w") as wheel:
            for name, content, probability, module in cells:
                wheel.writestr(f"elpv_dataset/data/images/{name}", content)
                labels += f"images/{name}  {probability} {module}\n"
            wheel.writestr("elpv_dataset/data/labels.csv", labels + "\n")
        list_solar_cells.main(str(folder / "x.whl"), str(folder / "out"))
        return folder / "out"

    def test_unpacks_each_photo_once_with_its_class(self):
        out = self.unpack([("b.png", b"2", "0.6666", "mono"), ("a.png", b"1", "0.3333", "mono"),
                           ("c.png", b"3", "1.0", "poly"), ("d.png", b"4", "0.0", "poly")])
        self.assertEqual((out / "solar_cells.csv").read_text(),
                         "path,label,split\nimages/a.png,intact,train\nimages/b.png,defective,train\n"
                         "images/c.png,defective,train\nimages/d.png,intact,train\n")
        self.assertEqual((out / "images" / "c.png").read_bytes(), b"3")
        self.assertEqual(len(list(out.rglob("*.png"))), 4)

    def test_a_quarter_of_each_stratum_validates_those_with_the_smallest_digest(self):
        cells = [(f"{i}.png", bytes([i]), "1.0" if i % 2 else "0.0", "mono" if i < 16 else "poly")
                 for i in range(32)]
        rows = rows_of(self.unpack(cells) / "solar_cells.csv")
        self.assertEqual(collections.Counter((row["label"], row["split"]) for row in rows),
                         {("intact", "train"): 12, ("intact", "validation"): 4,
                          ("defective", "train"): 12, ("defective", "validation"): 4})
        split = {row["path"]: row["split"] for row in rows}
        stratum = sorted(range(1, 16, 2), key=lambda i: hashlib.sha256(bytes([i])).hexdigest())
        self.assertEqual([split[f"images/{i}.png"] for i in stratum], ["validation"] * 2 + ["train"] * 6)


class FetchSolarCells(unittest.TestCase):
    def setUp(self):
        self.cache = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def fetch(self):
        environment = {**os.environ, "GRAFT_CACHE": str(self.cache), "PIP_NO_INDEX": "1"}
        return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)

    def test_lists_the_folders_of_an_older_cache_once_and_fetches_nothing(self):
        cells = self.cache / "solar_cells"
        for name in ("validation/intact/2.png", "train/intact/1.png", "train/defective/3.png"):
            (cells / name).parent.mkdir(parents=True, exist_ok=True)
            (cells / name).write_bytes(b"photo")
        self.assertEqual(self.fetch().returncode, 0)
        self.assertEqual((cells / "solar_cells.csv").read_text(),
                         "path,label,split\ntrain/defective/3.png,defective,train\n"
                         "train/intact/1.png,intact,train\nvalidation/intact/2.png,intact,validation\n")
        self.assertEqual([entry.name for entry in self.cache.iterdir()], ["solar_cells"])
        again = self.fetch()
        self.assertEqual((again.returncode, again.stderr), (0, ""))

    def test_leaves_nothing_when_the_fetch_fails(self):
        failed = self.fetch()
        self.assertEqual(failed.returncode, 1)
        self.assertIn("pip could not fetch elpv-dataset", failed.stderr)
        self.assertEqual(list(self.cache.iterdir()), [])

    def test_leaves_a_folder_alone_that_it_does_not_know(self):
        (self.cache / "solar_cells").mkdir()
        failed = self.fetch()
        self.assertEqual(failed.returncode, 1)
        self.assertIn("has no list solar_cells.csv; remove it", failed.stderr)
        self.assertEqual([entry.name for entry in self.cache.iterdir()], ["solar_cells"])


if __name__ == "__main__":
    unittest.main()
