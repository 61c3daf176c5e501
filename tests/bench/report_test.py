import json
import unittest
from dataclasses import replace
from pathlib import Path

import results
from peers import report
from peers.engines import Setup
from peers.report import FRAMEWORKS, WINOGRAD, Engine, Work, ratio, spread, verdicts

MACHINE = {
    "processor": "a processor", "cores": 2, "isas": ["avx2"], "system": "a system", "python": "3.11",
    "date": "2026-01-02T03:04:05+00:00", "load_at_start": 0.1,
}
BUILD = {"version": "", "commit": "0123456789abcdef", "dirty": False, "compiler": "", "build_type": ""}


def engine(name: str, *seconds: float) -> Engine:
    return Engine(name, "1", "", list(seconds))


def work() -> Work:
    found = Work("features, 150×150, batch 16", "images", 16, 1, 10e9, "this and that")
    found.others = 0.25
    found.engines = [Engine("graft/AVX2", "1", "", [0.25, 0.5, 0.25])]
    found.engines += [Engine(n, "2", "s", [1.0, 1.6, 1.2], 1e-6, 1e-4) for n in FRAMEWORKS]
    found.engines += [Engine(n, "2", "s", [0.3, 0.6, 0.3], 2e-5, 1e-3) for n in WINOGRAD]
    return found


class Table(unittest.TestCase):
    def setUp(self) -> None:
        self.lines = report.work_text(work(), 200e9).splitlines()

    def row(self, name: str) -> list[str]:
        return next(line for line in self.lines if line.strip().startswith(name)).split()

    def test_says_unit_rounds_and_what_the_clock_covers(self) -> None:
        self.assertIn("images/s, 3 rounds of 16 images", self.lines[0])
        self.assertIn("other programs used 0.2 cores", self.lines[0])
        self.assertIn("this and that", self.lines[1])

    def test_shows_median_minimum_and_maximum_of_the_figure(self) -> None:
        self.assertEqual(self.row("graft/AVX2")[1:4], ["64.00", "32.00", "64.00"])

    def test_shows_the_ratio_with_its_spread_and_the_share_of_the_peak(self) -> None:
        row = self.row("Keras")
        self.assertEqual(row[4:6], ["4.00", "(3.20–4.80)"])
        self.assertEqual(row[6], f"{10e9 * 16 / 1.2 / 200e9:.2f}")

    def test_shows_whether_the_targets_are_reached(self) -> None:
        verdicts = [line.split()[0] for line in self.lines if "≥" in line]
        self.assertEqual(verdicts, ["reached", "missed"])

    def test_names_the_gpu_its_driver_what_is_not_installed_and_who_was_skipped(self) -> None:
        here = MACHINE | {"gpu": "a GPU", "driver": "1.2.3", "not_installed": {"X": "pip install x"}}
        text = report.machine_text(Setup(Path(), Path(), here, [], [], 2, 3, Path()))
        self.assertEqual(text.splitlines()[1:], ["a GPU, driver 1.2.3", "not installed: X: pip install x"])
        skipped = work()
        skipped.skipped = {"PyTorch AMP": "its features differ"}
        self.assertIn("  skipped: PyTorch AMP: its features differ", report.work_text(skipped, None).splitlines())

    def test_columns_are_under_their_titles(self) -> None:
        title, *rows = self.lines[2 : 4 + len(FRAMEWORKS) + len(WINOGRAD)]
        end = title.index("median") + len("median")
        self.assertEqual(len(rows), 1 + len(FRAMEWORKS) + len(WINOGRAD))
        for row in rows:
            self.assertRegex(row[:end], r"\d\.\d\d$")

    def test_a_work_without_operations_has_no_share_of_the_peak(self) -> None:
        job = Work("job", "photos", 10, 1, None, "", [Engine("graft", "1", "", [1.0])])
        self.assertNotIn("of peak", report.work_text(job, 200e9))


class Arithmetic(unittest.TestCase):
    def test_the_median_of_an_even_number_is_the_middle_of_two(self) -> None:
        found = spread([4.0, 1.0, 3.0, 2.0])
        self.assertEqual((found.median, found.min, found.max), (2.5, 1.0, 4.0))

    def test_a_ratio_is_taken_within_each_round(self) -> None:
        # The machine was twice as slow in the second round: the medians alone would say 3 or 2.25.
        found = ratio(engine("graft", 1.0, 2.0, 1.0), engine("ncnn", 3.0, 6.0, 4.0))
        self.assertEqual((found.median, found.min, found.max), (3.0, 3.0, 4.0))

    def test_rounds_must_match(self) -> None:
        with self.assertRaises(ValueError):
            ratio(engine("graft", 1.0), engine("ncnn", 1.0, 2.0))

    def test_figures_are_images_a_second_milliseconds_a_step_and_seconds_a_job(self) -> None:
        self.assertEqual(Work("", "images", 16, 1, None, "").figure(0.5), 32.0)
        self.assertEqual(Work("", "steps", 1, 50, None, "").figure(0.1), 2.0)
        self.assertEqual(Work("", "photos", 2800, 1, None, "").figure(60.0), 60.0)


class Verdicts(unittest.TestCase):
    def work(self, name: str, *engines: Engine) -> Work:
        return Work(name, "images", 16, 1, None, "", list(engines))

    def test_the_fastest_of_the_group_decides(self) -> None:
        work = self.work(
            "features, 150×150, batch 16", engine("graft/AVX2", 1.0), engine("MNN", 1.5), engine("ncnn", 1.3)
        )
        (verdict,) = verdicts(work)
        self.assertEqual((verdict.best_peer, verdict.ratio.median, verdict.reached), ("ncnn", 1.3, False))

    def test_a_target_is_reached_at_its_very_figure(self) -> None:
        work = self.work("job, photos to a trained head", engine("graft", 2.0), engine("Keras", 10.0))
        self.assertTrue(verdicts(work)[0].reached)

    def test_each_vector_unit_is_judged(self) -> None:
        work = self.work(
            "features, 150×150, batch 16", engine("graft/AVX-512", 1.0), engine("graft/AVX2", 2.0),
            engine("MNN", 2.0), engine("ncnn", 2.0),
        )
        self.assertEqual([(v.graft, v.reached) for v in verdicts(work)], [("graft/AVX-512", True), ("graft/AVX2", False)])

    def test_an_incomplete_group_is_not_judged(self) -> None:
        work = self.work("features, 150×150, batch 16", engine("graft/AVX2", 1.0), engine("MNN", 9.0))
        self.assertEqual(verdicts(work), [])


class AsResult(unittest.TestCase):
    def setUp(self) -> None:
        peaks = {"graft/AVX2": {"multiply_add": 2e11, "memory_read": 2e10}}
        setup = Setup(Path(), Path(), MACHINE, ["avx2"], [], 2, 3, Path(), peaks=peaks)
        training = Work("training step", "steps", 1, 60, None, "", [engine("graft/AVX2", 0.6)])
        training.skipped = {"Keras": "Keras: it does not start"}
        found = json.loads(json.dumps(report.as_result(setup, BUILD, [work(), training], complete=True)))
        self.result = results.checked(found)
        self.by_name = {one["name"]: one for one in self.result["measurements"]}

    def test_has_every_sample_as_seconds_of_one_execution(self) -> None:
        self.assertEqual(self.by_name["peers/features, 150×150, batch 16/graft/AVX2"]["samples"], [0.25, 0.5, 0.25])
        step = self.by_name["peers/training step/graft/AVX2"]
        self.assertEqual((step["samples"], step["executions"], step["items"]), ([0.01], 60, 1))

    def test_has_rates_and_the_share_of_the_peak(self) -> None:
        one = self.by_name["peers/features, 150×150, batch 16/Keras"]
        found = results.figures(one, self.result["ceilings"])
        self.assertAlmostEqual(found["items/s"], 16 / 1.2)
        self.assertAlmostEqual(found["share_of_arithmetic"], 10e9 * 16 / 1.2 / 2e11)

    def test_has_versions_differences_the_others_load_and_verdicts(self) -> None:
        one = self.by_name["peers/features, 150×150, batch 16/Keras"]
        peer = {"version": "2", "setting": "s", "difference": 1e-6, "limit": 1e-4, "other_cores": 0.25}
        self.assertEqual(one["peer"], peer | {"covers": "this and that"})
        self.assertEqual(one["warnings"], ["other programs used 0.2 cores meanwhile"])
        self.assertEqual([target["reached"] for target in self.result["targets"]], [True, False])

    def test_names_the_gpu_and_the_precision(self) -> None:
        here = MACHINE | {"gpu": "a GPU", "driver": "1.2.3"}
        setup = Setup(Path(), Path(), here, [], [], 2, 3, Path(), "cuda:0")
        on_gpu = replace(work(), device="cuda:0", precision="fp16")
        found = results.checked(json.loads(json.dumps(report.as_result(setup, BUILD, [on_gpu], complete=True))))
        self.assertEqual((found["device"]["name"], found["device"]["driver"]), ("a GPU", "1.2.3"))
        axes = found["measurements"][0]["axes"]
        self.assertEqual((axes["device"], axes["precision"]), ("cuda:0", "fp16"))

    def test_a_skipped_engine_is_a_failed_measurement(self) -> None:
        skipped = self.by_name["peers/training step/Keras"]
        self.assertEqual((skipped["ended"], skipped["failure"]), ("failed", "Keras: it does not start"))


if __name__ == "__main__":
    unittest.main()
