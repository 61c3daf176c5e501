"""Each installed peer on a network whose features are known, and on a head that graft trains too: the writers of
models and the engines' code.

    peers_check.py         the peers of the CPU
    peers_check.py ways    PyTorch in each of its ways, and what a GPU's engines do with bytes and fp16, on the CPU
    peers_check.py cuda:N  the peers of a GPU, in each precision

Ends with 77, which ctest counts as skipped, where bench/peers.py has installed nothing yet, or has no GPU.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import support
from peers import environment, program
from peers.engines import GPU_PEERS, HEAD_LIMIT, LIMITS, PEERS, PYTORCH_WAYS, Peer, head_peers
from peers.protocol import Worker
from peers.work import FeaturesWork, HeadWork, Values, difference, read_npy, write_head_data

SKIPPED = 77
CHECKED_STEPS = 8


@dataclass(frozen=True)
class Case:
    key: str  # ENGINE or ENGINE:VARIANT
    limit: float
    device: str = "cpu"
    precision: str = "fp32"
    source: str = "floats"

    def __str__(self) -> str:
        return f"{self.key} {self.device} {self.precision} from {self.source}"


def cases(what: str, peers: list[Peer]) -> list[Case]:
    if what == "cpu":
        return [Case(peer.key, peer.limit) for peer in peers]
    if what != "ways":
        return [
            Case(peer.key, LIMITS[precision], what, precision, "bytes")
            for peer in peers
            for precision in peer.precisions
        ]
    half = ("pytorch:eager", "pytorch:compiled", "pytorch:amp", "onnxruntime")
    found = [Case(peer.key, peer.limit) for peer in PYTORCH_WAYS]
    return found + [Case(key, LIMITS["fp16"], "cpu", "fp16", "bytes") for key in half]


def features(case: Case, python: Path, folder: Path) -> float:
    """How far the features are from the expected ones."""
    paths = support.known_files(folder)
    work = FeaturesWork(
        support.SIDE, 2, *paths, 2, str(folder), case.device, case.precision, source=case.source
    )
    command = [str(python), "-m", "peers.worker", case.key]
    surroundings = environment.worker_environment(case.device, case.precision)
    return difference(checked(command, work, folder, surroundings), Values((2, 2, 2, 512), support.known_features()))


def losses(engine: str, python: Path, folder: Path) -> float:
    """How far the losses are from graft's, in the engine's form of RMSprop."""
    work = HeadWork(64, 8, 4, 16, 0.5, 0.02, str(folder / "head"), 2, str(folder))
    write_head_data(folder / "head", work)
    command = [str(python), "-m", "peers.worker", engine]
    asked = {"steps": CHECKED_STEPS, "epsilon_inside_sqrt": engine == "keras"}
    found = checked(command, work, folder, environment.worker_environment(), **asked)
    expected = checked([os.environ["GRAFT_BENCH_WORKER"], "cpu", "auto"], work, folder, dict(os.environ), **asked)
    return difference(found, expected)


def checked(
    command: list[str], work: FeaturesWork | HeadWork, folder: Path, surroundings: dict[str, str], **request: object
) -> Values:
    worker = Worker(command[-1], command, folder / "log", surroundings)
    try:
        worker.ask(work.request())
        worker.ask({"command": "check", "output": str(folder / "found.npy"), **request})
    finally:
        worker.quit()
    return read_npy(folder / "found.npy")


def main(what: str) -> int:
    on_gpu = what.startswith("cuda")
    kind, peers = (environment.CUDA, GPU_PEERS) if on_gpu else (environment.CPU, PEERS)
    try:
        if on_gpu:
            program.find_gpu(Path(os.environ["GRAFT_BENCH_WORKER"]), what, "fp32")
    except program.NoGpu as error:
        print(f"skipped: {error}")
        return SKIPPED
    python = environment.installed(environment.cache_folder(), kind)
    if python is None:
        print("skipped: bench/peers.py has not installed the peers on this machine")
        return SKIPPED
    present = [peer for peer in peers if not environment.missing_packages(python, peer)]
    print("".join(f"skipped: {peer.name} is not installed\n" for peer in peers if peer not in present), end="")
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checks = [(str(case), partial(features, case), case.limit) for case in cases(what, present)]
        if what == "cpu":
            checks += [(f"{p.name}'s losses", partial(losses, p.key), HEAD_LIMIT) for p in head_peers(present)]
        for title, check, limit in checks:
            difference = check(python, folder)
            failures += difference > limit
            print(f"{title}: {difference:.1e}, the limit is {limit:.0e}", flush=True)
    return 1 if failures or not checks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "cpu"))
