"""What the tests of shards share: a recipe, the program, and the comparison with one process."""

import contextlib
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from collections import Counter
from pathlib import Path

import small_recipe

PROGRAM = os.environ["GRAFT_PROGRAM"]
PER_CLASS = {"train": 110, "validation": 20}
PHOTOS = 2 * sum(PER_CLASS.values())


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def main(*programs):
    """Runs the tests of the calling module, which need these programs."""
    if not os.environ.get("GRAFT_SYSTEM_TESTS"):
        skip("needs a cluster's packages and root; run tools/test.sh system")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for program in programs:
        if not shutil.which(program):
            skip(f"there is no {program}; run tools/install_deps.sh system")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    unittest.main()


def make_recipe(folder: Path) -> Path:
    """The config of a recipe in which a process takes seconds: it computes one photo after another."""
    small_recipe.make_recipe(folder)
    for number, (name, count) in enumerate(PER_CLASS.items()):
        photos = folder / "photos" / name
        shutil.rmtree(photos)
        small_recipe.write_photos(photos, 1000 * number, count)
        for photo in photos.glob("*/*"):
            os.utime(photo, (10**9, 10**9))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["threads"] = config["backbone"]["batch_size"] = 1
    config["data"]["image_size"] = [96, 96]
    path.write_text(json.dumps(config))
    return path


def wait_until(is_true, seconds=60):
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def rows_in_journals(shard: Path) -> int:
    """Rows of an extraction that has not ended."""
    lines = [line for path in shard.glob("*.journal") for line in path.read_bytes().splitlines()]
    return sum(len(json.loads(line.split(b" ", 1)[1]).get("done", ())) for line in lines if line.endswith(b"}"))


@contextlib.contextmanager
def opened_photos(photos: Path):
    """Yields a Counter that in the end holds how often each photo was opened, by any process (inotify)."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK)
    in_open, is_folder = 0x20, 0x40000000
    folders = {libc.inotify_add_watch(watcher, os.fsencode(path), in_open): path for path in photos.glob("*/*/")}
    opened = Counter()
    try:
        yield opened
        with contextlib.suppress(BlockingIOError):
            while events := os.read(watcher, 1 << 20):
                while events:
                    watch, mask, _, length = struct.unpack_from("iIII", events)
                    name = os.fsdecode(events[16 : 16 + length].rstrip(b"\0"))
                    events = events[16 + length :]
                    if not mask & is_folder:
                        opened[str((folders[watch] / name).relative_to(photos))] += 1
    finally:
        os.close(watcher)


class Messages(str):
    """What commands wrote on standard error."""

    def _sum(self, word):
        return sum(map(int, re.findall(rf"features/\w+: .*?(\d+) {word}", self)))

    @property
    def computed(self):
        return self._sum("computed")

    @property
    def resumed(self):
        return self._sum("resumed")


class ShardsTest(unittest.TestCase):
    """Each output is NAME/out, so that the reports have the same title. one/out is that of one process."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="graft-cluster-")))
        cls.config = make_recipe(cls.folder)

    def setUp(self):
        if not self.output("one").exists():
            self.assertEqual(self.collect("one").computed, PHOTOS)

    def output(self, name) -> Path:
        return self.folder / name / "out"

    def shard(self, name, index, count) -> Path:
        return self.output(name) / f"features/shard-{index}-of-{count}"

    def command(self, command, name, *words):
        return [PROGRAM, command, str(self.config), "--output", str(self.output(name)), *words]

    def start(self, command, **options):
        """Its messages are collected in a file, so that it never waits for a reader."""
        messages = tempfile.TemporaryFile("w+", errors="replace")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages, **options)
        process.messages = messages
        self.addCleanup(messages.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process, *exits):
        """Its messages. `exits`: the possible exit codes, 0 if none are given."""
        process.wait(200)
        process.messages.seek(0)
        messages = Messages(process.messages.read())
        self.assertIn(process.returncode, exits or (0,), messages)
        return messages

    def extract(self, name, shard, *exits):
        return self.end(self.start(self.command("extract", name, "--shard", shard)), *exits)

    def collect(self, name, *words, command="run"):
        return self.end(self.start(self.command(command, name, *words)))

    def wait_for_rows(self, name, shards, count, process=None):
        """Until the shards have rows on disk. `process` is not to end before."""

        def have_rows():
            self.assertIsNone(process and process.poll(), "it ended too early")
            return all(rows_in_journals(self.shard(name, index, count)) for index in shards)

        wait_until(have_rows)

    def assert_incomplete(self, name, shards, count):
        for index in shards:
            folder = self.shard(name, index, count)
            self.assertGreater(rows_in_journals(folder), 0)
            self.assertFalse((folder / "train.npy").exists(), "the shard ended before it was killed; add photos")

    def assert_same_bytes(self, name, expected="one"):
        self.assertEqual(self.bytes_of(name), self.bytes_of(expected))

    def bytes_of(self, name):
        """Digest of each file that does not name the output folder."""
        output, files = self.output(name), {}
        for path in (*output.glob("features/*.*"), *output.glob("result/*")):
            if path.name != "config.json":
                files[str(path.relative_to(output))] = hashlib.md5(path.read_bytes()).hexdigest()
        self.assertLessEqual(
            {"features/train.npy", "features/validation.files.json", "result/head.safetensors"}, set(files)
        )
        return files
