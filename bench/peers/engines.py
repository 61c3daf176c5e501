"""The engines that take part, how far their features may be from graft's, and the setup of a run."""

from dataclasses import dataclass, field
from pathlib import Path

# Of the features' difference, as a share of the largest feature. On the CPU everyone computes fp32; the
# limit of the engines that transform more coarsely is wider; the figure found is in the report.
EXACT, COARSE = 1e-4, 1e-3
# On a GPU, from graft's fp32 on the CPU. With the real weights on noise, arithmetic rounded as that of a GPU
# is off by 2e-7 (fp32), 1.4e-4 (tf32) and 4e-4 (fp16) from float64; the limits allow for other orders.
#   fp32  the same sums in another order, Winograd's transforms among them; below tf32's own error, so that an
#         engine that takes TF32 unasked, as some do by default, does not pass for fp32
#   tf32  each factor has 11 binary digits; sums are fp32
#   fp16  so have the activations between the layers; some engines add up in fp16, too
LIMITS = {"fp32": 5e-5, "tf32": 1e-3, "fp16": 5e-3}
# Losses of the first steps, relative to the largest: float32 sums in another order.
HEAD_LIMIT = 1e-3


@dataclass(frozen=True)
class Peer:
    key: str  # on the command line: ENGINE or ENGINE:VARIANT; the module is ENGINE_engine
    name: str
    packages: tuple[str, ...]  # of PyPI
    limit: float = EXACT  # on the CPU
    precisions: tuple[str, ...] = ("fp32", "tf32", "fp16")  # on a GPU

    @property
    def engine(self) -> str:
        return self.key.partition(":")[0]


TORCH = "torch==2.13.0"
PYTORCH = Peer("pytorch", "PyTorch", (TORCH,))
KERAS = Peer("keras", "Keras", ("keras==3.15.1", "tensorflow-cpu==2.21.0"))
PEERS = (
    Peer("onnxruntime", "ONNX Runtime", ("onnxruntime==1.32.0",)),
    Peer("openvino", "OpenVINO", ("openvino==2026.4.1",)),
    PYTORCH,
    KERAS,
    Peer("mnn", "MNN", ("MNN==3.6.1",), COARSE),
    Peer("ncnn", "ncnn", ("ncnn==1.0.20261020",), COARSE),
)
PYTORCH_WAYS = tuple(
    Peer(f"pytorch:{way}", f"PyTorch {way}", (TORCH,)) for way in ("eager", "channels_last", "compiled")
)
ORT_GPU = "onnxruntime-gpu==1.31.1"  # for CUDA 13; its provider is linked with TensorRT 10
# PyPI has no wheel of it, only an archive that fetches one elsewhere. So it is not pinned and never installed here:
# who wants this peer installs it.
TENSORRT = "tensorrt-cu13-libs==10.16.1.11"
GPU_PEERS = (
    *PYTORCH_WAYS,
    Peer("pytorch:amp", "PyTorch AMP", (TORCH,), precisions=("fp16",)),
    Peer("onnxruntime:cuda", "ONNX Runtime CUDA", (TORCH, ORT_GPU)),
    Peer("onnxruntime:tensorrt", "ONNX Runtime TensorRT", (TORCH, ORT_GPU, TENSORRT)),
)


def chosen(keys: str | None, device: str) -> list[Peer]:
    """The peers of a list such as "mnn,pytorch:eager"; an engine alone means all of its ways, on the CPU
    for the usual one. All when there is no list. Raises ValueError with a sentence."""
    usual = PEERS if device == "cpu" else GPU_PEERS
    if keys is None:
        return list(usual)
    known = PEERS + PYTORCH_WAYS if device == "cpu" else GPU_PEERS
    found: list[Peer] = []
    for key in keys.split(","):
        named = [p for p in known if p.key == key] or [p for p in known if p.engine == key]
        if not named:
            raise ValueError(f"no peer is called {key} on {device}; there are {', '.join(p.key for p in known)}")
        found += named
    return found


def head_peers(peers: list[Peer]) -> list[Peer]:
    """Those that train a head: once for each engine among `peers`."""
    engines = {peer.engine for peer in peers}
    return [peer for peer in (PYTORCH, KERAS) if peer.engine in engines]


NAMES_OF_ISAS = {
    "avx512": "graft/AVX-512", "avx2": "graft/AVX2", "portable": "graft/portable", "auto": "graft/CPU",
}


@dataclass(frozen=True)
class Setup:
    """What every work of a run needs."""

    python: Path  # of the peers' environment
    worker: Path
    machine: dict[str, object]  # what the figures are measured on
    isas: list[str]
    peers: list[Peer]
    threads: int
    rounds: int
    scratch: Path
    device: str = "cpu"  # or "cuda:N"
    precision: str = "fp32"
    # Of the processor, by graft's columns: the best of this run so far.
    peaks: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def peak(self) -> float | None:
        """Of multiply-adds."""
        return max((found["multiply_add"] for found in self.peaks.values()), default=None)

    def grafts(self) -> dict[str, list[str]]:
        """graft's columns, each with what its worker is started with."""
        if self.on_gpu:
            return {f"graft/{self.precision}": [self.device, self.precision]}
        return {NAMES_OF_ISAS[isa]: ["cpu", isa] for isa in self.isas}

    def limit(self, peer: Peer) -> float:
        return LIMITS[self.precision] if self.on_gpu else peer.limit
