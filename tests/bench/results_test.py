"""The reader of results, their figures, and the CSV."""

import contextlib
import copy
import csv
import io
import json
import math
import os
import random
import subprocess
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from unittest import mock

import results
import support
from results import ResultError
from support import measurement, result

# The expected figures are NumPy 2.4.6's: np.quantile(x, [.25, .5, .75]), np.std(x, ddof=1) / np.mean(x).
ODD = [3.1, 2.7, 9.4, 1.5, 2.2, 8.8, 3.3, 2.9, 4.05, 2.75, 60.0]
EVEN = [5.0, 1.0, 4.0, 2.0]


def full_result() -> results.Result:
    measured = measurement("kernels/one", support.samples_around(1.25e-4, 0.01, 21), warnings=["a busy device"])
    return result(measured, measurement('layers/two "quoted"', []))


class Reader(support.InFolder):
    def read(self, text: str) -> results.Result:
        path = self.folder / "result.json"
        path.write_text(text, encoding="utf-8")
        return results.read(path)

    def complaint(self, change: Callable[[dict], object]) -> str:
        """About a result in whose JSON something was changed."""
        found = copy.deepcopy(full_result())
        change(found)
        with self.assertRaises(ResultError) as refused:
            self.read(json.dumps(found))
        return str(refused.exception).partition("result.json: ")[2]

    def in_case(self, key: str, value: object) -> str:
        return self.complaint(lambda found: found["measurements"][0].update({key: value}))

    def test_a_result_is_read_as_it_was_written_with_unknown_keys(self) -> None:
        once = measurement("kernels/one", [], ended="no_timer", failure="")
        for written in (full_result() | {"new": 1}, result(once, has_timer=False, complete=False)):
            self.assertEqual(self.read(json.dumps(written)), written)

    def test_another_schema_says_what_to_do(self) -> None:
        found = self.complaint(lambda found: found.update(schema="graft-bench/1"))
        self.assertRegex(found, '^schema: "graft-bench/1" where graft-bench/2 is read; measure again')

    def test_every_key_is_missed_by_name(self) -> None:
        keys = 0
        for path in ((), ("device",), ("build",), ("method",), ("at_start",), ("measurements", 0)):
            inner: dict = full_result()
            for step in path:
                inner = inner[step]
            for key in inner.keys() - {"summary"}:  # the reader computes its own

                def remove(found: dict) -> None:
                    for step in path:
                        found = found[step]
                    del found[key]

                self.assertRegex(self.complaint(remove), rf"(^|\.){key}: is missing$")
                keys += 1
        self.assertGreater(keys, 45)

    def test_values_without_a_meaning_are_refused_with_their_place(self) -> None:
        for key, value, expected in (
            ("suite", "x", 'measurements[0].suite: "x" is not kernels or layers'),
            ("ended", "x", "measurements[0].ended"),
            ("clock", None, "measurements[0].clock: null is not device or host"),
            ("items", -1, "measurements[0].items: -1 is not a number from 0 on"),
            ("items", True, "measurements[0].items: true is not a number"),
            ("items", 10**400, "measurements[0].items"),
            ("throttled", 1.5, "measurements[0].throttled: 1.5 is not a whole number from 0 on"),
            ("warnings", ["x", 3], "measurements[0].warnings[1]: 3 is not a text"),
            ("warnings", "x", 'measurements[0].warnings: "x" is not a list'),
            ("axes", {"batch": 8}, "measurements[0].axes.batch: 8 is not a text"),
            ("samples", [1.0, 0.0], "measurements[0].samples: a time is above 0 s"),
            ("samples", [1.0] * 5001, "measurements[0].samples: there are more than 5000"),
            ("ended", "no_timer", "from a device that has no timer"),
            ("executions", 0, "executions: 0"),
            ("ended", "interrupted", '"interrupted" in a result that is complete'),
            ("failure", "x", "failure: a measurement that failed has a sentence"),
        ):
            self.assertIn(expected, self.in_case(key, value))
        self.assertIn("no timer", self.complaint(lambda found: found.update(has_timer=False)))
        twice = self.complaint(lambda found: found["measurements"].append(found["measurements"][0]))
        self.assertEqual(twice, 'measurements[2].name: "kernels/one" is there twice')
        wrong = self.complaint(lambda found: found["ceilings"]["flop_per_second"].update(fp8=1.0))
        self.assertIn('ceilings.flop_per_second: "fp8" is not fp32', wrong)

    def test_what_is_not_json_is_one_sentence(self) -> None:
        good = json.dumps(full_result())
        for bad in (good[: len(good) // 2], good.replace("1980.0", "NaN"), "[" * 100000, '{"a": 1, "a": 2}', "\ud800"):
            path = self.folder / "bad.json"
            path.write_text(bad, encoding="utf-8", errors="surrogatepass")
            with self.assertRaisesRegex(ResultError, r"bad.json: this is not JSON \(.*\); a result is what --json"):
                results.read(path)
        with self.assertRaisesRegex(ResultError, "the file: 3 is not an object"):
            self.read("3")

    def test_absent_and_too_large_files_are_sentences(self) -> None:
        with self.assertRaisesRegex(ResultError, "absent.json: No such file"):
            results.read(self.folder / "absent.json")
        with (self.folder / "large.json").open("wb") as file:
            os.truncate(file.fileno(), results.LARGEST_FILE + 1)
        with self.assertRaisesRegex(ResultError, "large.json: a file of more than 512 MiB"):
            results.read(self.folder / "large.json")


class Statistics(unittest.TestCase):
    def test_summaries_are_numpys_in_any_order(self) -> None:
        expected = [1.5, 2.725, 3.1, 6.425000000000001, 60.0, 1.8637972195699877]
        for found, value in zip(results.summarise(ODD).values(), expected):
            self.assertAlmostEqual(found, value, delta=1e-13)
        expected = [1.0, 1.75, 3.0, 4.25, 5.0, 0.6085806194501846]
        for found, value in zip(results.summarise(EVEN).values(), expected):
            self.assertAlmostEqual(found, value, delta=1e-14)

    def test_of_one_sample_there_is_no_noise_and_of_none_nothing(self) -> None:
        one = results.summarise([2.0])
        self.assertEqual((one["median"], one["relative_deviation"], one["noise"]), (2.0, 0.0, None))
        self.assertIsNone(results.summarise([]))

    def test_the_standard_error_is_the_width_between_two_order_statistics(self) -> None:
        # The rank is round(10.5 − 2.5758 √5) = 5, so that it is (x[16] − x[5]) / 2z.
        squares = [float(index * index) for index in range(1, 21)]
        self.assertAlmostEqual(results.standard_error_of_median(squares), (256 - 25) / (2 * 2.5758293035489004))
        self.assertIsNone(results.standard_error_of_median([1.0] * 5))
        self.assertEqual(results.standard_error_of_median([1.0] * 6), 0.0)

    def test_the_standard_error_is_that_of_normal_and_of_long_tailed_noise(self) -> None:
        """The mean over many sets, and how the median of such sets scatters in NumPy."""
        generator = random.Random(1)
        for draw, expected in (
            (lambda: 1 + 0.01 * generator.gauss(0, 1), 0.0012397888772811318),
            (lambda: generator.expovariate(1), 0.09907351879485485),
        ):
            found = fmean(results.standard_error_of_median([draw() for _ in range(101)]) for _ in range(500))
            self.assertAlmostEqual(found / expected, 1, delta=0.08)


class Figures(unittest.TestCase):
    def test_are_rates_and_shares_of_the_ceilings(self) -> None:
        found = results.figures(measurement("kernels/one", [20e-6] * 20), result()["ceilings"])
        expected = {"items/s": 4e5, "bytes/s": 1e11, "flop/s": 2e14, "share_of_copy": 0.05, "share_of_arithmetic": 0.25}
        for key, value in (expected | {"share_of_roofline": 0.25}).items():  # 5 us of arithmetic, 1 us of memory
            self.assertTrue(math.isclose(found[key], value), key)

    def test_are_empty_where_a_case_or_a_ceiling_is_not_known(self) -> None:
        one, ceilings = measurement("kernels/one", [20e-6] * 20), result()["ceilings"]
        del ceilings["flop_per_second"]["fp16"]
        found = results.figures(one, ceilings)
        self.assertIsNone(found["share_of_arithmetic"])
        self.assertIsNone(found["share_of_roofline"], "the arithmetic might be what bounds it")
        one["cost"]["flop"] = 0.0
        self.assertAlmostEqual(results.figures(one, ceilings)["share_of_roofline"], 0.05)
        self.assertEqual(set(results.figures(measurement("kernels/one", []), ceilings).values()), {None})

    def test_numbers_have_four_digits_that_count(self) -> None:
        for value, expected in (
            (0, "0"), (0.023456, "0.02346"), (1.2345678, "1.235"), (123.456, "123.5"), (123456.7, "123457"),
            (1e300, "1.000e+300"),
        ):
            self.assertEqual(results.four_digits(value), expected)
        self.assertEqual([results.time_text(t) for t in (1.5e-7, 1.2345e-3, 2)], ["0.1500 us", "1.234 ms", "2.000 s"])


class Csv(support.InFolder):
    def test_has_a_row_for_each_case_and_a_column_for_each_axis(self) -> None:
        path = self.folder / "result.json"
        other = measurement("kernels/two", [], axes={"batch": "1", "layer": 'a, "b"'}, failure="It does not\nfit.")
        path.write_text(json.dumps(result(measurement("kernels/one", [2e-05] * 20), other)))
        out = io.StringIO()
        with mock.patch.object(sys, "argv", ["results.py", str(path)]), contextlib.redirect_stdout(out):
            results.main()
        titles, *rows = csv.reader(io.StringIO(out.getvalue(), newline=""))
        first, second = (dict(zip(titles, row, strict=True)) for row in rows)
        self.assertEqual(titles[:5], ["name", "suite", "axis precision", "axis batch", "axis layer"])
        self.assertEqual((first["median s"], first["axis layer"]), ("2e-05", ""))
        self.assertAlmostEqual(float(first["share_of_roofline"]), 0.25)
        self.assertEqual((second["axis layer"], second["failure"]), ('a, "b"', "It does not\nfit."))
        self.assertEqual((second["median s"], second["ended"]), ("", "failed"))

    def test_a_bad_file_is_one_sentence_and_exit_code_1(self) -> None:
        program = Path(results.__file__)
        done = subprocess.run([sys.executable, program, "absent.json"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "results.py: absent.json: No such file or directory\n")


if __name__ == "__main__":
    unittest.main()
