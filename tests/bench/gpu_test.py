"""peers.py --device cuda without a GPU: what it refuses, and how."""

import argparse
import contextlib
import io
import json
import os
import sys
import unittest
from pathlib import Path
from unittest import mock

import support
from peers import environment, program, report
from peers.engines import Setup


class NoGpu(support.InFolder):
    def setUp(self) -> None:
        super().setUp()
        (self.folder / "vgg16_imagenet.safetensors").touch()

    def ended(self, worker: str) -> tuple[int, str]:
        """peers.py --device cuda with this shell script in place of graft's worker."""
        script = self.folder / program.WORKER
        script.write_text(f"#!/bin/sh\n{worker}\n")
        script.chmod(0o755)
        error = io.StringIO()
        with contextlib.ExitStack() as stack:
            given = ["peers.py", "--device", "cuda", "--build", str(self.folder)]
            stack.enter_context(mock.patch.object(sys, "argv", given))
            stack.enter_context(mock.patch.object(environment, "cache_folder", return_value=self.folder))
            self.ensure = stack.enter_context(mock.patch.object(environment, "ensure"))
            stack.enter_context(contextlib.redirect_stderr(error))
            return program.main(), error.getvalue()

    def test_is_one_sentence_and_exit_code_5_before_anything_is_installed(self) -> None:
        answer = json.dumps({"ok": False, "error": "there is no GPU."})
        self.assertEqual(self.ended(f"echo '{answer}'"), (5, "peers.py: there is no GPU.\n"))
        self.ensure.assert_not_called()

    def test_a_worker_that_dies_is_one_sentence_too(self) -> None:
        code, error = self.ended("echo a library is missing >&2; exit 127")
        self.assertEqual((code, error), (5, "peers.py: graft-bench-worker ended with code 127: a library is missing\n"))

    def test_grafts_own_worker_refuses_where_there_is_none(self) -> None:
        worker = os.environ["GRAFT_BENCH_WORKER"]
        with mock.patch.dict(os.environ, {"CUDA_VISIBLE_DEVICES": ""}):
            with self.assertRaisesRegex(program.NoGpu, '"cuda:0" cannot be used'):
                program.find_gpu(Path(worker), "cuda:0", "fp32")

    def test_a_precision_that_the_gpu_lacks_is_named_and_the_others_are_compared(self) -> None:
        def answer(_: Path, device: str, precision: str) -> str:
            if precision == "tf32":
                raise program.NoGpu("tf32 needs sm_80.")
            return "a GPU of sm_75"

        here: dict[str, object] = {}
        options = argparse.Namespace(device="cuda:0", precision=["fp32", "tf32", "fp16"])
        with mock.patch.object(program, "find_gpu", answer):
            self.assertEqual(program.usable_precisions(Path(), options, here), ["fp32", "fp16"])
        self.assertEqual(here["not_computed"], {"tf32": "tf32 needs sm_80."})
        setup = Setup(Path(), Path(), environment.machine() | here, [], [], 2, 3, Path())
        self.assertIn("not computed: tf32: tf32 needs sm_80.", report.machine_text(setup))


if __name__ == "__main__":
    unittest.main()
