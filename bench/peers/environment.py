"""The machine, and the peers' own Python environment on it: made once in graft's cache folder, then only looked up."""

import hashlib
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from .engines import GPU_PEERS, PEERS, TENSORRT, Peer


@dataclass(frozen=True)
class Peers:
    """A Python environment: a folder of its own, and the packages of PyPI in it. The file of pins has these packages
    and all that they need, each with the sha256 of its wheel; peers/pin.py writes it."""

    folder: str  # below graft's cache folder
    size: str  # on disk, once installed, with what pip unpacks on the way
    packages: tuple[str, ...]
    pins: Path


HERE = Path(__file__).resolve().parent


def packages_of(peers: tuple[Peer, ...]) -> tuple[str, ...]:
    found = ["numpy==2.4.6", "pillow==13.0.0", *(package for peer in peers for package in peer.packages)]
    return tuple(dict.fromkeys(package for package in found if package != TENSORRT))


CPU = Peers("peers/venv", "about 7 GB", packages_of(PEERS), HERE / "requirements_cpu.txt")
CUDA = Peers("peers/venv-cuda", "several GB", packages_of(GPU_PEERS), HERE / "requirements_cuda.txt")


class SetupError(Exception):
    """What is missing and what to do, in a sentence."""


def cache_folder() -> Path:
    """Where graft keeps what can be made again: as tools/common.sh has it."""
    given, home = os.environ.get("GRAFT_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else (Path(home) if home else Path.home() / ".cache") / "graft"


# An environment belongs to one minor version of Python, whoever built that.
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def stamp(peers: Peers = CPU) -> str:
    """Changes when the environment must be looked at again."""
    return hashlib.sha256((peers.pins.read_text() + PYTHON).encode()).hexdigest()


def installed(cache: Path, peers: Peers = CPU) -> Path | None:
    """The environment's interpreter, when what is required has been installed."""
    venv = cache / peers.folder
    python, mark = venv / "bin/python", venv / "graft.stamp"
    return python if python.exists() and mark.exists() and mark.read_text() == stamp(peers) else None


def has_python(venv: Path) -> bool:
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
    print(f"installing Python packages into {venv}: {peers.size}, some minutes, once", file=sys.stderr)
    venv.parent.mkdir(parents=True, exist_ok=True)
    (venv / "graft.stamp").unlink(missing_ok=True)  # half an installation is not taken for a complete one
    with (venv.parent / "install.log").open("w") as log:
        if not has_python(venv):
            run([sys.executable, "-m", "venv", "--clear", str(venv)], log, "on Debian 12, install python3-venv")
        install(venv, peers, log)
    (venv / "graft.stamp").write_text(stamp(peers))
    return venv / "bin/python"


def install(venv: Path, peers: Peers, log: TextIO) -> None:
    """The pinned wheels and nothing else: no package runs code of its own here. All at once, or, where that fails, each
    on its own: one that fails is skipped by name. Raises SetupError when all of them fail."""
    hint = f"check that there are {peers.size} of free space, a network and pip's index, "
    hint += f"and that {peers.pins.name} has wheels for this Python, {PYTHON}, then run this again"
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check"]
    pip += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement"]
    lines = [line for line in peers.pins.read_text().splitlines() if line and not line.startswith("#")]
    try:
        run([*pip, str(peers.pins)], log, hint)
        return
    except SetupError as failure:
        failures = [failure]
    one = venv / "one_package.txt"
    for line in lines:
        try:
            one.write_text(line)
            run([*pip, str(one)], log, hint)
        except SetupError as failure:
            failures.append(failure)
            print(f"package {line.split()[0]} is skipped: {failure}", file=sys.stderr)
    if len(failures) > len(lines):
        raise failures[0]


def missing_packages(python: Path, peer: Peer) -> list[str]:
    """Those that were skipped."""
    folders = python.parents[1].glob("lib/python*/site-packages/*.dist-info")
    present = {folder.name.partition("-")[0].lower() for folder in folders}
    return [one for one in peer.packages if one.partition("==")[0].replace("-", "_").lower() not in present]


def run(command: list[str], log: TextIO, hint: str) -> None:
    done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SetupError(f"'{' '.join(command[1:4])}' failed: {hint}; the output is in {log.name}")


# A worker's variables: modules of bench/, and nothing written next to them.
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


# The worker's names of vector units, widest first, with the processor's flags that each needs.
ISAS = {"avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl"), "avx2": ("avx2", "fma")}


def isas(flags: str) -> list[str]:
    """Each of graft's vector units that this processor has, widest first; "portable" when it has none."""
    present = set(flags.split())
    return [name for name, needed in ISAS.items() if present.issuperset(needed)] or ["portable"]


def cores() -> int:
    return len(os.sched_getaffinity(0))


def busy_seconds() -> float:
    """Time that all cores together have worked since the machine started."""
    user, nice, system, _, _, interrupts, soft, stolen = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def driver_version(said: Path = Path("/sys/module/nvidia/version")) -> str:
    """That of the GPU's driver, from the kernel; "unknown" without it."""
    try:
        return said.read_text().strip()
    except OSError:
        return "unknown"


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    info = {key.strip(): value.strip() for key, value in pairs}
    family, model = info.get("cpu family", "?"), info.get("model", "?")
    return {
        "processor": f"{info.get('model name', platform.machine())} (family {family}, model {model})",
        "cores": cores(),
        "isas": isas(info.get("flags", "")),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "load_at_start": os.getloadavg()[0],
    }


def build(project: Path) -> dict[str, object]:
    """Which graft was measured, by git; nothing is known of its compiler."""
    said = []
    for command in (["rev-parse", "HEAD"], ["status", "--porcelain"]):
        try:
            done = subprocess.run(["git", "-C", str(project), *command], capture_output=True, text=True)
            said.append(done.stdout.strip())
        except OSError:  # git is not installed
            said.append("")
    return {"version": "", "commit": said[0], "dirty": bool(said[1]), "compiler": "", "build_type": ""}
