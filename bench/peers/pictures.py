"""Pictures for engines: the bytes of a batch as the float32 input of the recipe, × 1/255, in each layout; and made
photos for a machine that has none.

    python -m peers.pictures FOLDER

writes 2,000 photos to train and 800 to validate, in two classes that a network can tell apart: smooth coloured
fields, as JPEGs of the usual sizes. They decode and compress about as real ones do, and time depends on no more.
"""

import sys
from pathlib import Path

import numpy
from PIL import Image

COUNTS = {"train": 1000, "validation": 400}
CLASSES = {"first": (0.9, 1.0, 1.1), "second": (1.1, 1.0, 0.9)}


def rescaled(pictures: numpy.ndarray) -> numpy.ndarray:
    return pictures.astype(numpy.float32) * numpy.float32(1 / 255)


def channels_first(pictures: numpy.ndarray) -> numpy.ndarray:
    return numpy.ascontiguousarray(rescaled(pictures).transpose(0, 3, 1, 2))


def channels_last(features: numpy.ndarray) -> numpy.ndarray:
    """Features as graft writes them: (picture, y, x, channel)."""
    return numpy.ascontiguousarray(numpy.asarray(features).transpose(0, 2, 3, 1))


def write_photo(path: Path, generator: numpy.random.Generator, tint: tuple[float, float, float]) -> None:
    """A coarse random field made large, with a little grain."""
    width, height = int(generator.integers(200, 501)), int(generator.integers(200, 376))
    coarse = generator.integers(0, 256, (9, 12, 3)).astype(numpy.uint8)
    smooth = numpy.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), "f4")
    grain = generator.normal(0, 6, (height, width, 1))
    values = numpy.clip(smooth * numpy.array(tint) + grain, 0, 255).astype(numpy.uint8)
    Image.fromarray(values).save(path, quality=90)


def write_photos(folder: Path) -> None:
    generator = numpy.random.default_rng(1)
    for part, count in COUNTS.items():
        for name, tint in CLASSES.items():
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                write_photo(place / f"{number:04}.jpg", generator, tint)
    (folder / "complete").touch()


if __name__ == "__main__":
    write_photos(Path(sys.argv[1]))
