import contextlib
import io
import json
import math
import sys
import unittest
from unittest import mock

import compare
import support
from compare import compare as compared
from compare import fails, interval_of_ratio, slower_share
from results import Result
from support import measurement, result, samples_around


def made(seed: int, factor: float, noise: float, count: int) -> Result:
    medians = {"kernels/short": 2e-5, "layers/middle": 1.5e-3, "backbone/long": 0.25}
    samples = {name: samples_around(factor * median, noise, count, seed) for name, median in medians.items()}
    return result(*(measurement(name, values) for name, values in samples.items()))


BEFORE, SAME = made(1, 1.0, 0.01, 150), made(2, 1.0, 0.01, 150)
FASTER, NOISY = made(3, 0.97, 0.01, 150), made(4, 0.97, 0.10, 40)


def of(samples: list[float], **changed: object) -> Result:
    return result(measurement("kernels/one", samples), **changed)


def verdict(before: list[float], after: list[float], tolerance: float = 0.01) -> str:
    return compared(of(before), of(after), tolerance)["rows"][0].verdict


class Interval(unittest.TestCase):
    def test_is_numpys_bootstrap(self) -> None:
        # i = np.arange(1, 41.0); x, y = 1 + .02 * np.sin(i * i), .97 * (1 + .02 * np.sin(i * i + .5))
        # rng = np.random.default_rng(1); m = [np.median(rng.choice(z, (200000, 40)), axis=1) for z in (y, x)]
        # np.quantile(m[0] / m[1], [.025, .975]); without the last sample of each, likewise with 39
        before = [1 + 0.02 * math.sin(i * i) for i in range(1, 41)]
        after = [0.97 * (1 + 0.02 * math.sin(i * i + 0.5)) for i in range(1, 41)]
        low, high = interval_of_ratio(before, after)
        self.assertAlmostEqual(low, 0.96429657, delta=1e-3)
        self.assertAlmostEqual(high, 0.98527172, delta=1e-3)
        low, high = interval_of_ratio(before[:39], after[:39])
        self.assertAlmostEqual(low, 0.96408079, delta=1.5e-3)
        self.assertAlmostEqual(high, 0.98531877, delta=1.5e-3)

    def test_is_the_same_each_time_and_another_with_another_seed(self) -> None:
        before, after = samples_around(1.0, 0.02, 33, 1), samples_around(1.1, 0.02, 20, 2)
        self.assertEqual(interval_of_ratio(before, after), interval_of_ratio(before, after))
        self.assertNotEqual(interval_of_ratio(before, after, seed=5), interval_of_ratio(before, after))

    def test_holds_the_true_ratio_about_as_often_as_it_promises(self) -> None:
        held, sets = 0, 200
        with mock.patch.object(compare, "RESAMPLES", 400):
            for number in range(sets):
                before, after = (samples_around(m, 0.03, 25, 2 * number + k) for k, m in enumerate((1.0, 0.9)))
                low, high = interval_of_ratio(before, after)
                held += low <= 0.9 <= high
        self.assertGreaterEqual(held, 0.9 * sets)
        self.assertLess(held, sets)

    def test_of_single_samples_is_their_ratio(self) -> None:
        self.assertEqual(interval_of_ratio([2.0], [3.0]), (1.5, 1.5))
        self.assertEqual(interval_of_ratio([2.0, 2.0], [3.0]), (1.5, 1.5))


class Verdicts(unittest.TestCase):
    def verdicts(self, before: Result, after: Result) -> set[str]:
        rows = compared(before, after)["rows"]
        self.assertEqual([row.name for row in rows], ["kernels/short", "layers/middle", "backbone/long"])
        return {row.verdict for row in rows}

    def test_the_same_with_one_percent_of_noise_is_the_same(self) -> None:
        self.assertEqual(self.verdicts(BEFORE, SAME), {"same"})
        self.assertEqual(self.verdicts(BEFORE, BEFORE), {"same"})
        self.assertEqual(compared(BEFORE, SAME)["warnings"], [])

    def test_three_percent_faster_with_one_percent_of_noise_is_faster_and_backwards_slower(self) -> None:
        self.assertEqual(self.verdicts(BEFORE, FASTER), {"faster"})
        self.assertEqual(self.verdicts(FASTER, BEFORE), {"slower"})
        self.assertAlmostEqual(compared(BEFORE, FASTER)["rows"][0].ratio, 0.97, delta=0.01)

    def test_three_percent_faster_with_ten_percent_of_noise_is_ambiguous(self) -> None:
        self.assertEqual(self.verdicts(BEFORE, NOISY), {"ambiguous"})

    def test_the_tolerance_says_what_is_the_same(self) -> None:
        one, slower = samples_around(1.0), samples_around(1.03)
        self.assertEqual(verdict(one, slower), "slower")
        self.assertEqual(verdict(one, slower, 0.05), "same")
        straddling = samples_around(1.0, 0.02), samples_around(1.03, 0.02)
        self.assertEqual(verdict(*straddling, 0.03), "ambiguous")
        self.assertEqual(verdict(one, one, 0.0), "ambiguous")

    def test_few_samples_have_no_verdict(self) -> None:
        few = compared(of([1.0] * 5), of(samples_around(2.0)))["rows"][0]
        self.assertEqual(few.verdict, "ambiguous")
        self.assertIn("too few samples for a verdict: 5, and 6 are needed", few.warnings)
        self.assertEqual(verdict([1.0] * 6, samples_around(2.0)), "slower")


class Cases(unittest.TestCase):
    def test_of_only_one_result_are_listed(self) -> None:
        a, b, c = (measurement(f"kernels/{name}", samples_around(1)) for name in "abc")
        found = compared(result(a, b), result(b, c))
        self.assertEqual((found["only_before"], found["only_after"]), (["kernels/a"], ["kernels/c"]))
        self.assertEqual([row.name for row in found["rows"]], ["kernels/b"])

    def test_without_times_are_listed_with_the_reason(self) -> None:
        times = samples_around(1)
        half = measurement("kernels/half", times, ended="failed", failure="out of memory")
        once = measurement("kernels/once", [], ended="no_timer", failure="")
        lost, found = "kernels/lost", "kernels/found"
        before = result(measurement(lost, times), measurement(found, []), once, measurement("kernels/half", times))
        after = result(measurement(lost, []), measurement(found, times), once, half)
        rows = {row.name: (row.verdict, row.warnings) for row in compared(before, after)["rows"]}
        self.assertEqual(rows[lost], ("lost", ["after: failed: out of memory"]))
        self.assertEqual(rows[found], ("no times", ["before: failed: out of memory"]))
        no_timer = ["before: the device has no timer", "after: the device has no timer"]
        self.assertEqual(rows["kernels/once"], ("no times", no_timer))
        self.assertEqual(rows["kernels/half"], ("lost", ["after: failed: out of memory"]))

    def test_warns_where_devices_drivers_clocks_or_methods_differ(self) -> None:
        before, after = of([1.0] * 6), of([1.0] * 6, complete=False, warnings=["a debug build"])
        after["device"] |= {"name": "another", "driver": ""}
        after["at_start"]["clocks_locked"] = False
        after["method"]["cache"] = "hot"
        after["build"]["build_type"] = "Debug"
        warnings = compared(before, after)["warnings"]
        self.assertRegex(warnings.pop(4), "^methods: cache cold, noise 0.005, .* before, cache hot, .* after$")
        self.assertEqual(
            warnings,
            [
                "devices: a made device before, another after", "drivers: 580.1 before, unknown after",
                "builds: Release before, Debug after", "clocks: locked before, not locked after",
                "after: interrupted", "after: a debug build",
            ],
        )

    def test_an_idle_device_that_does_not_tell_of_its_clocks_is_asked_at_the_end(self) -> None:
        after = of([1.0] * 6)
        after["at_start"]["clocks_locked"], after["at_end"]["clocks_locked"] = None, False
        self.assertEqual(compared(of([1.0] * 6), after)["warnings"], ["clocks: locked before, not locked after"])


class FailOn(unittest.TestCase):
    def test_is_slower_by_some_percents(self) -> None:
        for text, share in (("slower:5%", 0.05), ("slower:0.5%", 0.005), ("slower", 0.0)):
            self.assertAlmostEqual(slower_share(text), share)
        for bad in ("", "slower:", "slower:5", "slower:%", "slower:x%", "slower:-1%", "slower:nan%", "faster:5%",
                    "slower:5%%", "slower 5%"):
            with self.assertRaisesRegex(Exception, "give slower:5%"):
                slower_share(bad)

    def test_a_case_that_is_slower_by_more_fails(self) -> None:
        slower = compared(of(samples_around(1.0)), of(samples_around(1.04)))
        self.assertEqual([fails(slower, share) for share in (0.0, 0.03, 0.05)], [True, True, False])
        for after in (FASTER, SAME, NOISY):  # ambiguous is not slower
            self.assertFalse(fails(compared(BEFORE, after), 0.0))

    def test_a_check_that_did_not_look_at_everything_fails(self) -> None:
        good, other = (measurement(f"kernels/{name}", samples_around(1)) for name in ("good", "other"))
        both = result(good, other)
        self.assertTrue(fails(compared(both, both | {"complete": False}), 0.0))
        self.assertFalse(fails(compared(both | {"complete": False}, both), 0.0))
        self.assertTrue(fails(compared(both, result(good, measurement("kernels/other", []))), 0.0))
        self.assertTrue(fails(compared(both, result()), 0.0))
        self.assertFalse(fails(compared(both, result(good)), 0.0), "one was filtered out")


class Program(support.InFolder):
    def ended(self, before: Result, after: Result, *given: str) -> tuple[int, str, str]:
        files = []
        for name, content in (("before.json", before), ("after.json", after)):
            files.append(str(self.folder / name))
            (self.folder / name).write_text(json.dumps(content))
        out, error = io.StringIO(), io.StringIO()
        with mock.patch.object(sys, "argv", ["compare.py", *files, *given]):
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
                return compare.main(), out.getvalue(), error.getvalue()

    def test_prints_a_table_and_counts_the_verdicts(self) -> None:
        slow = measurement("kernels/one", samples_around(1.1e-4), warnings=["busy\x1b[2J"])
        before = result(measurement("kernels/one", samples_around(1e-4)), measurement("kernels/two", [1.0]))
        after = result(slow, measurement("kernels/two", []), measurement("kernels/x", [1.0]))
        code, out, error = self.ended(before, after)
        self.assertEqual((code, error), (0, ""))
        self.assertIn("before  cuda:0 (a made device), commit 0123456789 with changes, 2026-11-24T23:29:52Z", out)
        self.assertRegex(out, r"\nkernels/one  100.\d us  1[01]\d.\d us  1.100  1.09\d to 1.10\d  slower\n")
        self.assertIn("\n    ! after: busy\ufffd[2J\n", out)
        self.assertRegex(out, r"\nkernels/two +lost\n    ! after: failed: out of memory\n")
        self.assertIn("\nonly after:\n    kernels/x\n", out)
        self.assertTrue(out.endswith("\n2 cases: 1 slower, 1 lost (same: within 1 %)\n"))

    def test_prints_json(self) -> None:
        found = json.loads(self.ended(BEFORE, FASTER, "--json")[1])
        self.assertEqual((found["schema"], found["counts"]["faster"]), ("graft-bench-compare/2", 3))
        self.assertEqual((found["rows"][0]["name"], found["rows"][0]["verdict"]), ("kernels/short", "faster"))

    def test_exit_codes_are_7_for_slower_1_for_a_bad_file_and_2_for_a_bad_option(self) -> None:
        code, _, error = self.ended(FASTER, BEFORE, "--fail-on", "slower:2%")
        self.assertEqual((code, error.count("\n")), (7, 1))
        self.assertEqual(self.ended(FASTER, BEFORE, "--fail-on", "slower:5%")[0], 0)
        # What --fail-on allows is the tolerance when it is less than 1 %.
        before, after = (of(samples_around(median)) for median in (1.0, 1.008))
        self.assertEqual(self.ended(before, after, "--fail-on", "slower:0.5%")[0], 7)
        code, out, error = self.ended({}, BEFORE)
        self.assertEqual((code, out), (1, ""))
        self.assertRegex(error, "^compare.py: .*before.json: schema: is missing\n$")
        with self.assertRaises(SystemExit) as refused:
            self.ended(BEFORE, BEFORE, "--fail-on", "faster")
        self.assertEqual(refused.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
