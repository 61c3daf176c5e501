"""What graft is to reach: so many times the best of a group of peers."""

from dataclasses import dataclass

FRAMEWORKS = ("ONNX Runtime", "OpenVINO", "PyTorch", "Keras")
WINOGRAD = ("MNN", "ncnn")


@dataclass(frozen=True)
class Target:
    factor: float
    peers: tuple[str, ...]


TARGETS: dict[str, tuple[Target, ...]] = {
    "features, 150×150, batch 16": (Target(3.5, FRAMEWORKS), Target(1.35, WINOGRAD)),
    "features, 224×224, batch 8": (Target(3.3, FRAMEWORKS), Target(1.35, WINOGRAD)),
    "features, 150×150, batch 1": (Target(2.7, FRAMEWORKS), Target(1.8, WINOGRAD)),
    "training step, 8192→256→1, batch 16": (Target(4.0, ("PyTorch",)), Target(6.0, ("Keras",))),
    "job, photos to a trained head": (Target(5.0, ("Keras",)),),
}
