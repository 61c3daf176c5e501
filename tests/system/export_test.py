"""Exported classifiers in ONNX Runtime, OpenVINO, Keras and NumPy, against `graft predict`, and the examples of
docs/models.md.

    python3 packages.py export_test.py GRAFT REFERENCE_DIR [Export.test_NAME]
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import keras
import numpy
import onnx
import onnxruntime
import openvino
from PIL import Image, ImageOps
from safetensors.numpy import load_file

GRAFT, REFERENCE = (Path(word).resolve() for word in sys.argv[1:3])
PHOTOS = REFERENCE / "data/cats_and_dogs"
CACHE = Path(os.environ.get("GRAFT_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graft")
WEIGHTS = CACHE / "vgg16_imagenet.safetensors"
PAGE = Path(__file__).resolve().parents[2] / "docs/models.md"
PREDICT_JSON = ["--json"]
TOLERANCE, HALF_TOLERANCE = 1e-4, 5e-3


def graft(*words: object, folder: Path | None = None) -> str:
    done = subprocess.run([GRAFT, *map(str, words)], cwd=folder, text=True, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"graft {words}: {done.stderr}")
    return done.stdout


def predicted(run: Path, photos: list[Path]) -> numpy.ndarray:
    lines = graft("predict", run, *PREDICT_JSON, "-q", *photos).splitlines()
    return numpy.array([list(json.loads(line)["probabilities"].values()) for line in lines])


def exported(run: Path, name: str, *options: str) -> Path:
    graft("export", run, "-o", run / name, *options)
    if not name.endswith(".h5"):
        onnx.checker.check_model(run / name, full_check=True)
    return run / name


def pictures(photos: list[Path], size: list[int], resize: str) -> numpy.ndarray:
    filters = {"nearest": Image.Resampling.NEAREST, "lanczos": Image.Resampling.LANCZOS}
    chosen = filters.get(resize, Image.Resampling.BILINEAR)
    return numpy.stack([numpy.asarray(Image.open(photo).convert("RGB").resize(size[::-1], chosen)) for photo in photos])


def answers(model: Path, inputs: numpy.ndarray, batch: int = 64) -> dict[str, numpy.ndarray]:
    """The probabilities from each engine."""
    session = onnxruntime.InferenceSession(model)
    name = session.get_inputs()[0].name
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    engines = {
        "ONNX Runtime": lambda rows: session.run(["probabilities"], {name: rows})[0],
        "OpenVINO": lambda rows: compiled({name: rows})["probabilities"],
    }
    pieces = [inputs[i : i + batch] for i in range(0, len(inputs), batch)]
    return {engine: numpy.concatenate([run(piece) for piece in pieces]) for engine, run in engines.items()}


def write_photos(folder: Path, counts: dict[str, int], classes: int) -> list[Path]:
    """Reference photos of each class, as many as `counts` says for train and validation; the last are returned. The
    third class is dogs with inverted colours."""
    for part, count in counts.items():
        written = []
        for number, name in enumerate(("cats", "dogs", "inverted")[:classes]):
            (folder / part / name).mkdir(parents=True)
            found = sorted((PHOTOS / part / ("cats", "dogs", "dogs")[number]).glob("*.jpg"))
            for photo in found[:count] if number < 2 else found[-count:]:
                written.append(folder / part / name / f"{photo.stem}.png")
                picture = Image.open(photo).convert("RGB")
                (ImageOps.invert(picture) if number == 2 else picture).save(written[-1], compress_level=1)
    return written


def trained(folder: Path, name: str, **settings: object) -> Path:
    values = {key.replace("__", "."): value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    words = [f"--set={key}={value}" for key, value in values.items()]
    graft("run", folder, "--output", folder.parent / name, "--device", "cpu", "-q", *words)
    return folder.parent / name


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.photos_of_two = write_photos(cls.folder / "two", {"train": 50, "validation": 100}, classes=2)
        cls.photos_of_three = write_photos(cls.folder / "three", {"train": 30, "validation": 67}, classes=3)
        cls.run_of_two = trained(cls.folder / "two", "run_of_two")
        cls.run_of_three = trained(cls.folder / "three", "run_of_three", data__image_size=[64, 64], train__epochs=5, head__hidden=[32])

    def expect_near(self, what: str, found: numpy.ndarray, expected: numpy.ndarray, tolerance: float) -> None:
        """Within the tolerance, and of the same class unless the two best are that near."""
        difference = numpy.abs(found - expected).max()
        print(f"{what}: {len(expected)} rows, differ by at most {difference:.1e}")
        self.assertEqual(found.shape, expected.shape)
        self.assertLessEqual(difference, tolerance, what)
        best = numpy.sort(expected, axis=1)[:, -2:]
        is_tie = best[:, 1] - best[:, 0] <= (2 * tolerance if tolerance == HALF_TOLERANCE else 0)
        is_same = found.argmax(axis=1) == expected.argmax(axis=1)
        self.assertTrue((is_same | is_tie).all(), what)

    def test_200_photos(self) -> None:
        expected = predicted(self.run_of_two, self.photos_of_two)
        self.assertEqual(expected.shape, (200, 2))
        self.assertGreater(expected.max(axis=0).min(), 0.9, "the classes are not told apart")
        images = pictures(self.photos_of_two, [150, 150], "bilinear")
        for name, tolerance in (("model.onnx", TOLERANCE), ("half.onnx", HALF_TOLERANCE)):
            model = exported(self.run_of_two, name, *(["--half"] if name == "half.onnx" else []))
            for engine, found in answers(model, images).items():
                self.expect_near(f"{name} in {engine}", found, expected, tolerance)

    def test_half_kernels_are_numpys(self) -> None:
        full = exported(self.run_of_three, "full.onnx")
        half = exported(self.run_of_three, "half.onnx", "--half")
        floats = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(full).graph.initializer}
        halves = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(half).graph.initializer}
        self.assertEqual({name.removesuffix("_fp16") for name in halves}, set(floats))
        self.assertEqual(sum(name.endswith("_fp16") for name in halves), 15)
        for name, values in halves.items():
            numpy.testing.assert_array_equal(values, floats[name.removesuffix("_fp16")].astype(values.dtype))
        self.assertLess(half.stat().st_size, 0.51 * full.stat().st_size)

    def test_variants(self) -> None:
        flips = ["original", "horizontal", "vertical", "rotate180"]
        variants = [
            {"data__preprocess": "rescale", "data__views": flips, "head__hidden": [16, 8]},
            {"data__preprocess": "torch", "features__pooling": "average_max", "features__layers": ["block3", "block5"], "head__hidden": []},
            {"data__preprocess": "caffe", "features__pooling": "max", "features__layers": ["block2", "block4"], "data__views": flips[::2], "data__resize": "lanczos"},
            {"features__pooling": "average", "features__normalize": "standard", "data__views": flips[1:2], "data__resize": "nearest"},
            {"data__preprocess": "rescale", "features__layers": ["block4"], "train__optimizer__learning_rate": 1e-4},
        ]
        size = [70, 50]
        for classes in (2, 3):
            folder = self.folder / f"{classes} classes"
            photos = write_photos(folder, {"train": 5, "validation": 4}, classes)
            for settings in variants:
                run = trained(folder, "variant", data__image_size=size, train__epochs=3, **settings)
                expected = predicted(run, photos)
                self.assertGreater(numpy.ptp(expected, axis=0).min(), 0.01, "the photos are not told apart")
                self.assertLess(expected.max(axis=1).min(), 0.999, "no photo tells rounding from a fault")
                images = pictures(photos, size, settings.get("data__resize", "bilinear"))
                rows = numpy.load(run / "features/validation.npy")
                for name, inputs, batch in (("model.onnx", images, 7), ("head.onnx", rows, len(rows))):
                    model = exported(run, name, *(["--head-only"] if name == "head.onnx" else []))
                    for engine, found in answers(model, inputs, batch).items():
                        self.expect_near(f"{name} of {settings} in {engine}", found, expected, TOLERANCE)
                shutil.rmtree(run)

    def test_properties(self) -> None:
        about = onnxruntime.InferenceSession(exported(self.run_of_three, "model.onnx")).get_modelmeta()
        properties = about.custom_metadata_map
        self.assertEqual(json.loads(properties["classes"]), ["cats", "dogs", "inverted"])
        self.assertEqual(properties["image_size"], "64x64")
        self.assertEqual((properties["resize"], properties["preprocess"]), ("bilinear", "caffe"))
        self.assertEqual(f"graft {properties['graft']}", graft("--version").splitlines()[0])
        self.assertEqual(about.producer_name, "graft")

    def test_keras_loads_the_head(self) -> None:
        for run, photos, units, outputs in ((self.run_of_two, self.photos_of_two, 256, 1), (self.run_of_three, self.photos_of_three, 32, 3)):
            expected = predicted(run, photos)
            rows = numpy.load(run / "features/validation.npy")
            file = exported(run, "head.h5")
            for by_name in (False, True):
                keras.utils.clear_session()  # names count from the start
                top_model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.5)])
                top_model.add(keras.layers.Dense(outputs, activation="sigmoid" if outputs == 1 else "softmax"))
                top_model.build((None, *rows.shape[1:]))
                with h5py.File(file) as content:
                    self.assertEqual([layer.name for layer in top_model.layers], [name.decode() for name in content.attrs["layer_names"]])
                top_model.load_weights(file, by_name=by_name)
                found = top_model.predict(rows, verbose=0)
                if outputs == 1:
                    found = numpy.concatenate([1 - found, found], axis=1)
                self.expect_near(f"Keras, {outputs} outputs", found, expected, TOLERANCE)

    def test_the_examples_of_the_page(self) -> None:
        folder = self.folder / "examples"
        (folder / "build/release").mkdir(parents=True)
        (folder / "build/release/graft").symlink_to(GRAFT)
        photos = write_photos(folder / "photos", {"train": 30, "validation": 5}, classes=2)
        photo = folder / "photo.jpg"
        shutil.copy(next(PHOTOS.glob("validation/dogs/*.jpg")), photo)
        names: dict[str, object] = {}
        real_vgg16 = keras.applications.VGG16

        def vgg16(weights: str, **options: object) -> keras.Model:
            """That of Keras, with the weights that it would fetch."""
            self.assertEqual(weights, "imagenet")
            base, tensors = real_vgg16(weights=None, **options), load_file(WEIGHTS)
            for layer in base.layers:
                if layer.weights:
                    layer.set_weights([tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/bias"]])
            return base

        keras.applications.VGG16 = vgg16
        before = Path.cwd()
        os.chdir(folder)
        results = []  # of each example, in their order
        try:
            for language, text in re.findall(r"^```(sh|python)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
                if language == "sh":
                    subprocess.run(["sh", "-e", "-c", text], check=True, capture_output=True)
                    continue
                exec(compile(text, PAGE.name, "exec"), names)
                results += [names.pop(name) for name in ("probabilities", "second_class") if name in names]
        finally:
            os.chdir(before)
            keras.applications.VGG16 = real_vgg16
        run = folder / "runs/photos"
        expected = predicted(run, [photo])
        self.assertEqual(len(results), 4)
        for value in results[:2]:  # ONNX Runtime, OpenVINO
            self.expect_near("an example", value, expected, TOLERANCE)
        numpy.testing.assert_allclose(results[2], expected[:, 1:], atol=TOLERANCE)  # Keras
        self.assertEqual(names["classes"], ["cats", "dogs"])
        numpy.testing.assert_allclose(results[3], predicted(run, photos)[:, 1:], atol=TOLERANCE)  # NumPy


if __name__ == "__main__":
    for needed in (PHOTOS, WEIGHTS):
        if not needed.exists():
            print(f"skipped: there is no {needed}")
            sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
