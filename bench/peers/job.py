"""The job as people run it: photos on disk to a trained head, each engine one process from start to end."""

import json
import shutil
import subprocess
import time
from pathlib import Path

from . import environment
from .comparison import PAUSE, Disagreement, say
from .engines import Setup
from .protocol import last_line
from .report import Engine, Work
from .work import mean_difference, read_npy

EPOCHS = 20
# Ten times what the slowest engine takes for thousands of photos.
SECONDS_PER_RUN = 3600.0
# Between both sides' features of the validation photos, row by row: the mean difference as a share of the
# mean size. Not the largest difference: TensorFlow decodes a JPEG some levels apart from libjpeg's default,
# and its "nearest" takes the pixel next to some of those that Pillow's, and graft's, takes. That makes
# 0.10 on real photos and 0.01 on made ones; rows one place apart make 0.99 and 0.33. The work "features"
# compares the networks themselves.
FEATURES_LIMIT = 0.2
# Of the best validation accuracy: both train the recipe on the same features, from other random numbers.
ACCURACY_LIMIT = 0.1

EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff"}


def photos_below(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)


def recipe(photos: Path, weights: Path, output: Path, threads: int) -> list[str]:
    """Arguments of `graft run`: the blog's recipe, as configs/ has it, on these photos."""
    values = {
        "output": output, "device": "cpu", "threads": threads, "data.train": photos / "train",
        "data.validation": photos / "validation", "backbone.weights": weights, "train.epochs": EPOCHS,
    }
    config = Path(__file__).resolve().parents[2] / "configs/keras_blog.json"
    return ["run", str(config), *(part for key, value in values.items() for part in ("--set", f"{key}={value}"))]


def run_program(setup: Setup, engine: Engine, command: list[str], output: Path, history: str) -> float:
    """A round of a program that makes the folder `output`. Returns the best validation accuracy in its `history`."""
    shutil.rmtree(output, ignore_errors=True)
    log = setup.scratch / f"{engine.name}-job.log"
    start = time.perf_counter()
    with log.open("wb") as out:
        try:
            code = subprocess.run(
                command, stdout=out, stderr=subprocess.STDOUT, env=environment.worker_environment(),
                stdin=subprocess.DEVNULL, timeout=SECONDS_PER_RUN,
            ).returncode
        except subprocess.TimeoutExpired:
            late = f"{engine.name} did not end within {SECONDS_PER_RUN:g} s (its log is {log})"
            raise RuntimeError(late) from None
    engine.seconds.append(time.perf_counter() - start)
    if code != 0:
        raise RuntimeError(f"{engine.name} ended with code {code}: {last_line(log)} (its log is {log})")
    return max(json.loads((output / history).read_text())["history"]["val_accuracy"])


def run(setup: Setup, work: Work, graft: Path, photos: Path, weights: Path, rounds: int) -> Work:
    """graft and Keras in turn, each into a fresh folder. graft takes the vector unit that it finds best."""
    for path in photos.rglob("*"):
        if path.is_file():
            path.read_bytes()  # into the system's cache, so that the first engine does not pay for the disk
    mine = Engine("graft", "this tree", "graft run, a fresh output folder, batch 16")
    keras = Engine("Keras", "", "image_dataset_from_directory, predict, fit")
    work.engines = [mine, keras]
    outputs = [setup.scratch / "graft-job", setup.scratch / "keras-job"]
    own = [str(graft), *recipe(photos, weights, outputs[0], setup.threads)]
    command = [str(setup.python), "-m", f"{__package__}.keras_engine", str(photos), str(weights), str(outputs[1])]
    for number in range(rounds):
        say(f"{work.name}: round {number + 1} of {rounds}, graft")
        accuracy = run_program(setup, mine, own, outputs[0], "result/history.json")
        time.sleep(PAUSE)
        say(f"{work.name}: round {number + 1} of {rounds}, Keras; it takes minutes")
        theirs = [*command, str(EPOCHS), str(setup.threads)]
        its_accuracy = run_program(setup, keras, theirs, outputs[1], "history.json")
        keras.version = json.loads((outputs[1] / "history.json").read_text())["version"]
        compare_features(keras, setup.scratch)
        compare(accuracy, its_accuracy)
    return work


def compare_features(keras: Engine, scratch: Path) -> None:
    """Of the validation photos, as both left them on disk: the same rows in the same order."""
    mine = read_npy(scratch / "graft-job/features/validation.npy")
    found = read_npy(scratch / "keras-job/validation.npy")
    keras.difference, keras.limit = mean_difference(found, mine), FEATURES_LIMIT
    if keras.difference > FEATURES_LIMIT:
        raise Disagreement(
            f"Keras' features of the validation photos differ from graft's by {keras.difference:.2f} of their "
            f"mean size; more than {FEATURES_LIMIT} is not the same job"
        )


def compare(accuracy: float, its_accuracy: float) -> None:
    if not abs(accuracy - its_accuracy) <= ACCURACY_LIMIT:
        raise Disagreement(
            f"Keras' best validation accuracy is {its_accuracy:.3f}, graft's {accuracy:.3f}; more than "
            f"{ACCURACY_LIMIT} apart is not the same job"
        )
