import contextlib
import io
import itertools
import math
import os
import shutil
import sys
import unittest
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import results
import support
from peers import comparison, environment, program
from peers.comparison import Disagreement
from peers.engines import EXACT, LIMITS, Setup
from peers.protocol import WorkerError
from peers.report import Engine, Work
from peers.work import FeaturesWork, HeadWork, Values, difference


def write_npy(path: str, values: list[float]) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(values)},), }}"
    support.write_npy(Path(path), header, array("f", values))


class Fake:
    """Answers as a worker does and writes down what it was asked."""

    def __init__(self, name: str, diary: list[str], values: list[float]) -> None:
        self.name, self._diary, self._values = name, diary, values
        self._rounds = 0

    def quit(self) -> None:
        self._diary.append(f"{self.name} quit")

    def send(self, request: dict) -> None:
        self._request = request

    def receive(self) -> dict:
        return self.ask(self._request)

    def ask(self, request: dict) -> dict:
        command = request["command"]
        if self._values is None:
            raise WorkerError(f"{self.name}: it does not start")
        self._diary.append(f"{self.name} {command}")
        if command == "prepare":
            return {"version": "1", "setting": "none", "epsilon_inside_sqrt": self.name != "PyTorch"}
        if command == "check":
            # graft computes the form that it is asked for, twice as large when it is Keras 2's.
            keras2 = self.name == "graft" and not request.get("epsilon_inside_sqrt", True)
            write_npy(request["output"], [2 * v for v in self._values] if keras2 else self._values)
        if command == "round":
            self._rounds += 1
            return {"seconds": float(self._rounds)}
        return {"multiply_add": float(self._rounds), "memory_read": 1.0}


class WithoutWorkers(support.InFolder):
    """Comparisons of fakes, by a clock that goes two seconds at each look."""

    def setUp(self) -> None:
        super().setUp()
        self.diary: list[str] = []
        clock, busy = (lambda: next(self.clock)), (lambda: next(self.busy))
        self.clock, self.busy = itertools.count(0.0, 2.0), itertools.count(0.0, 1.0)
        for patch in (
            mock.patch.object(comparison, "say"),
            mock.patch.object(comparison, "time", mock.Mock(monotonic=clock)),
            mock.patch.object(comparison.environment, "busy_seconds", busy),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def engines(self, limit: float, values: dict[str, list[float] | None]) -> list[Engine]:
        fakes = {name: Fake(name, self.diary, found) for name, found in values.items()}
        return [Engine(name, limit=limit, worker=fake, folder=self.folder) for name, fake in fakes.items()]


class Comparison(WithoutWorkers):
    features = FeaturesWork(32, 1, "", "", 1, "")
    head = HeadWork(4, 2, 1, 2, 0.5, 1e-3, "", 1, "")

    def compare(self, asked: FeaturesWork | HeadWork, **values: list[float] | None) -> Work:
        """None: an engine that cannot be prepared."""
        engines = self.engines(EXACT, values)
        self.setup = Setup(Path(), Path(), {}, ["avx2"], [], 1, 3, self.folder)
        with mock.patch.object(comparison, "start_all", return_value=engines):
            return comparison.run(self.setup, Work("", "images", 1, 2, None, ""), asked, [])

    def test_rounds_are_interleaved_and_the_first_is_not_kept(self) -> None:
        work = self.compare(self.features, graft=[1.0], MNN=[1.0], ncnn=[1.0])
        rounds = [line for line in self.diary if line.endswith("round")]
        self.assertEqual(rounds, ["graft round", "MNN round", "ncnn round"] * 4)
        self.assertEqual([engine.seconds for engine in work.engines], [[2.0, 3.0, 4.0]] * 3)

    def test_everyone_is_compared_before_anyone_is_timed(self) -> None:
        work = self.compare(self.features, graft=[1.0, 4.0], MNN=[1.0 + 2e-4, 4.0])
        self.assertLess(self.diary.index("MNN check"), self.diary.index("graft round"))
        self.assertAlmostEqual(work.engines[1].difference, 5e-5, delta=1e-6)

    def test_beyond_the_limit_a_peer_is_named_and_not_timed(self) -> None:
        for wrong in ([1.0, 4.001], [1.0, math.nan]):
            self.diary.clear()
            work = self.compare(self.features, graft=[1.0, 4.0], MNN=wrong, ncnn=[1.0, 4.0])
            self.assertRegex(work.skipped["MNN"], "MNN's features differ from graft's by .* limit is 1e-04")
            self.assertNotIn("MNN round", self.diary)
            self.assertIn("MNN quit", self.diary)
            self.assertEqual([engine.name for engine in work.engines], ["graft", "ncnn"])

    def test_a_peer_that_does_not_start_is_named_but_without_graft_there_is_nothing_to_compare(self) -> None:
        work = self.compare(self.features, graft=[1.0], MNN=None, ncnn=[1.0])
        self.assertEqual(work.skipped, {"MNN": "MNN: it does not start"})
        self.assertEqual([len(engine.seconds) for engine in work.engines], [3, 3])
        with self.assertRaisesRegex(WorkerError, "graft: it does not start"):
            self.compare(self.features, graft=None, MNN=[1.0])

    def test_losses_are_compared_in_the_peers_form_of_rmsprop(self) -> None:
        work = self.compare(self.head, graft=[1.0], Keras=[1.0], PyTorch=[2.0])
        self.assertEqual([engine.difference for engine in work.engines], [None, 0.0, 0.0])
        work = self.compare(self.head, graft=[1.0], Keras=[1.0], PyTorch=[1.0])
        self.assertIn("PyTorch's losses", work.skipped["PyTorch"])

    def test_has_the_cores_that_others_used_in_the_pauses_and_the_best_peak(self) -> None:
        work = self.compare(self.features, graft=[1.0], MNN=[1.0])
        self.assertEqual(work.others, 0.5)  # a second of work every two seconds, by the clocks above
        self.assertEqual(self.setup.peaks["graft"]["multiply_add"], 4.0)


class OnGpu(WithoutWorkers):
    def compare(self, precision: str, **values: list[float]) -> Work:
        engines = self.engines(LIMITS[precision], values)
        setup = Setup(Path(), Path(), {}, [], [], 1, 3, self.folder, "cuda:0", precision)
        expected = Values((2,), array("f", [1.0, 4.0]))
        with mock.patch.object(comparison, "start_all", return_value=engines):
            with mock.patch.object(comparison, "features_on_the_cpu", return_value=expected):
                work = Work("", "images", 8, 1, None, "")
                return comparison.run(setup, work, FeaturesWork(32, 8, "", "", 1, ""), [])

    def test_graft_is_compared_with_itself_on_the_cpu(self) -> None:
        self.compare("fp32", **{"graft/fp32": [1.0, 4.0001]})
        with self.assertRaisesRegex(Disagreement, "graft/fp32's features differ"):
            self.compare("fp32", **{"graft/fp32": [1.0, 4.001]})

    def test_what_is_expected_is_grafts_fp32_on_the_cpu(self) -> None:
        worker, paths = Path(os.environ["GRAFT_BENCH_WORKER"]), support.known_files(self.folder)
        setup = Setup(Path(), worker, {}, [], [], 1, 3, self.folder, "cuda:0", "fp16")
        asked = FeaturesWork(support.SIDE, 2, *paths, 1, "", "cuda:0", "fp16", source="bytes")
        expected = Values((2, 2, 2, 512), support.known_features())
        self.assertLess(difference(comparison.features_on_the_cpu(setup, asked), expected), 1e-6)

    def test_the_limit_is_the_precisions(self) -> None:
        for precision, off, agrees in (("fp32", 5e-4, False), ("tf32", 5e-4, True), ("fp16", 5e-3, True)):
            work = self.compare(precision, **{f"graft/{precision}": [1.0, 4.0], "PyTorch AMP": [1.0, 4.0 + off]})
            self.assertEqual("PyTorch AMP" not in work.skipped, agrees, precision)
        self.assertLess(LIMITS["fp32"], 1.2e-4)  # TF32's error with the real network, see bench/peers/engines.py

    def test_a_round_lasts_as_long_as_graft_fills_the_time_and_no_peak_is_asked_for(self) -> None:
        work = self.compare("fp16", **{"graft/fp16": [1.0, 4.0]})
        # The first answer is a second for one batch: one is enough for half a second.
        self.assertEqual((work.amount, work.device, work.precision), (8, "cuda:0", "fp16"))
        self.assertNotIn("graft/fp16 peak", self.diary)

    def test_short_work_is_repeated_until_its_time_can_be_measured(self) -> None:
        graft = mock.Mock()
        graft.worker.ask.side_effect = lambda request: {"seconds": 0.01 * request["times"]}
        self.assertEqual(comparison.times_of_a_round(graft), 50)

    def test_grafts_worker_gets_the_device_and_the_precision(self) -> None:
        cpu = Setup(Path(), Path(), {}, ["avx2"], [], 1, 3, self.folder)
        self.assertEqual(cpu.grafts(), {"graft/AVX2": ["cpu", "avx2"]})
        setup = replace(cpu, device="cuda:1", precision="tf32")
        self.assertEqual(setup.grafts(), {"graft/tf32": ["cuda:1", "tf32"]})


class Program(support.InFolder):
    def main(self, *given: str, **replaced: object) -> tuple[int, str]:
        """The exit code and stderr of peers.py with some functions of its program replaced."""
        error = io.StringIO()
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.object(sys, "argv", ["peers.py", *given]))
            stack.enter_context(contextlib.redirect_stderr(error))
            for name, value in replaced.items():
                stack.enter_context(mock.patch.object(program, name, value))
            return program.main(), error.getvalue()

    def test_a_peer_that_was_skipped_is_named_at_the_end_with_exit_code_1(self) -> None:
        expected = "peers.py: skipped in a work, which gives the reason: MNN\n"
        self.assertEqual(self.main(measure=lambda *_: ["MNN"]), (1, expected))
        self.assertEqual(self.main(measure=lambda *_: []), (0, ""))

    def ended(self, failure: BaseException) -> tuple[int, str, Path]:
        """The exit code, stderr and the scratch folder after a worker has left a log and a model there."""

        def run(_: object, scratch: Path) -> None:
            (scratch / "MNN").mkdir()
            (scratch / "MNN/worker.log").write_text("the last words")
            (scratch / "MNN/model").write_text("large")
            self.scratch = scratch
            raise failure

        code, error = self.main(measure=run)
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        return code, error, self.scratch

    def test_a_failure_is_one_sentence_and_leaves_the_logs_alone(self) -> None:
        code, error, scratch = self.ended(Disagreement("they differ"))
        logs = f"peers.py: the logs of the engines are in {scratch}\n"
        self.assertEqual((code, error), (1, f"peers.py: they differ\n{logs}"))
        self.assertEqual([p.name for p in scratch.rglob("*") if p.is_file()], ["worker.log"])

    def test_ctrl_c_is_130_without_a_word_and_leaves_nothing(self) -> None:
        code, error, scratch = self.ended(KeyboardInterrupt())
        self.assertEqual((code, error, scratch.exists()), (130, "", False))

    def test_a_failing_work_keeps_the_table_and_the_json_of_the_one_before(self) -> None:
        head = Work("training step", "steps", 1, 1, None, "", [Engine("graft/AVX2", "1", "", [1.0])])

        def works(*_: object) -> Iterator[Work]:
            yield head
            raise Disagreement("the job is not the same")

        path, out = self.folder / "new/peers.json", io.StringIO()
        with contextlib.redirect_stdout(out):
            setup = Setup(Path(), Path(), environment.machine(), [], [], 1, 1, Path())
            given = {"need": mock.Mock(), "prepared": lambda *_: setup, "measured": works}
            self.assertEqual(self.main("--json", str(path), **given)[0], 1)
        result = results.read(path)
        self.assertEqual([one["name"] for one in result["measurements"]], ["peers/training step/graft/AVX2"])
        self.assertFalse(result["complete"])
        self.assertIn("training step: ms, 1 round of", out.getvalue())

    def test_what_is_missing_is_found_before_anything_is_installed(self) -> None:
        for made in ("vgg16_imagenet.safetensors", program.WORKER):
            (self.folder / made).touch()
        here = str(self.folder)
        with mock.patch.dict(os.environ, {"GRAFT_CACHE": here}):
            with mock.patch.object(environment, "ensure") as ensure:
                for wrong, expected in ((["job"], "graft does not exist"), (["head", "--json", here], "is a folder")):
                    code, error = self.main("--build", here, "--work", *wrong)
                    self.assertEqual((code, expected in error), (1, True))
                (self.folder / "graft").touch()
                error = self.main("--build", here, "--work", "job", "--photos", here)[1]
        self.assertRegex(error, "no photo below .*train; --photos takes a folder with train/ and validation/")
        ensure.assert_not_called()

    def test_options_that_make_no_sense_are_refused(self) -> None:
        for wrong in (
            ["--work", "sleep"], ["--peers", "caffe"], ["--rounds", "0"], ["--device", "tpu"],
            ["--device", "cuda", "--work", "job"], ["--device", "cuda", "--peers", "mnn"], ["--precision", "fp8"],
        ):
            with self.assertRaises(SystemExit) as refused:
                self.main(*wrong)
            self.assertEqual(refused.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
