"""Photos for a machine that has none: smooth coloured fields, written as JPEGs of the usual sizes.

    python -m peer_engines.make_photos FOLDER

2,000 to train and 800 to validate, in two classes that a network can tell apart. They decode and compress
about as real ones do, which is all that the time depends on.
"""

import sys
from pathlib import Path

import numpy
from PIL import Image

COUNTS = {"train": 1000, "validation": 400}
CLASSES = {"first": (0.9, 1.0, 1.1), "second": (1.1, 1.0, 0.9)}


def photo(generator: numpy.random.Generator, tint: tuple[float, float, float]) -> Image.Image:
    """A coarse random field made large, with a little grain."""
    width, height = int(generator.integers(200, 501)), int(generator.integers(200, 376))
    coarse = generator.integers(0, 256, (9, 12, 3)).astype(numpy.uint8)
    smooth = numpy.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), "f4")
    grain = generator.normal(0, 6, (height, width, 1))
    return Image.fromarray(numpy.clip(smooth * numpy.array(tint) + grain, 0, 255).astype(numpy.uint8))


def main(folder: Path) -> None:
    generator = numpy.random.default_rng(1)
    for part, count in COUNTS.items():
        for name, tint in CLASSES.items():
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                photo(generator, tint).save(place / f"{number:04}.jpg", quality=90)
    (folder / "complete").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
