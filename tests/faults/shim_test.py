"""The shim itself, with Python as the program that meets the faults."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

WRITE = """
import os
def write(name, text, *, sync):
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(file, text)
    if sync: os.fsync(file)
    os.close(file)
def sync_folder():
    os.fsync(os.open(".", os.O_DIRECTORY))
"""


class ShimTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.undo = Path(folder.name) / "root", Path(folder.name) / "undo"
        self.root.mkdir()
        self.undo.mkdir()
        (self.root / "old").write_bytes(b"before")
        (self.root / "other").write_bytes(b"other")

    def run_script(self, script, action, calls="change", at=1000, loses=""):
        """What is in the files after the script, and how it ended."""
        faults = {"FAULT_CALLS": calls, "FAULT_AT": str(at), "FAULT_ACTION": action, "FAULT_LOSES": loses}
        folders = {"FAULT_ROOT": str(self.root), "FAULT_UNDO": str(self.undo)}
        done = subprocess.run(
            [sys.executable, "-c", WRITE + script], cwd=self.root, capture_output=True, check=False,
            env={**os.environ, **faults, **folders, "LD_PRELOAD": os.environ["GRAFT_FAULTS_SHIM"]},
        )  # fmt: skip
        files = {path.name: path.read_bytes() for path in self.root.iterdir() if path.is_file()}
        return files, done.returncode, done.stderr.decode()

    def test_a_call_fails_with_the_errno(self):
        script = "write('new', b'text', sync=True)"
        for calls, at in (("open", 1), ("write", 1), ("sync", 1), ("close", 1), ("change", 2)):
            _, code, error = self.run_script(script, "5", calls, at)
            self.assertEqual((code, "Input/output error" in error), (1, True), calls)

    def test_a_kill_leaves_half_of_a_write(self):
        files, code, _ = self.run_script("write('new', b'text', sync=True)", "kill", at=2)
        self.assertEqual((code, files["new"]), (-9, b"te"))

    def test_a_power_cut_undoes_what_was_not_synced(self):
        script = "write('old', b'new text', sync=False); write('kept', b'kept', sync=True)"
        for loses, old in (("data", b"before"), ("zeros", b"before\0\0"), ("entries", b"new text")):
            self.setUp()
            files, code, _ = self.run_script(script, "cut", loses=loses)
            self.assertEqual((code, files["old"]), (-9, old))
            self.assertEqual(files.get("kept"), None if loses == "entries" else b"kept")

    def test_a_power_cut_undoes_entries_in_their_order(self):
        script = """
os.rename('old', 'moved'); os.unlink('other'); write('other', b'new', sync=True); os.mkdir('folder')
write('folder/file', b'text', sync=True); os.replace('folder/file', 'moved')
"""
        files, _, _ = self.run_script(script, "cut", loses="data,entries")
        self.assertEqual(files, {"old": b"before", "other": b"other"})
        self.setUp()
        files, _, _ = self.run_script(script + "sync_folder()", "cut", loses="data,entries")
        self.assertEqual(files, {"moved": b"text", "other": b"new"})


if __name__ == "__main__":
    unittest.main()
