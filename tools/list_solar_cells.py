#!/usr/bin/env python3
"""Unpacks the wheel of elpv-dataset: the photos, and solar_cells.csv with their classes and a fixed split.

    list_solar_cells.py WHEEL FOLDER

A cell is defective when its probability of a defect is at least one half. A quarter of each stratum
(probability × module type) goes to validation: the photos whose SHA-256 is smallest, so that the split
is the same on every machine and has nothing to do with the order of the files.
"""

import csv
import hashlib
import pathlib
import sys
import zipfile

DATA = "elpv_dataset/data/"


def main(wheel: str, folder: str) -> None:
    strata: dict[tuple[float, str], list[tuple[str, str]]] = {}
    with zipfile.ZipFile(wheel) as package:
        for line in package.read(DATA + "labels.csv").decode().splitlines():
            if not line.strip():
                continue
            path, probability, module = line.split()
            photo = package.read(DATA + path)
            target = pathlib.Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(photo)
            digest = hashlib.sha256(photo).hexdigest()
            strata.setdefault((float(probability), module), []).append((digest, path))

    rows = []
    for (probability, _), photos in strata.items():
        label = "defective" if probability >= 0.5 else "intact"
        for position, (_, path) in enumerate(sorted(photos)):
            split = "validation" if position < round(len(photos) / 4) else "train"
            rows.append((path, label, split))
    with pathlib.Path(folder, "solar_cells.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "split"))
        writer.writerows(sorted(rows))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
