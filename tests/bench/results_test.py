import math
import unittest
from array import array

import support
from peer_engines import agreement
from peer_engines.agreement import Values
from peer_engines.results import Engine, Work, ratio, spread, verdicts


def engine(name: str, *seconds: float) -> Engine:
    return Engine(name, "1", "", list(seconds))


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
        self.assertEqual(Work("", "images", 16, None, "").figure(0.5), 32.0)
        self.assertEqual(Work("", "steps", 50, None, "").figure(0.1), 2.0)
        self.assertEqual(Work("", "photos", 2800, None, "").figure(60.0), 60.0)


class Verdicts(unittest.TestCase):
    def work(self, name: str, *engines: Engine) -> Work:
        return Work(name, "images", 16, None, "", list(engines))

    def test_the_quickest_of_the_group_decides(self) -> None:
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

    def test_a_group_that_is_not_whole_is_not_judged(self) -> None:
        work = self.work("features, 150×150, batch 16", engine("graft/AVX2", 1.0), engine("MNN", 9.0))
        self.assertEqual(verdicts(work), [])


class Agreement(support.InFolder):
    def values(self, *floats: float) -> Values:
        return Values((len(floats),), array("f", floats))

    def test_is_the_largest_difference_over_the_largest_value(self) -> None:
        self.assertEqual(agreement.difference(self.values(0.0, 3.0), self.values(1.0, -4.0)), 1.75)

    def test_the_mean_is_taken_over_the_mean_size(self) -> None:
        self.assertEqual(agreement.mean_difference(self.values(0.0, 3.0), self.values(1.0, -4.0)), 8.0 / 5.0)
        for bad in (math.nan, math.inf):
            self.assertEqual(agreement.mean_difference(self.values(bad, 1.0), self.values(1.0, 1.0)), math.inf)
        self.assertEqual(agreement.mean_difference(self.values(0.0), self.values(0.0)), math.inf)

    def test_what_is_not_finite_agrees_with_nothing(self) -> None:
        for bad in (math.nan, math.inf):
            self.assertEqual(agreement.difference(self.values(bad, 1.0), self.values(bad, 1.0)), math.inf)

    def test_all_zero_agrees_with_nothing(self) -> None:
        self.assertEqual(agreement.difference(self.values(0.0), self.values(0.0)), math.inf)

    def test_shapes_must_match(self) -> None:
        with self.assertRaisesRegex(ValueError, "shape"):
            agreement.difference(self.values(1.0), self.values(1.0, 1.0))

    def npy(self, header: str, floats: array) -> Values:
        support.write_npy(self.folder / "values.npy", header, floats)
        return agreement.read_npy(self.folder / "values.npy")

    def test_reads_numpys_file(self) -> None:
        floats = array("f", [1, 2, 3, 4, 5, 6])
        found = self.npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", floats)
        self.assertEqual((found.shape, found.floats), ((2, 3), floats))

    def test_refuses_another_type_order_or_size(self) -> None:
        good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        for bad in (good.replace("<f4", "<i4"), good.replace("False", "True"), good.replace("2,", "3,")):
            with self.assertRaisesRegex(ValueError, "values.npy"):
                self.npy(bad, array("f", [1, 2]))


if __name__ == "__main__":
    unittest.main()
