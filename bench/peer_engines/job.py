"""The whole job as people run it: photos on disk to a trained head, each engine one process from start to end."""

import json
import shutil
import subprocess
import time
from pathlib import Path

from . import environment
from .comparison import PAUSE, Disagreement, Setup, say
from .results import Engine, Work

EPOCHS = 20
# Of the best validation accuracy: both train the recipe on the same features, from other random numbers.
ACCURACY_LIMIT = 0.1

EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff"}


def photos_below(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)


def recipe(photos: Path, weights: Path, output: Path, threads: int) -> dict[str, object]:
    """The blog's recipe as a config of graft's."""
    return {
        "seed": 1,
        "output": str(output),
        "device": "cpu",
        "threads": threads,
        "data": {
            "train": str(photos / "train"),
            "validation": str(photos / "validation"),
            "image_size": [150, 150],
            "resize": "nearest",
            "preprocess": "rescale",
        },
        "backbone": {"weights": str(weights)},
        "head": {"hidden": [256], "dropout": 0.5},
        "train": {
            "epochs": EPOCHS,
            "batch_size": 16,
            "optimizer": {"type": "rmsprop", "learning_rate": 1e-3},
        },
    }


def timed(name: str, command: list[str], log: Path) -> float:
    start = time.perf_counter()
    with log.open("wb") as out:
        code = subprocess.run(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment.worker_environment()
        ).returncode
    seconds = time.perf_counter() - start
    if code != 0:
        lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"{name} ended with code {code}: {lines[-1]} (its log is {log})")
    return seconds


def run_graft(setup: Setup, graft: Path, photos: Path, weights: Path) -> tuple[float, float]:
    """Seconds, and the best validation accuracy; into a fresh folder."""
    output = setup.scratch / "graft-job"
    shutil.rmtree(output, ignore_errors=True)
    config = setup.scratch / "job.json"
    config.write_text(json.dumps(recipe(photos, weights, output, setup.threads)))
    seconds = timed("graft", [str(graft), "run", str(config)], setup.scratch / "graft-job.log")
    return seconds, best_accuracy(output / "history.json")


def best_accuracy(history: Path) -> float:
    return max(json.loads(history.read_text())["history"]["val_accuracy"])


def run_keras(setup: Setup, photos: Path, weights: Path) -> tuple[float, float, str]:
    """The same, and Keras' version."""
    output = setup.scratch / "keras-job"
    shutil.rmtree(output, ignore_errors=True)
    command = [str(setup.python), "-m", f"{__package__}.keras_job", str(photos), str(weights), str(output)]
    seconds = timed("Keras", [*command, str(EPOCHS)], setup.scratch / "keras-job.log")
    version = json.loads((output / "history.json").read_text())["version"]
    return seconds, best_accuracy(output / "history.json"), version


def run(setup: Setup, work: Work, graft: Path, photos: Path, weights: Path, rounds: int) -> Work:
    """graft and Keras in turn. graft takes the vector unit that it finds best."""
    mine = Engine("graft", "this tree", "graft run, a fresh output folder")
    keras = Engine("Keras", "", "image_dataset_from_directory, predict, fit")
    for number in range(rounds):
        say(f"{work.name}: round {number + 1} of {rounds}, graft")
        seconds, accuracy = run_graft(setup, graft, photos, weights)
        mine.seconds.append(seconds)
        time.sleep(PAUSE)
        say(f"{work.name}: round {number + 1} of {rounds}, Keras; it takes minutes")
        seconds, its_accuracy, version = run_keras(setup, photos, weights)
        keras.seconds.append(seconds)
        keras.version = version
        compare(keras, accuracy, its_accuracy)
    work.engines = [mine, keras]
    return work


def compare(keras: Engine, accuracy: float, its_accuracy: float) -> None:
    keras.difference, keras.limit = abs(accuracy - its_accuracy), ACCURACY_LIMIT
    if keras.difference > ACCURACY_LIMIT:
        raise Disagreement(
            f"Keras' best validation accuracy is {its_accuracy:.3f}, graft's {accuracy:.3f}; more than "
            f"{ACCURACY_LIMIT} apart is not the same job"
        )
