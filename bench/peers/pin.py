"""Writes the peers' pins: `python3 -m peers.pin` in the folder bench/, with the Python that runs the peers.

requirements_cpu.txt and requirements_cuda.txt then name every package that the peers need, with its version and the
sha256 of its wheel. pip resolves them without installing anything. Run it after a change of a version in engines.py.
"""

import json
import subprocess
import sys

from .environment import CPU, CUDA, PYTHON, Peers


def pins(peers: Peers) -> list[str]:
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--only-binary=:all:"]
    report = subprocess.run([*pip, "--report=-", *peers.packages], check=True, stdout=subprocess.PIPE).stdout
    return sorted(
        f"{one['metadata']['name']}=={one['metadata']['version']}"
        f" --hash=sha256:{one['download_info']['archive_info']['hashes']['sha256']}"
        for one in json.loads(report)["install"]
    )


def write_pins(peers: Peers) -> None:
    note = f"# Wheels for Python {PYTHON} on Linux, x86-64; written by peers/pin.py"
    peers.pins.write_text("\n".join([note, *pins(peers), ""]))


if __name__ == "__main__":
    for kind in (CPU, CUDA):
        write_pins(kind)
