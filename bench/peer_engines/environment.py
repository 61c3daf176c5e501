"""The peers' own Python environment, in graft's cache folder: made once, then found in no time."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class Peers:
    """An environment: a folder of its own, and what is installed into it."""

    folder: str  # below graft's cache folder
    requirements: Path
    size: str  # of the disk, once installed, with what pip unpacks on the way
    optional: bool = False  # each package on its own: what fails is left out


CPU = Peers("peers/venv", Path(__file__).with_name("requirements.txt"), "about 7 GB")
CUDA = Peers("peers/venv-cuda", Path(__file__).with_name("requirements_cuda.txt"), "several GB", optional=True)


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


def stamp(peers: Peers = CPU) -> str:
    """Changes when the environment must be looked at again."""
    return hashlib.sha256(peers.requirements.read_bytes() + PYTHON.encode()).hexdigest()


def installed(cache: Path, peers: Peers = CPU) -> Path | None:
    """The environment's interpreter, when what is required has been installed."""
    venv = cache / peers.folder
    python, mark = venv / "bin/python", venv / "graft.stamp"
    return python if python.exists() and mark.exists() and mark.read_text() == stamp(peers) else None


def started(venv: Path) -> bool:
    """Whether there is an environment of this Python, complete or not."""
    settings = venv / "pyvenv.cfg"
    fits = settings.exists() and f"version = {PYTHON}." in settings.read_text()
    return fits and (venv / "bin/python").exists()


def ensure(cache: Path, peers: Peers = CPU) -> Path:
    """The environment's interpreter. Makes the environment, or completes it, when it is not as it should be."""
    ready = installed(cache, peers)
    if ready:
        return ready
    venv = cache / peers.folder
    print(f"peers.py: installing the peers into {venv}: {peers.size}, some minutes, once", file=sys.stderr)
    venv.parent.mkdir(parents=True, exist_ok=True)
    (venv / "graft.stamp").unlink(missing_ok=True)  # what is half installed is not taken for whole
    with (cache / "peers/install.log").open("w") as log:
        if not started(venv):
            run([sys.executable, "-m", "venv", "--clear", str(venv)], log, "on Debian 12, install python3-venv")
        install(venv, peers, log)
    (venv / "graft.stamp").write_text(stamp(peers))
    return venv / "bin/python"


def install(venv: Path, peers: Peers, log: TextIO) -> None:
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check"]
    wheels = f"and that the packages of {peers.requirements.name} have wheels for this Python, {PYTHON}"
    hint = f"check that there is {peers.size} of room, the network and pip's index, {wheels}, then run this again"
    if not peers.optional:
        return run([*pip, "--requirement", str(peers.requirements)], log, hint)
    failures = []
    for package in packages(peers):
        try:
            run([*pip, package], log, hint)
        except SetupError as failure:
            failures.append(failure)
            print(f"peers.py: {package} is left out: {failure}", file=sys.stderr)
    if len(failures) == len(packages(peers)):
        raise failures[0]


def packages(peers: Peers) -> list[str]:
    lines = peers.requirements.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def missing_modules(python: Path, modules: set[str]) -> set[str]:
    """Those that this interpreter does not find; nothing is imported."""
    code = "import importlib.util, json, sys; f = importlib.util.find_spec"
    code += "; print(json.dumps([m for m in sys.argv[1:] if f(m) is None]))"
    done = subprocess.run([str(python), "-c", code, *sorted(modules)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def run(command: list[str], log: TextIO, hint: str) -> None:
    done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SetupError(f"'{' '.join(command[1:4])}' failed: {hint}; the whole output is in {log.name}")


# What a worker finds set: modules of bench/, nothing written beside them.
SETTINGS = {
    "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    "PYTHONDONTWRITEBYTECODE": "1",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def worker_environment(device: str = "cpu", precision: str = "fp32") -> dict[str, str]:
    """A worker's environment: ours, without settings of threads, of vector units, of TF32 or of compilers that
    someone left behind. On the CPU no one sees a GPU."""
    left = ("OMP_", "KMP_", "MKL_", "GOMP_", "DNNL_", "ONEDNN_", "TF_", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE")
    found = {k: v for k, v in os.environ.items() if not k.startswith(left)} | SETTINGS
    if device == "cpu":
        found["CUDA_VISIBLE_DEVICES"] = ""
    elif precision == "fp32":
        found["NVIDIA_TF32_OVERRIDE"] = "0"  # the one way to tell TensorRT's provider
    return found
