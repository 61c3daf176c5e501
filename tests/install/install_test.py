"""`cmake --install` into a folder that is then moved: the program, its manual page, and a program of a user's that is
built as docs/embedding.md says."""

import gzip
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import small_recipe

PROJECT = Path(__file__).resolve().parents[2]
CMAKE = os.environ["GRAFT_CMAKE"]


def run(*command, exit_code=0):
    ending = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=280)
    assert ending.returncode == exit_code, f"{command}: {ending.returncode}\n{ending.stdout[-2000:]}\n{ending.stderr[-2000:]}"
    return ending.stdout, ending.stderr


class InstalledTree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="graft-install-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        run(CMAKE, "--install", os.environ["GRAFT_BUILD"], "--prefix", cls.folder / "first")
        (cls.folder / "first").rename(cls.folder / "moved")
        cls.tree = cls.folder / "moved"

    def test_the_program_runs_and_finds_its_helper(self):
        damaged = self.folder / "damaged.h5"
        damaged.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
        run(self.tree / "bin/graft", "--version")
        run(self.tree / "bin/graft", "config", "check", self.tree / "share/graft/configs/keras_blog.json")
        _, error = run(self.tree / "bin/graft", "weights", "show", damaged, exit_code=4)
        self.assertNotIn("cannot start", error)

    def test_the_manual_page_has_every_command_and_option(self):
        page = gzip.decompress((self.tree / "share/man/man1/graft.1.gz").read_bytes()).decode()
        text = page.replace("\\-", "-").replace("\\(rs", "\\").replace("\\&", "")
        for command in ((), ("predict",), ("weights", "import"), ("config", "explain")):
            self.assertIn("\n.SS " + " ".join(("graft", *command)) + "\n", text)
            output, _ = run(self.tree / "bin/graft", *command, "--help")
            self.assertIn(output, text)

    def test_no_file_names_the_folder_of_the_build(self):
        for file in self.tree.rglob("*.cmake"):
            text = file.read_text()
            self.assertNotIn(str(PROJECT), text, file)
            self.assertNotIn("-Werror", text, file)

    def test_a_program_is_built_as_the_page_says(self):
        page = (PROJECT / "docs/embedding.md").read_text()
        source = (PROJECT / "tests/install/embed.cpp").read_text()
        self.assertIn(f"```cpp\n{source}```\n", page)
        user = self.folder / "user"
        user.mkdir()
        (user / "embed.cpp").write_text(source)
        (user / "CMakeLists.txt").write_text(re.search(r"```cmake\n(.*?)```", page, re.DOTALL)[1])
        run(CMAKE, "-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={self.tree}")
        run(CMAKE, "--build", user / "build")

        small_recipe.make_recipe(self.folder / "recipe")
        config = self.folder / "recipe/config.json"
        photos = sorted((self.folder / "recipe/photos/validation").rglob("*.png"))
        output, error = run(user / "build/embed", config, *photos)
        self.assertEqual(error, "")
        lines = output.splitlines()
        self.assertEqual(lines[0], "8 photos of 2 classes, 512 features each")
        predicted, _ = run(self.tree / "bin/graft", "predict", self.folder / "recipe/out", "--best", "-q", *photos)
        rows = [row.split(",") for row in predicted.splitlines()[1:]]
        self.assertEqual(lines[2:], [f"{row[0]}: {row[1]}" for row in rows])
        for name in ("graft-hdf5", "libgraft_cuda.so"):
            if (self.tree / "lib/graft" / name).exists():
                self.assertEqual((user / "build" / name).resolve(), (self.tree / "lib/graft" / name).resolve())


if __name__ == "__main__":
    unittest.main()
