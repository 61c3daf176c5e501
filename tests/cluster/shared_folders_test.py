"""Machines that see one folder through mounts of their own: a bind mount, and a FUSE (bindfs) that has no common locks
and may show a new or renamed file two seconds late, as NFS does."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from shards import PHOTOS, ShardsTest, main, skip

LATE = 2  # seconds
BINDFS = ("bindfs", "-o", f"entry_timeout={LATE},negative_timeout={LATE},attr_timeout={LATE}")
BIND = ("mount", "--bind")


class SharedFolder:
    """The tests, for `mount`, a command. Each of the machines A and B has its mount at the same path, in a namespace."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mounts = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="graft-mounts-")))
        for machine in "AB":
            (cls.mounts / machine).mkdir()
            mounted = subprocess.run([*cls.mount, cls.folder, cls.mounts / machine], capture_output=True, text=True)
            if mounted.returncode != 0:
                skip(f"{cls.mount[0]} cannot mount: {mounted.stderr.strip()}")
            cls.addClassCleanup(subprocess.run, ["umount", "--lazy", cls.mounts / machine], check=True)

    def on(self, machine, command):
        return self.start(["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(self.mounts / machine), str(self.folder), *command])

    def extract_on(self, machine, name, shard):
        return self.on(machine, self.command("extract", name, "--shard", shard))

    def run_on(self, machine, name, *exits):
        return self.end(self.on(machine, self.command("run", name)), *exits)

    def extract_on_both(self, name):
        shards = [self.extract_on("AB"[i % 2], name, f"{i}/4") for i in range(4)]
        self.assertEqual(sum(self.end(shard).computed for shard in shards), PHOTOS)

    def test_shards_of_two_machines_are_collected(self):
        self.extract_on_both("collected")
        time.sleep(LATE + 0.1)
        self.assertEqual(self.run_on("B", "collected").computed, 0)
        self.assert_same_bytes("collected")

    def test_a_run_that_may_not_see_all_files_yet(self):
        self.extract_on_both("at once")
        self.run_on("B", "at once")
        self.assert_same_bytes("at once")

    def test_two_machines_with_one_shard(self):
        for round in range(3):
            name = f"twice {round}"
            exits = []
            for process in [self.extract_on(machine, name, "1/3") for machine in "AB"]:
                messages = self.end(process, 0, 6)
                exits.append(process.returncode)
                if process.returncode == 6:
                    self.assertRegex(messages, r"^error: .*shard-1-of-3")
                    self.assertEqual(len(messages.splitlines()), 1)
            self.assertEqual(sorted(exits), [0, 6])
            self.assertFalse((self.shard(name, 1, 3) / ".lock.exclusive").exists())

    def test_a_run_while_another_machine_writes_a_shard(self):
        writer = self.extract_on("A", "while", "0/2")
        self.wait_for_rows("while", (0,), 2)
        self.run_on("B", "while", 0, 6)
        self.assertGreater(self.end(writer).computed, 0)
        self.run_on("B", "while")
        self.assert_same_bytes("while")


class BindMountTest(SharedFolder, ShardsTest):
    mount = BIND


class FuseTest(SharedFolder, ShardsTest):
    mount = BINDFS


if __name__ == "__main__":
    if os.getuid() != 0:
        skip("mounting needs root")
    main("bindfs", "unshare")
