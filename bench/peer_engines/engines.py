"""Who takes part: names for people, modules, and how far features may lie from graft's."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    key: str  # on the command line; the module is KEY_engine
    name: str
    limit: float  # of the features' difference, as a share of the largest feature


# The limit of the engines that transform more coarsely is wider; the figure found is in the report.
EXACT, COARSE = 1e-4, 1e-3

PEERS = (
    Peer("onnxruntime", "ONNX Runtime", EXACT),
    Peer("openvino", "OpenVINO", EXACT),
    Peer("pytorch", "PyTorch", EXACT),
    Peer("keras", "Keras", EXACT),
    Peer("mnn", "MNN", COARSE),
    Peer("ncnn", "ncnn", COARSE),
)
HEAD_PEERS = ("pytorch", "keras")
# Losses of the first steps, relative to the largest: float32 sums in another order.
HEAD_LIMIT = 1e-3


def chosen(keys: str | None) -> list[Peer]:
    """The peers of a list such as "mnn,ncnn"; all when there is none. Raises ValueError with a sentence."""
    if keys is None:
        return list(PEERS)
    known = {peer.key: peer for peer in PEERS}
    unknown = [key for key in keys.split(",") if key not in known]
    if unknown:
        raise ValueError(f"no peer is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[key] for key in keys.split(",")]
