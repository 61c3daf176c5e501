"""The blog's recipe in Keras 3, as one would write it today: photos → VGG16 → .npy → Dense head.

    python -m peer_engines.keras_job PHOTOS WEIGHTS OUTPUT EPOCHS THREADS
"""

import json
import sys
from pathlib import Path

from .keras_engine import VERSION, keras, network, numpy, tensorflow, use_threads
from .vgg16 import Weights

SIDE, BATCH = 150, 16


def pictures(folder: Path) -> tuple[tensorflow.data.Dataset, numpy.ndarray]:
    """Batches in order, rescaled, decoded in parallel ahead of the network; and the labels."""
    found = keras.utils.image_dataset_from_directory(
        folder, labels="inferred", label_mode="binary", batch_size=BATCH, image_size=(SIDE, SIDE),
        shuffle=False, interpolation="nearest",
    )
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    labels = [float(classes.index(Path(path).parent)) for path in found.file_paths]
    batches = found.map(lambda x, _: tensorflow.cast(x, "float32") / 255.0, num_parallel_calls=tensorflow.data.AUTOTUNE)
    return batches.prefetch(tensorflow.data.AUTOTUNE), numpy.array(labels, "f4")


def bottleneck(model: keras.Model, photos: Path, output: Path, part: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Features of train or validation, through a .npy file as in the recipe."""
    batches, labels = pictures(photos / part)
    numpy.save(output / f"{part}.npy", model.predict(batches, verbose=0))
    return numpy.load(output / f"{part}.npy"), labels


def trained(train: tuple, validation: tuple, epochs: int) -> keras.callbacks.History:
    head = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    head.compile(keras.optimizers.RMSprop(1e-3), "binary_crossentropy", metrics=["accuracy"])
    return head.fit(*train, epochs=epochs, batch_size=BATCH, validation_data=validation, verbose=2)


def main(photos: Path, weights: Path, output: Path, epochs: int, threads: int) -> None:
    use_threads(threads)
    output.mkdir(parents=True)
    keras.utils.set_random_seed(1)
    model = network(Weights(weights), SIDE)
    train, validation = (bottleneck(model, photos, output, part) for part in ("train", "validation"))
    history = trained(train, validation, epochs).history
    (output / "history.json").write_text(json.dumps({"history": history, "version": VERSION}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
