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
from peers.engines import GPU_PEERS, HEAD_LIMIT, HEAD_PEERS, LIMITS, PEERS, PYTORCH_WAYS
from peers.protocol import Worker
from peers.work import FeaturesWork, HeadWork, Values, difference, read_npy, write_head_data

SKIPPED = 77
CHECKED_STEPS = 8


@dataclass(frozen=True)
class Case:
    engine: str
    limit: float
    variant: str = ""
    device: str = "cpu"
    precision: str = "fp32"
    source: str = "floats"

    def __str__(self) -> str:
        return " ".join(filter(None, (self.engine, self.variant, self.device, self.precision, f"from {self.source}")))


def cases(what: str) -> list[Case]:
    if what == "cpu":
        return [Case(peer.engine, peer.limit) for peer in PEERS]
    if what != "ways":
        return [
            Case(peer.engine, LIMITS[precision], peer.variant, what, precision, "bytes")
            for peer in GPU_PEERS
            for precision in peer.precisions
        ]
    found = [Case("pytorch", peer.limit, peer.variant) for peer in PYTORCH_WAYS]
    found += [Case("pytorch", LIMITS["fp16"], way, "cpu", "fp16", "bytes") for way in ("eager", "compiled", "amp")]
    return found + [Case("onnxruntime", LIMITS["fp16"], "", "cpu", "fp16", "bytes")]


def features(case: Case, python: Path, folder: Path) -> float:
    """How far the features are from the expected ones."""
    work = FeaturesWork(
        support.SIDE, 2, str(folder / "pictures"), str(folder / "weights.safetensors"), 2, str(folder),
        case.device, case.precision, case.variant, case.source,
    )
    command = [str(python), "-m", "peers.worker", case.engine]
    surroundings = environment.worker_environment(case.device, case.precision)
    found = checked(command, work, folder, surroundings)
    expected = Values((2, 2, 2, 512), support.known_features())
    return difference(found, expected)


def losses(engine: str, python: Path, folder: Path) -> float:
    """how far the losses are from graft's, in the engine's form of RMSprop."""
    work = HeadWork(64, 8, 4, 16, 0.5, 0.02, str(folder / "head"), 2, str(folder))
    write_head_data(folder / "head", work)
    command = [str(python), "-m", "peers.worker", engine]
    form = {"pytorch": False, "keras": True}[engine]
    asked = {"steps": CHECKED_STEPS, "epsilon_inside_sqrt": form}
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


def why_skipped(what: str) -> str | None:
    """Nothing is installed for a test."""
    on_gpu = what.startswith("cuda")
    if on_gpu:
        try:
            program.find_gpu(Path(os.environ["GRAFT_BENCH_WORKER"]), what, "fp32")
        except program.NoGpu as error:
            return str(error)
    kind = environment.CUDA if on_gpu else environment.CPU
    if environment.installed(environment.cache_folder(), kind) is None:
        return "bench/peers.py has not installed the peers on this machine"
    return None


def main(what: str) -> int:
    reason = why_skipped(what)
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    on_gpu = what.startswith("cuda")
    python = environment.installed(environment.cache_folder(), environment.CUDA if on_gpu else environment.CPU)
    there = cases(what)
    if on_gpu:
        absent = program.without_packages(python, list(GPU_PEERS))
        gone = {(peer.engine, peer.variant) for peer in GPU_PEERS if peer.name in absent}
        there = [case for case in there if (case.engine, case.variant) not in gone]
        print("".join(f"skipped: {name}: {how}\n" for name, how in absent.items()), end="")
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        support.write_safetensors(folder / "weights.safetensors", support.known_tensors())
        (folder / "pictures").write_bytes(support.known_pictures())
        checks = [(str(case), partial(features, case), case.limit) for case in there]
        if what == "cpu":
            checks += [(f"{p.name}'s losses", partial(losses, p.engine), HEAD_LIMIT) for p in HEAD_PEERS]
        for title, check, limit in checks:
            difference = check(python, folder)
            failures += difference > limit
            print(f"{title}: {difference:.1e}, the limit is {limit:.0e}", flush=True)
    return 1 if failures or not checks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "cpu"))
