import contextlib
import io
import itertools
import math
import shutil
import sys
import tempfile
import unittest
from array import array
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import results
import support
from peers import comparison, program
from peers.comparison import Disagreement, Participant
from peers.engines import EXACT, Setup
from peers.protocol import WorkerError
from peers.report import Engine, Work
from peers.work import FeaturesWork, HeadWork


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


class Comparison(WithoutWorkers):
    def compare(self, asked: FeaturesWork | HeadWork, **values: list[float] | None) -> tuple[Work, dict]:
        """None: an engine that cannot be prepared."""
        everyone = [
            Participant(Engine(name, limit=EXACT), Fake(name, self.diary, found))
            for name, found in values.items()
        ]
        setup = Setup(Path(), Path(), {}, ["avx2"], [], 1, 3, self.folder)
        with mock.patch.object(comparison, "start_all", return_value=everyone):
            work = comparison.run(setup, Work("", "images", 1, 2, None, ""), asked, [])
        return work, setup.peaks

    features = FeaturesWork(32, 1, "", "", 1, "")
    head = HeadWork(4, 2, 1, 2, 0.5, 1e-3, "", 1, "")

    def test_rounds_are_interleaved_and_the_first_is_not_kept(self) -> None:
        work, _ = self.compare(self.features, graft=[1.0], MNN=[1.0], ncnn=[1.0])
        rounds = [line for line in self.diary if line.endswith("round")]
        self.assertEqual(rounds, ["graft round", "MNN round", "ncnn round"] * 4)
        self.assertEqual([engine.seconds for engine in work.engines], [[2.0, 3.0, 4.0]] * 3)

    def test_everyone_is_compared_before_anyone_is_timed(self) -> None:
        work, _ = self.compare(self.features, graft=[1.0, 4.0], MNN=[1.0 + 2e-4, 4.0])
        self.assertLess(self.diary.index("MNN check"), self.diary.index("graft round"))
        self.assertAlmostEqual(work.engines[1].difference, 5e-5, delta=1e-6)

    def test_beyond_the_limit_a_peer_is_named_and_not_timed(self) -> None:
        for wrong in ([1.0, 4.001], [1.0, math.nan]):
            self.diary.clear()
            work, _ = self.compare(self.features, graft=[1.0, 4.0], MNN=wrong, ncnn=[1.0, 4.0])
            self.assertRegex(work.skipped["MNN"], "MNN's features differ from graft's by .* limit is 1e-04")
            self.assertNotIn("MNN round", self.diary)
            self.assertIn("MNN quit", self.diary)
            self.assertEqual([engine.name for engine in work.engines], ["graft", "ncnn"])

    def test_a_peer_that_does_not_start_is_named_and_the_others_are_measured(self) -> None:
        work, _ = self.compare(self.features, graft=[1.0], MNN=None, ncnn=[1.0])
        self.assertEqual(work.skipped, {"MNN": "MNN: it does not start"})
        self.assertEqual([len(engine.seconds) for engine in work.engines], [3, 3])

    def test_without_graft_there_is_nothing_to_compare_with(self) -> None:
        with self.assertRaisesRegex(WorkerError, "graft: it does not start"):
            self.compare(self.features, graft=None, MNN=[1.0])

    def test_losses_are_compared_in_the_peers_form_of_rmsprop(self) -> None:
        work, _ = self.compare(self.head, graft=[1.0], Keras=[1.0], PyTorch=[2.0])
        self.assertEqual([engine.difference for engine in work.engines], [None, 0.0, 0.0])
        work, _ = self.compare(self.head, graft=[1.0], Keras=[1.0], PyTorch=[1.0])
        self.assertIn("PyTorch's losses", work.skipped["PyTorch"])

    def test_tells_how_many_cores_others_used_in_the_pauses(self) -> None:
        work, _ = self.compare(self.features, graft=[1.0], MNN=[1.0])
        self.assertEqual(work.others, 0.5)  # a second of work every two seconds, by the clocks above

    def test_the_peak_is_the_best_of_before_and_after(self) -> None:
        _, peaks = self.compare(self.features, graft=[1.0])
        self.assertEqual(peaks["graft"]["multiply_add"], 4.0)


class Program(unittest.TestCase):
    def test_a_disagreement_is_one_sentence_and_exit_code_1(self) -> None:
        error = io.StringIO()
        with mock.patch.object(program, "measure", side_effect=Disagreement("they differ")):
            with mock.patch.object(sys, "argv", ["peers.py"]), contextlib.redirect_stderr(error):
                self.assertEqual(program.main(), 1)
        self.assertIn("peers.py: they differ", error.getvalue())
        self.assertEqual(len(error.getvalue().strip().splitlines()), 1)

    def test_a_peer_that_was_skipped_is_named_at_the_end_with_exit_code_1(self) -> None:
        error = io.StringIO()
        with mock.patch.object(program, "measure", return_value=["MNN"]), mock.patch.object(sys, "argv", ["peers.py"]):
            with contextlib.redirect_stderr(error):
                self.assertEqual(program.main(), 1)
        self.assertIn("skipped in a work, which gives the reason: MNN", error.getvalue())

    def ended(self, failure: BaseException) -> tuple[int, str, Path]:
        """The exit code, stderr and the scratch folder after a worker has left a log and a model there."""

        def run(_: object, scratch: Path) -> None:
            (scratch / "MNN").mkdir()
            (scratch / "MNN/log.txt").write_text("the last words")
            (scratch / "MNN/model").write_text("large")
            self.scratch = scratch
            raise failure

        error = io.StringIO()
        with mock.patch.object(program, "measure", run), mock.patch.object(sys, "argv", ["peers.py"]):
            with contextlib.redirect_stderr(error):
                code = program.main()
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        return code, error.getvalue(), self.scratch

    def test_a_failure_leaves_the_logs_alone_and_says_where(self) -> None:
        code, error, scratch = self.ended(Disagreement("they differ"))
        self.assertEqual(code, 1)
        self.assertIn(f"logs of the engines are in {scratch}", error)
        self.assertEqual([p.name for p in scratch.rglob("*") if p.is_file()], ["log.txt"])

    def test_ctrl_c_is_130_without_a_word_and_leaves_nothing(self) -> None:
        code, error, scratch = self.ended(KeyboardInterrupt())
        self.assertEqual((code, error, scratch.exists()), (130, "", False))

    def test_a_failing_work_keeps_the_table_and_the_json_of_the_one_before(self) -> None:
        head = Work("training step", "steps", 1, 1, None, "", [Engine("graft/AVX2", "1", "", [1.0])])

        def works(*_: object) -> Iterator[Work]:
            yield head
            raise Disagreement("the job is not the same")

        with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
            report, out = Path(name, "new/peers.json"), io.StringIO()
            stack.enter_context(mock.patch.object(sys, "argv", ["peers.py", "--json", str(report)]))
            stack.enter_context(mock.patch.object(program, "need"))
            stack.enter_context(mock.patch.object(program.environment, "ensure"))
            stack.enter_context(mock.patch.object(program, "measured", works))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            self.assertEqual(program.main(), 1)
            result = results.read(report)
            self.assertEqual([one["name"] for one in result["measurements"]], ["peers/training step/graft/AVX2"])
            self.assertFalse(result["complete"])
            self.assertIn("training step: ms, 1 round of", out.getvalue())

    def test_what_is_missing_is_found_before_anything_is_installed(self) -> None:
        with tempfile.TemporaryDirectory() as name, mock.patch.object(program.environment, "ensure") as ensure:
            folder = Path(name)
            (folder / "train").mkdir()
            for made in ("vgg16_imagenet.safetensors", program.WORKER):
                (folder / made).touch()
            given = ["--build", name, "--work"]
            for wrong, expected in (
                ([*given, "job"], "graft does not exist"),
                ([*given, "head", "--json", name], "is a folder"),
            ):
                self.assertIn(expected, self.refused(folder, wrong))
            (folder / "graft").touch()
            self.assertRegex(self.refused(folder, [*given, "job", "--photos", name]), "no photo below .*train")
            ensure.assert_not_called()

    def refused(self, cache: Path, given: list[str]) -> str:
        error = io.StringIO()
        with mock.patch.object(sys, "argv", ["peers.py", *given]), contextlib.redirect_stderr(error):
            with mock.patch.object(program.environment, "cache_folder", return_value=cache):
                self.assertEqual(program.main(), 1)
        return error.getvalue()

    def test_options_that_make_no_sense_are_refused(self) -> None:
        for wrong in (
            ["--work", "sleep"], ["--peers", "caffe"], ["--rounds", "0"], ["--device", "tpu"],
            ["--device", "cuda", "--work", "job"], ["--device", "cuda", "--peers", "mnn"], ["--precision", "fp8"],
        ):
            with mock.patch.object(sys, "argv", ["peers.py", *wrong]), contextlib.redirect_stderr(io.StringIO()):
                with self.assertRaises(SystemExit) as refused:
                    program.arguments()
            self.assertEqual(refused.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
