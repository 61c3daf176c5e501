"""Each installed peer on a network whose features are known: the writers of models and the engines' code.

Ends with 77, which ctest counts as skipped, where bench/peers.py has installed nothing yet.
"""

import sys
import tempfile
from pathlib import Path

import support
from peer_engines import agreement, environment
from peer_engines.engines import PEERS, Peer
from peer_engines.protocol import Worker
from peer_engines.work import FeaturesWork

SKIPPED = 77


def check(peer: Peer, python: Path, folder: Path) -> float:
    """How far the peer's features lie from those due."""
    command = [str(python), "-m", "peer_engines.worker", peer.key]
    worker = Worker(peer.name, command, folder / f"{peer.key}.log", environment.worker_environment())
    try:
        pictures, weights = str(folder / "pictures"), str(folder / "weights.safetensors")
        worker.ask(FeaturesWork(support.SIDE, 2, pictures, weights, 2, str(folder)).request())
        worker.ask({"command": "check", "output": str(folder / "found.npy")})
    finally:
        worker.quit()
    due = agreement.Values((2, 2, 2, 512), support.telling_features())
    return agreement.difference(agreement.read_npy(folder / "found.npy"), due)


def main() -> int:
    python = environment.installed(environment.cache_folder())
    if python is None:  # nothing is installed for a test
        print("skipped: bench/peers.py has not installed the peers on this machine")
        return SKIPPED
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        support.write_safetensors(folder / "weights.safetensors", support.telling_tensors())
        (folder / "pictures").write_bytes(support.telling_pictures())
        for peer in PEERS:
            found = check(peer, python, folder)
            failures += found > peer.limit
            print(f"{peer.name}: {found:.1e}, the limit is {peer.limit:.0e}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
