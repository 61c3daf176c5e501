#!/usr/bin/env python3
"""Extraction in shards on this machine: times, bytes read, and the stage times that bench/shards_model.py needs.

    bench/shards.py GRAFT CONFIG [--set KEY=VALUE]... [--json STAGES.json]

CONFIG is a config or a folder of photos. One process without shards comes first, then 1, 2 and 4 shards at once. Each
process has one thread and is pinned to one core; of 4 processes on 2 cores, two share each. The photos are in the
system's cache. "MB read" is what read() and pread() return from files named as photos, by strace, in a run of the same
shards with a small network, whose time does not count. "others" is how many cores other programs used: near 0, or the
times mean little. Stage times are from the trace of one shard that may use all cores, so that its decoder and its
backbone do not wait for each other; "collect" is CPU time. Exit code 1: graft failed, or rows differ.
"""

import argparse
import filecmp
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import results
from peers import environment
from peers.job import EXTENSIONS

SMALL = ("data.image_size=[32,32]", 'features.layers=["block1"]', "features.pooling=average")
STRACE = ["strace", "-ff", "-qq", "-y", "--seccomp-bpf", "-e", "trace=read,pread64", "-o"]
READ = re.compile(rf"\(\d+<.+(?:{'|'.join(map(re.escape, EXTENSIONS))})>, .* = (\d+)$", re.IGNORECASE | re.MULTILINE)


class Program:
    """`graft extract` on the photos, with its outputs in a scratch folder."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.scratch, self.options, self.cores = scratch, options, sorted(os.sched_getaffinity(0))
        probe = subprocess.run(["sh", "-c", '"$@" true', "", *STRACE, scratch / "probe"], capture_output=True)
        self.strace = STRACE if probe.returncode == 0 else []

    def extract(self, output: str, variants: list[list[str]], pinned: bool = True, small: bool = False) -> list[float]:
        """With each of these options, at once. Returns seconds, CPU seconds, and cores that others used."""
        settings = ["threads=1", "device=cpu", *self.options.set, f"output={self.scratch / output}"]
        words = [self.options.graft, "extract", self.options.config, "--quiet"]
        words += [f"--set={value}" for value in (*settings, *(SMALL if small else ()))]
        start, busy, used, running = time.perf_counter(), environment.busy_seconds(), sum(os.times()[2:4]), []
        for i, variant in enumerate(variants):
            prefix = [*self.strace, self.scratch / f"reads.{i}"] if small and self.strace else []
            cores = [self.cores[i % len(self.cores)]] if pinned else self.cores
            pin = partial(os.sched_setaffinity, 0, cores)
            running.append(subprocess.Popen([*prefix, *words, *variant], preexec_fn=pin))
        if any([process.wait() for process in running]):  # a list: all are awaited
            sys.exit("graft failed, as it says above")
        seconds, cpu = time.perf_counter() - start, sum(os.times()[2:4]) - used
        return [seconds, cpu, max(0.0, environment.busy_seconds() - busy - cpu) / seconds]

    def megabytes_read(self, output: str, variants: list[list[str]]) -> str:
        """From photos, by the small network."""
        self.extract(output, variants, small=True)
        found = 0
        for log in self.scratch.glob("reads.*"):
            found += sum(map(int, READ.findall(log.read_text(errors="replace"))))
            log.unlink()
        return f"{found / 1e6:.2f}" if self.strace else ""


def measure(program: Program) -> tuple[list[list[str]], dict[str, float]]:
    """A table, and the stage times."""
    read = program.megabytes_read("small", [[]])  # into the system's cache, too
    seconds, cpu, others = program.extract("alone", [[]])
    features = program.scratch / "alone/features"
    files = sorted(path.name for path in features.iterdir() if path.suffix in (".npy", ".json"))
    table = ["processes,extract s,CPU s,MB read,collect s,MB read,others,same bytes".split(",")]
    table.append(["no shards", f"{seconds:.2f}", f"{cpu:.2f}", read, "", "", f"{others:.1f}", ""])
    for count in (1, 2, 4):
        name, shards = f"of-{count}", [["--shard", f"{i}/{count}"] for i in range(count)]
        read, read_again = (program.megabytes_read(f"small-{name}", which) for which in (shards, [[]]))
        (seconds, cpu, others), collecting = program.extract(name, shards), program.extract(name, [[]])
        same = filecmp.cmpfiles(features, program.scratch / name / "features", files, shallow=False)[0] == files
        row = [str(count), f"{seconds:.2f}", f"{cpu:.2f}", read, f"{collecting[0]:.2f}", read_again]
        table.append([*row, f"{max(others, collecting[2]):.1f}", "yes" if same else "NO"])
    lists = map(Path.read_text, program.scratch.glob("of-1/features/shard-0-of-1/*.files.json"))
    sizes = [row["size"] for text in lists for row in json.loads(text)["rows"]]
    shard, trace = f"0/{max(1, len(sizes) // 300)}", program.scratch / "trace"  # about 300 photos
    whole = program.extract("stages", [["--shard", shard, "--trace", trace]], pinned=False)
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "X"]
    total = lambda *names: sum(event["dur"] for event in events if event["name"] in names) / 1e6  # noqa: E731
    begins = [event["ts"] for event in events if event["name"] == "photo"]
    end = max(event["ts"] + event["dur"] for event in events if event["name"] == "write")
    nothing = program.extract("nothing", [["--shard", "0/1000000"]])  # almost surely no photo
    return table, {
        "start": whole[0] - total("read the folders") - (end - min(begins)) / 1e6,
        "read": total("read the folders") / len(begins),
        "decode": total("decode", "resize") / len(begins),
        "backbone": total("backbone", "wait for the device") / len(begins),
        "collect": max(0, collecting[1] - nothing[1]) / len(sizes),  # CPU seconds
        "row_bytes": sum((features / name).stat().st_size for name in files if name[-4:] == ".npy") / len(sizes),
        "photo_bytes": sum(sizes) / len(sizes),
        "photos": len(sizes),
        "cores": len(program.cores),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graft", type=Path)
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, default=Path(os.devnull), help="for bench/shards_model.py")
    options, machine = parser.parse_args(), environment.machine()
    with tempfile.TemporaryDirectory(prefix="graft-shards-") as scratch:
        table, stages = measure(Program(options, Path(scratch)))
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['date']}; {stages['photos']} photos")
    print(*results.table(table), "", *(f"{name}: {value:.6g}" for name, value in stages.items()), sep="\n")
    options.json.write_text(json.dumps(stages))
    sys.exit(any(row[-1] == "NO" for row in table))


if __name__ == "__main__":
    main()
