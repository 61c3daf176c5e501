#!/usr/bin/env python3
"""Shards on many machines, by a model: no cluster and no GPU was measured.

    bench/shards_model.py STAGES.json [--photos 10000000] [--gpu_rate 5000] ...

STAGES.json is of bench/shards.py. Stages follow each other. Each takes as long as its slowest part would alone. Not in
the model: training, other users, failures, late starts, and photos that a second reading finds in the system's cache.
"""

import argparse
import json
import math
from pathlib import Path

import results

# What is assumed, and why.
ASSUMED = {
    "photos": (1e7, "more than one machine should do"),
    "photo_bytes": (1e5, "a photo of about 500 x 400; the measured times of reading and decoding are scaled to it"),
    "storage_bytes": (5e9, "bytes/s of the shared folder in all: a file server with a few 25 Gbit/s ports"),
    "storage_files": (5e4, "files opened or looked up a second in all: one metadata server"),
    "network": (1.1e9, "bytes/s of a machine: 10 Gbit/s Ethernet"),
    "round_trip": (3e-4, "s of a request to the shared folder: NFS in one data centre"),
    "requests": (5, "for a photo that is read: status, look-up, open, two reads; a thread waits for each"),
    "list_rate": (1e5, "names/s that a machine can list; each lists all photos"),
    "memory": (64e9, "bytes available on a machine; a quarter keeps photos, until they are decoded"),
    "gpu_rate": (5000, "photos/s of a GPU: a guess, in the order of an A100 with TF32"),
    "gpu_cores": (16, "cores next to a GPU, each as fast as one that was measured"),
}


class Model:
    """A stage is a dict: the seconds of each of its parts, by what limits it."""

    def __init__(self, measured: dict[str, float], assumed: dict[str, float]) -> None:
        self.m, self.a = argparse.Namespace(**measured), argparse.Namespace(**assumed)
        scale = self.a.photo_bytes / self.m.photo_bytes
        self.read, self.decode = self.m.read * scale, self.m.decode * scale

    def largest_shard(self, n: int) -> float:
        """Photos: a bound of the expected maximum of n shares by a hash."""
        mean = self.a.photos / n
        return min(self.a.photos, mean + math.sqrt(2 * mean * math.log(n)))

    def read_twice(self, photos: float) -> float:
        """How many photos of a shard no memory keeps from their digest to their decoding."""
        return max(0.0, photos - self.a.memory / 4 / self.a.photo_bytes)

    def reading(self, photos: float, everyone: float, cores: float, rows: tuple[float, float] = (0, 0)) -> dict:
        """So many photos on a machine and on all together, with so many rows written."""
        size, total = (read * self.a.photo_bytes + n * self.m.row_bytes for read, n in zip((photos, everyone), rows))
        waits = {"round trips": photos * self.a.requests * self.a.round_trip / cores, "network": size / self.a.network}
        waits["storage: bytes"] = total / self.a.storage_bytes
        return waits | {"storage: files": everyone / self.a.storage_files}

    def extraction(self, n: int, gpu: bool) -> list[dict]:
        """The largest of n shards, a machine each."""
        everyone, photos, cores = self.a.photos, self.largest_shard(n), self.a.gpu_cores if gpu else self.m.cores
        again, again_everyone = self.read_twice(photos), n * self.read_twice(everyone / n)
        decoding = (photos * self.decode + again * self.read) / cores
        on_gpu = {"CPU: decoding": decoding, "GPU": photos / self.a.gpu_rate}
        compute = on_gpu if gpu else {"CPU: backbone": decoding + photos * self.m.backbone / cores}
        return [
            {"start": self.m.start},
            {"listing": everyone / self.a.list_rate},
            {"CPU: digests": photos * self.read / cores} | self.reading(photos, everyone, cores),
            compute | self.reading(again, again_everyone, cores, (photos, everyone)),
        ]

    def collecting(self) -> list[dict]:
        """On one machine with the cores that were measured; rows are read and written, photos are not read."""
        a, size = self.a, 2 * self.a.photos * self.m.row_bytes
        looks = {"round trips": a.photos * a.round_trip / self.m.cores, "storage: files": a.photos / a.storage_files}
        copy = {"network": size / a.network, "storage: bytes": size / a.storage_bytes}
        copy["CPU: lists and rows"] = a.photos * self.m.collect
        return [{"start": self.m.start}, {"listing": a.photos / a.list_rate}, looks, copy]


def seconds(stages: list[dict]) -> float:
    return sum(max(stage.values()) for stage in stages)


def shown(stages: list[dict]) -> list[str]:
    """The time, and what limits the longest stage."""
    longest, time = max(stages, key=lambda stage: max(stage.values())), seconds(stages)
    return [f"{time / 3600:.1f} h" if time >= 7200 else f"{time / 60:.1f} min", max(longest, key=longest.get)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", type=Path)
    for name, (value, reason) in ASSUMED.items():
        parser.add_argument(f"--{name}", type=float, default=value, help=f"{value:g}: {reason}")
    assumed = vars(parser.parse_args())
    model = Model(json.loads(assumed.pop("stages").read_text()), assumed)
    machines = (f"{model.m.cores} cores each", "limit", f"GPU, {model.a.gpu_cores:g} cores each", "limit")
    table = [["machines", *machines, "collecting", "limit"]]
    for n in (1, 2, 4, 8, 16, 32, 64):
        row = [part for gpu in (False, True) for part in shown(model.extraction(n, gpu))]
        table.append([str(n), *row, *shown(model.collecting())])
    twice = [f"{n * model.read_twice(model.a.photos / n) / model.a.photos:.0%} on {n}" for n in (1, 8, 64)]
    print(*results.table(table, left=(2, 4, 6)), "", f"Photos that are read twice: {', '.join(twice)} machines.", "Assumed, the GPU's rate too:", sep="\n")
    print(*(f"  {name} = {assumed[name]:g}: {reason}" for name, (_, reason) in ASSUMED.items()), sep="\n")


if __name__ == "__main__":
    main()
