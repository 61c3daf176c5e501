"""The comparison on a GPU, without one: what is asked of whom, and what is refused."""

import argparse
import contextlib
import io
import json
import os
import sys
import unittest
from pathlib import Path
from unittest import mock

import comparison_test
import results
import support
from peers import comparison, environment, program, report
from peers.comparison import Participant
from peers.engines import GPU_PEERS, LIMITS, Setup
from peers.report import Engine, Work
from peers.work import FeaturesWork, Values, difference, read_npy


def on(machine: dict[str, object]) -> Setup:
    return Setup(Path(), Path(), machine, [], [], 2, 3, Path())


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
        self.assertIn("not computed: tf32: tf32 needs sm_80.", report.machine_text(on(environment.machine() | here)))


class Installed(support.InFolder):
    def test_what_is_not_installed_is_named_with_the_package_that_has_it(self) -> None:
        with mock.patch.object(environment, "missing_modules", return_value={"tensorrt_libs"}) as asked:
            found = program.without_packages(Path("venv/bin/python"), list(GPU_PEERS))
        self.assertEqual(asked.call_args.args[1], {"torch", "onnxruntime", "tensorrt_libs"})
        self.assertEqual(list(found), ["ONNX Runtime TensorRT"])
        self.assertRegex(found["ONNX Runtime TensorRT"], r"^venv/bin/python -m pip install tensorrt-cu13-libs==[\d.]+$")

    def test_missing_modules_are_those_that_the_interpreter_does_not_find(self) -> None:
        found = environment.missing_modules(Path(sys.executable), {"json", "no_such_module"})
        self.assertEqual(found, {"no_such_module"})

    def installed(self, codes: list[int]) -> list[str]:
        """What is skipped when pip ends with these codes, package by package."""
        done = [mock.Mock(returncode=code) for code in codes]
        error = io.StringIO()
        with mock.patch("subprocess.run", side_effect=done), contextlib.redirect_stderr(error):
            with (self.folder / "log").open("w") as log:
                environment.install(self.folder, environment.CUDA, log)
        return [line.split()[1] for line in error.getvalue().splitlines()]

    def test_a_package_that_cannot_be_installed_keeps_none_of_the_others_away(self) -> None:
        packages = environment.CUDA.packages
        self.assertEqual(self.installed([0] * (len(packages) - 1) + [1]), [packages[-1]])
        with self.assertRaisesRegex(environment.SetupError, "failed"):
            self.installed([1] * len(packages))

    def test_nobody_takes_tf32_where_fp32_is_asked_for(self) -> None:
        with mock.patch.dict(os.environ, {"CUDA_VISIBLE_DEVICES": "3"}):
            exact = environment.worker_environment("cuda:0", "fp32")
            self.assertEqual((exact["NVIDIA_TF32_OVERRIDE"], exact["CUDA_VISIBLE_DEVICES"]), ("0", "3"))
            self.assertNotIn("NVIDIA_TF32_OVERRIDE", environment.worker_environment("cuda:0", "tf32"))
            self.assertEqual(environment.worker_environment()["CUDA_VISIBLE_DEVICES"], "")


class Comparison(comparison_test.WithoutWorkers):
    def on_gpu(self, precision: str, **values: list[float]) -> Work:
        everyone = [
            Participant(Engine(name, limit=LIMITS[precision]), comparison_test.Fake(name, self.diary, found))
            for name, found in values.items()
        ]
        setup = Setup(Path(), Path(), {}, [], [], 1, 3, self.folder, "cuda:0", precision)
        comparison_test.write_npy(str(self.folder / "expected.npy"), [1.0, 4.0])
        expected = read_npy(self.folder / "expected.npy")
        with mock.patch.object(comparison, "start_all", return_value=everyone):
            with mock.patch.object(comparison, "features_on_the_cpu", return_value=expected):
                work = Work("", "images", 8, 1, None, "")
                return comparison.run(setup, work, FeaturesWork(32, 8, "", "", 1, ""), [])

    def test_graft_is_compared_with_itself_on_the_cpu(self) -> None:
        self.on_gpu("fp32", **{"graft/fp32": [1.0, 4.0001]})
        with self.assertRaisesRegex(comparison.Disagreement, "graft/fp32's features differ"):
            self.on_gpu("fp32", **{"graft/fp32": [1.0, 4.001]})

    def test_what_is_due_is_grafts_fp32_on_the_cpu(self) -> None:
        weights, pictures = self.folder / "weights.safetensors", self.folder / "pictures"
        support.write_safetensors(weights, support.known_tensors())
        pictures.write_bytes(support.known_pictures())
        worker = Path(os.environ["GRAFT_BENCH_WORKER"])
        setup = Setup(Path(), worker, {}, [], [], 1, 3, self.folder, "cuda:0", "fp16")
        asked = FeaturesWork(support.SIDE, 2, str(pictures), str(weights), 1, "", "cuda:0", "fp16", source="bytes")
        expected = Values((2, 2, 2, 512), support.known_features())
        self.assertLess(difference(comparison.features_on_the_cpu(setup, asked), expected), 1e-6)

    def test_the_limit_is_the_precisions(self) -> None:
        for precision, off, agrees in (("fp32", 5e-4, False), ("tf32", 5e-4, True), ("fp16", 5e-3, True)):
            name = f"graft/{precision}"
            work = self.on_gpu(precision, **{name: [1.0, 4.0], "PyTorch AMP": [1.0, 4.0 + off]})
            self.assertEqual("PyTorch AMP" not in work.skipped, agrees, precision)

    def test_fp32_is_too_narrow_for_the_error_of_tf32(self) -> None:
        self.assertLess(LIMITS["fp32"], 1.2e-4)  # of the real network, see bench/peers/engines.py

    def test_a_round_lasts_as_long_as_graft_fills_the_time_and_no_peak_is_asked_for(self) -> None:
        work = self.on_gpu("fp16", **{"graft/fp16": [1.0, 4.0]})
        # The first answer is a second for one batch: one is enough for half a second.
        self.assertEqual(work.amount, 8)
        self.assertNotIn("graft/fp16 peak", self.diary)

    def test_short_work_is_repeated_until_its_time_can_be_told(self) -> None:
        graft = mock.Mock()
        graft.worker.ask.side_effect = lambda request: {"seconds": 0.01 * request["times"]}
        self.assertEqual(comparison.times_of_a_round(graft), 50)

    def test_grafts_worker_gets_the_device_and_the_precision(self) -> None:
        setup = Setup(Path(), Path(), {}, ["avx2"], [], 1, 3, self.folder, "cuda:1", "tf32")
        self.assertEqual(setup.grafts(), {"graft/tf32": ["cuda:1", "tf32"]})
        cpu = Setup(Path(), Path(), {}, ["avx2"], [], 1, 3, self.folder)
        self.assertEqual(cpu.grafts(), {"graft/AVX2": ["cpu", "avx2"]})

    def test_each_column_names_its_device_and_precision(self) -> None:
        work = self.on_gpu("fp16", **{"graft/fp16": [1.0, 4.0]})
        work.engines[0].device, work.engines[0].precision = "cuda:0", "fp16"
        here = environment.machine() | {"gpu": "a GPU", "driver": "1.2.3", "not_installed": {"X": "install it"}}
        setup = Setup(Path(), Path(), here, [], [], 1, 3, self.folder, "cuda:0")
        found = results.checked(report.as_result(setup, environment.build(Path()), [work], complete=True))
        self.assertEqual((found["device"]["name"], found["device"]["driver"]), ("a GPU", "1.2.3"))
        axes = found["measurements"][0]["axes"]
        self.assertEqual((axes["device"], axes["precision"]), ("cuda:0", "fp16"))


class Report(support.InFolder):
    def test_names_the_gpu_its_driver_and_what_is_not_installed(self) -> None:
        here = environment.machine() | {"gpu": "a GPU", "driver": "1.2.3", "not_installed": {"X": "pip install x"}}
        self.assertEqual(
            report.machine_text(on(here)).splitlines()[1:], ["a GPU, driver 1.2.3", "not installed: X: pip install x"]
        )

    def test_the_driver_is_the_kernels_word_or_unknown(self) -> None:
        said = self.folder / "version"
        self.assertEqual(environment.driver_version(said), "unknown")
        said.write_text("580.65.06\n")
        self.assertEqual(environment.driver_version(said), "580.65.06")

    def test_who_was_skipped_is_below_the_table(self) -> None:
        work = Work("features", "images", 1, 1, None, "", [Engine("graft/fp16", "1", "", [1.0])])
        work.skipped = {"PyTorch AMP": "its features differ"}
        self.assertIn("  skipped: PyTorch AMP: its features differ", report.work_text(work, None).splitlines())


if __name__ == "__main__":
    unittest.main()
