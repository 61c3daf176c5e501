"""What an engine is asked to do, as `bench/peers.py` writes it into a worker's first request."""

from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class FeaturesWork:
    """The features of one batch of pictures."""

    side: int
    batch: int
    pictures: str  # file of batch × side × side × 3 bytes, RGB
    weights: str  # safetensors file
    threads: int
    scratch: str  # folder of this worker alone
    device: str = "cpu"  # or "cuda:N"
    precision: str = "fp32"  # of the convolutions: fp32, tf32, fp16
    variant: str = ""  # of an engine that is run in several ways
    # What a peer's clock begins with: "floats", rescaled and in its own layout, or "bytes", the pictures
    # as graft gets them.
    source: str = "floats"

    def request(self) -> dict[str, object]:
        return {"command": "prepare", "work": {"kind": "features", **asdict(self)}}

    def folder(self) -> Path:
        return Path(self.scratch)


@dataclass(frozen=True)
class HeadWork:
    """Training steps of Dense(units, relu) → Dropout → Dense(1, sigmoid), over rows in their order."""

    inputs: int
    units: int
    batch: int
    rows: int
    dropout: float
    learning_rate: float
    data: str  # file of float32: features, labels, then kernel and bias of each Dense
    threads: int
    scratch: str
    device: str = "cpu"

    def request(self) -> dict[str, object]:
        return {"command": "prepare", "work": {"kind": "head", **asdict(self)}}
