"""The same bytes for every engine, as the float32 input that a frozen VGG16 gets from the recipe: × 1/255."""

from pathlib import Path

import numpy


def read(path: Path, batch: int, side: int) -> numpy.ndarray:
    return numpy.fromfile(path, numpy.uint8).reshape(batch, side, side, 3)


def rescaled(pictures: numpy.ndarray) -> numpy.ndarray:
    return pictures.astype(numpy.float32) * numpy.float32(1 / 255)


def channels_first(pictures: numpy.ndarray) -> numpy.ndarray:
    return numpy.ascontiguousarray(rescaled(pictures).transpose(0, 3, 1, 2))


def channels_last(features: numpy.ndarray) -> numpy.ndarray:
    """Features as graft writes them: (picture, y, x, channel)."""
    return numpy.ascontiguousarray(numpy.asarray(features).transpose(0, 2, 3, 1))
