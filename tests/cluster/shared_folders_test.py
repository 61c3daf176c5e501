"""Machines that see one folder through mounts of their own: a bind mount, and a FUSE (bindfs) whose mounts have no
common locks and may miss a new or renamed file for two seconds, as NFS does."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from shards import PHOTOS, ShardsTest, main, rows_in_journals, skip, wait_until

LATE = 2  # seconds
# A machine has processes and mounts of its own, and the shared folder at the same place as the others.
MACHINE = "unshare --pid --fork --kill-child --mount-proc --uts sh -c".split() + [
    'mount --bind "$0" "$1" && hostname "machine-${0##*/}" && shift && exec "$@"'
]


class SharedFolder:
    """The tests, for machines A and B that mount by the command `mount`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mounts = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="graft-mounts-")))
        for machine in "AB":
            (cls.mounts / machine).mkdir()
            mounted = subprocess.run([*cls.mount, cls.folder, cls.mounts / machine], capture_output=True, text=True)
            if mounted.returncode != 0:
                cls.doClassCleanups()
                skip(f"{cls.mount[0]} cannot mount: {mounted.stderr.strip()}")
            cls.addClassCleanup(subprocess.run, ["umount", "--lazy", cls.mounts / machine], check=True)

    def on(self, machine, command):
        return self.start([*MACHINE, str(self.mounts / machine), str(self.folder), *command])

    def extract_on(self, machine, name, shard):
        return self.on(machine, self.command("extract", name, "--shard", shard))

    def collect_on(self, machine, name, *exits):
        return self.end(self.on(machine, self.command("run", name)), *exits)

    def extract_on_both(self, name):
        shards = [self.extract_on("AB"[i % 2], name, f"{i}/4") for i in range(4)]
        self.assertEqual(sum(self.end(shard).computed for shard in shards), PHOTOS)

    def assert_refused(self, messages):
        self.assertRegex(messages.splitlines()[-1], "^graft: the folder .*/shard-0-of-1 is in use by another run")

    def test_shards_of_two_machines_are_collected(self):
        self.extract_on_both("collected")
        time.sleep(LATE)
        self.assertEqual(self.collect_on("B", "collected").computed, 0)
        self.assert_same_bytes("collected")

    def test_two_machines_have_one_shard_and_one_of_them_dies(self):
        machines = {machine: self.extract_on(machine, "twice", "0/1") for machine in "AB"}
        wait_until(lambda: any(process.poll() is not None for process in machines.values()))
        (refused,) = [machine for machine, process in machines.items() if process.poll() is not None]
        self.assert_refused(self.end(machines.pop(refused), 6))
        self.assertFalse((self.shard("twice", 0, 1) / "train.1.journal").exists())
        ((_, other),) = machines.items()
        self.wait_for_rows("twice", (0,), 1, other)
        other.kill()
        other.wait()
        rows = rows_in_journals(self.shard("twice", 0, 1))
        self.assert_incomplete("twice", (0,), 1)
        self.assertEqual(self.end(self.extract_on(refused, "twice", "0/1")).computed, PHOTOS - rows)
        self.assertEqual(self.collect_on("A", "twice").computed, 0)
        self.assert_same_bytes("twice")


class BindMountTest(SharedFolder, ShardsTest):
    mount = ("mount", "--bind")


class FuseTest(SharedFolder, ShardsTest):
    mount = ("bindfs", "-o", f"entry_timeout={LATE},negative_timeout={LATE},attr_timeout={LATE}")

    def test_a_run_that_may_not_see_all_files_yet(self):
        self.extract_on_both("at once")
        self.collect_on("B", "at once")
        self.assert_same_bytes("at once")

    def test_a_run_while_another_machine_writes_a_shard(self):
        writer = self.extract_on("A", "while", "0/1")
        self.wait_for_rows("while", (0,), 1, writer)
        self.assert_refused(self.collect_on("B", "while", 6))
        self.assertEqual(self.end(writer).computed, PHOTOS)
        self.collect_on("B", "while")
        self.assert_same_bytes("while")


if __name__ == "__main__":
    if os.getuid() != 0:
        skip("mounting needs root")
    main("bindfs", "unshare")
