"""configs/graft.schema.json and `graft config check` agree: config_schema_test.py GRAFT CONFIGS

Each example, each default and a list of right configs are accepted by both, and a list of wrong ones is refused by
both. What the schema cannot say is accepted by it and refused by the program.
"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import jsonschema

GRAFT, CONFIGS = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
SCHEMA = json.loads((CONFIGS / "graft.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

RIGHT = """
    {"data": {"train": "photos"}}
    {"$schema": "graft.schema.json", "data": {"train": "photos"}}
    {"$schema": "", "data": {"train": "${HOME}/photos", "validation": "~/more"}, "output": "$${x}"}
    {"data": {"train": "p", "validation": "", "validation_split": 0.25}, "cache": "", "device": "cuda:10"}
    {"data": {"train": "p"}, "device": "cuda:local"}
    {"data": {"train": "p"}, "device": "cuda:255", "threads": 1024, "seed": 9007199254740992}
    {"data": {"train": "p", "image_size": [32, 4096.0], "views": ["rotate180", "original"]}}
    {"data": {"train": "p"}, "train": {"batch_size": 16.0, "epochs": 1.6e1}}
    {"data": {"train": "p"}, "backbone": {"batch_size": "auto", "precision": "fp16", "algorithm": "direct"}}
    {"data": {"train": "p"}, "pipeline": {"depth": 0}, "backbone": {"batch_size": 1024, "precision": "auto"}}
    {"data": {"train": "p"}, "pipeline": {"depth": "auto", "decode_memory_mib": 16}}
    {"data": {"train": "p"}, "features": {"layers": ["block5", "block1"], "pooling": "max", "normalize": "none"}}
    {"data": {"train": "p"}, "head": {"hidden": [], "dropout": 0}}
    {"data": {"train": "p"}, "head": {"hidden": [65536, 1, 1, 1, 1, 1, 1, 1], "dropout": 0.999}}
    {"data": {"train": "p"}, "train": {"class_weights": {"a b": 1e6, "": 0.1}, "optimizer": {"rho": 0}}}
    {"data": {"train": "p"}, "train": {"class_weights": "balanced", "optimizer": {"learning_rate": 10}}}
"""
# Keys next to data.train.
WRONG = """
    "trian": {}
    "epochs": 3
    "data.image_size": [64, 64]
    "device": "gpu"
    "device": "cuda:"
    "device": "cuda:01"
    "device": "cuda:1000"
    "device": "cuda:localhost"
    "device": "cuda:1 "
    "device": 1
    "device": null
    "seed": -1
    "seed": 1.5
    "seed": "1"
    "seed": 9007199254740994
    "output": ""
    "output": ["runs"]
    "threads": 1025
    "threads": true
    "cache": null
    "$schema": 5
    "backbone": []
    "backbone": {"name": "vgg19"}
    "backbone": {"weights": ""}
    "backbone": {"batch_size": 0}
    "backbone": {"batch_size": "Auto"}
    "backbone": {"precision": "fp8"}
    "backbone": {"autotune": "auto"}
    "backbone": {"$schema": "x"}
    "pipeline": {"depth": 17}
    "pipeline": {"decode_memory_mib": 15}
    "pipeline": {"depht": 2}
    "features": {"layers": []}
    "features": {"layers": "block5"}
    "features": {"layers": ["block6"]}
    "features": {"layers": ["block5", "block5"], "pooling": "max"}
    "features": {"pooling": "global"}
    "features": {"memory_budget_mib": -1}
    "head": {"hidden": 256}
    "head": {"hidden": [0]}
    "head": {"hidden": [1, 1, 1, 1, 1, 1, 1, 1, 1]}
    "head": {"hidden": [[256]]}
    "head": {"dropout": 1}
    "train": {"epochs": 0}
    "train": {"epochs": "20"}
    "train": {"batch_size": 65537}
    "train": {"optimizer": "adam"}
    "train": {"optimizer": {"type": "adam"}}
    "train": {"optimizer": {"learning_rate": 0}}
    "train": {"optimizer": {"learning_rate": 10.1}}
    "train": {"optimizer": {"schedule": "cosine"}}
    "train": {"optimizer": {"rho": 1}}
    "train": {"optimizer": {"epsilon": 0, "rho": 0.5}}
    "train": {"optimizer": {"momentum": 0.9}}
    "train": {"class_weights": {}}
    "train": {"class_weights": {"a": 0}}
    "train": {"class_weights": {"a": "1"}}
    "train": {"class_weights": "auto"}
"""
WRONG_DATA = """
    {}
    {"data": {}}
    {"data": "photos"}
    {"data": {"train": ""}}
    {"data": {"train": 5}}
    {"data": {"train": "p", "validation_split": 1}}
    {"data": {"train": "p", "validation_split": "0.2"}}
    {"data": {"train": "p", "image_size": 150}}
    {"data": {"train": "p", "image_size": [150]}}
    {"data": {"train": "p", "image_size": [31, 150]}}
    {"data": {"train": "p", "image_size": [150.5, 150]}}
    {"data": {"train": "p", "resize": "spline"}}
    {"data": {"train": "p", "views": []}}
    {"data": {"train": "p", "views": ["mirror"]}}
    {"data": {"train": "p", "views": ["original", "original"]}}
    {"data": {"train": "p", "fast_decode": 1}}
    {"data": {"train": "p", "optimizer": {}}}
    []
    "data"
"""
# Rules between keys, and what only a parser or the environment knows.
BEYOND = """
    {"data": {"train": "p", "validation": "v", "validation_split": 0.2}}
    {"data": {"train": "p"}, "features": {"layers": ["block4", "block5"]}}
    {"data": {"train": "p"}, "seed": 1, "seed": 2}
    {"data": {"train": "${NO_SUCH_VARIABLE}/p"}}
    {"data": {"train": "p"}, "device": "cuda:256"}
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def without_comments(text: str) -> str:
    """The text as an editor's "JSON with Comments" reads it. Strings are kept."""
    return re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda match: match[1] or " ", text, flags=re.DOTALL)


def is_valid(text: str) -> bool:
    return VALIDATOR.is_valid(json.loads(without_comments(text)))


class ConfigSchema(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def check(self, text: str) -> subprocess.CompletedProcess:
        (self.folder / "config.json").write_text(text)
        command = [GRAFT, "config", "check", "config.json"]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True)

    def assert_judged(self, text: str, by_schema: bool, by_program: bool):
        with self.subTest(text):
            self.assertEqual(is_valid(text), by_schema, "the schema")
            self.assertEqual(self.check(text).returncode, 0 if by_program else 2, "graft config check")

    def test_the_schema_is_one(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        self.assertEqual(SCHEMA["$schema"], jsonschema.Draft202012Validator.META_SCHEMA["$id"])

    def test_every_example_is_right_and_names_the_schema(self):
        examples = [path for path in CONFIGS.glob("*.json") if path.name != "graft.schema.json"]
        self.assertEqual(len(examples), 3)
        for path in examples:
            self.assert_judged(path.read_text(), True, True)
            config = json.loads(without_comments(path.read_text()))
            self.assertEqual(next(iter(config.items())), ("$schema", "graft.schema.json"))

    def test_right_configs_are_accepted_by_both(self):
        for text in lines(RIGHT):
            self.assert_judged(text, True, True)

    def test_wrong_configs_are_refused_by_both(self):
        wrong = ['{"data": {"train": "p"}, ' + line + "}" for line in lines(WRONG)] + lines(WRONG_DATA)
        self.assertGreaterEqual(len(wrong), 40)
        for text in wrong:
            self.assert_judged(text, False, False)

    def test_what_the_schema_cannot_say_is_refused_by_the_program(self):
        for text in lines(BEYOND):
            self.assert_judged(text, True, False)

    def test_a_config_with_every_key_is_right(self):
        written = self.check('{"$schema": "x", "data": {"train": "p"}}').stdout
        self.assertNotIn("$schema", written)
        self.assert_judged(written, True, True)

    def test_every_default_is_valid(self):
        def defaults(schema: dict) -> dict:
            values = {}
            for name, inner in schema["properties"].items():
                if "properties" in inner:
                    values[name] = defaults(inner)
                elif "default" in inner:
                    values[name] = inner["default"]
            return values

        config = defaults(SCHEMA)
        self.assertNotIn("train", config["data"])
        config["data"]["train"] = "p"
        self.assert_judged(json.dumps(config), True, True)
        self.assertEqual(json.loads(self.check(json.dumps(config)).stdout)["train"], config["train"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
