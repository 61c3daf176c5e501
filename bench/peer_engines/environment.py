"""The peers' own Python environment, in graft's cache folder: made once, then found in no time."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TextIO

# Of the disk, once installed, with what pip unpacks on the way.
SIZE = "about 7 GB"

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


class SetupError(Exception):
    """What is missing and what to do, in a sentence."""


def cache_folder() -> Path:
    """Where graft keeps what can be made again: as tools/common.sh has it."""
    given = os.environ.get("GRAFT_CACHE")
    if given:
        return Path(given)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "graft"


# An environment belongs to one minor version of Python, whoever built that.
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


WHEELS = f"and that the packages of {REQUIREMENTS.name} have wheels for this Python, {PYTHON}"


def stamp() -> str:
    """Changes when the environment must be looked at again."""
    return hashlib.sha256(REQUIREMENTS.read_bytes() + PYTHON.encode()).hexdigest()


def installed(cache: Path) -> Path | None:
    """The environment's interpreter, when all that is required is there."""
    python, mark = cache / "peers/venv/bin/python", cache / "peers/venv/graft.stamp"
    return python if python.exists() and mark.exists() and mark.read_text() == stamp() else None


def started(venv: Path) -> bool:
    """Whether there is an environment of this Python, complete or not."""
    settings = venv / "pyvenv.cfg"
    fits = settings.exists() and f"version = {PYTHON}." in settings.read_text()
    return fits and (venv / "bin/python").exists()


def ensure(cache: Path) -> Path:
    """The environment's interpreter. Makes the environment, or completes it, when it is not as it should be."""
    ready = installed(cache)
    if ready:
        return ready
    folder, venv = cache / "peers", cache / "peers/venv"
    print(f"peers.py: installing the peers into {venv}: {SIZE}, some minutes, once", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    (venv / "graft.stamp").unlink(missing_ok=True)  # what is half installed is not taken for whole
    with (folder / "install.log").open("w") as log:
        if not started(venv):
            run([sys.executable, "-m", "venv", "--clear", str(venv)], log, "on Debian 12, install python3-venv")
        pip = [str(venv / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check"]
        hint = f"check that there is {SIZE} of room, the network and pip's index, {WHEELS}, then run this again"
        run([*pip, "--requirement", str(REQUIREMENTS)], log, hint)
    (venv / "graft.stamp").write_text(stamp())
    return venv / "bin/python"


def run(command: list[str], log: TextIO, hint: str) -> None:
    done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SetupError(f"'{' '.join(command[1:4])}' failed: {hint}; the whole output is in {log.name}")


# What a worker finds set: modules of bench/, nothing written beside them, and the CPU for everyone.
SETTINGS = {
    "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    "PYTHONDONTWRITEBYTECODE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def worker_environment() -> dict[str, str]:
    """A worker's environment: ours, without settings of threads, of vector units or of compilers that
    someone left behind."""
    left = ("OMP_", "KMP_", "MKL_", "GOMP_", "DNNL_", "ONEDNN_", "TF_", "XLA_FLAGS")
    return {k: v for k, v in os.environ.items() if not k.startswith(left)} | SETTINGS
