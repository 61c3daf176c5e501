"""The drawing, by what matplotlib is asked to draw. Ends with 77, for ctest's "skipped", without matplotlib."""

import contextlib
import io
import json
import math
import re
import sys
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path
from unittest import mock

import plot
import report_test
import results
import support
from peers import report
from peers.engines import Setup
from results import Measurement, Result
from support import measurement, result, samples_around


def timed(name: str, seconds: float, flop: float = 1e9, byte: float = 1e6) -> Measurement:
    cost = {"flop": flop, "bytes": byte, "arithmetic": "fp16"}
    return measurement(name, samples_around(seconds, 0.01, 20), cost=cost)


def peers_result() -> Result:
    work = report_test.work()
    work.skipped = {"TVM": "it does not start"}
    setup = Setup(Path(), Path(), report_test.MACHINE, ["avx2"], [], 2, 3, Path())
    return report.as_result(setup, report_test.BUILD, [work], complete=True)


def texts(axes: "plot.Axes") -> list[str]:
    return [text.get_text().strip() for text in [*axes.texts, *axes.get_yticklabels()]]


def of_kind(axes: "plot.Axes", gid: str) -> list:
    return [line for line in axes.lines if line.get_gid() == gid]


class Drawing(unittest.TestCase):
    def panels(self, *drawn: Result) -> list:
        return plot.drawing(list(drawn)).axes

    def test_shows_every_case_as_a_bar_and_counted_ones_in_the_roofline(self) -> None:
        cases = [timed("kernels/one", 1e-4), timed("kernels/two", 2e-4, 2e9, 1e9), timed("kernels/bare", 3e-4, 0)]
        legend, roofline, kernels, layers = self.panels(result(*cases, measurement("layers/failed", [])))
        self.assertEqual(texts(legend)[:1], [results.description(result())])
        self.assertEqual([text for text in texts(roofline) if text.isdigit()], ["1", "2"])
        for expected in ("fp16 800000 GFLOP/s", "fp32 50000 GFLOP/s", "copy 2000 GB/s"):
            self.assertIn(expected, texts(roofline))
        self.assertEqual(len(of_kind(roofline, "ceiling")), 3)
        self.assertEqual((len(kernels.patches), len(of_kind(kernels, "spread"))), (3, 3))
        for expected in ("1  kernels/one", "2  kernels/two", "3  kernels/bare"):
            self.assertIn(expected, texts(kernels))
        self.assertEqual(texts(layers), ["no time: failed: out of memory", "4  layers/failed"])

    def test_bars_are_as_long_as_the_medians_and_begin_at_0(self) -> None:
        cases = [timed("kernels/one", 1e-4), timed("kernels/two", 2e-4)]
        kernels = self.panels(result(*cases))[2]
        for bar, one in zip(kernels.patches, cases, strict=True):
            self.assertEqual((bar.get_x(), bar.get_width()), (0, one["summary"]["median"]))
        self.assertEqual((kernels.get_xscale(), kernels.get_xlim()[0]), ("linear", 0))

    def test_times_far_apart_have_a_logarithmic_scale_that_says_so(self) -> None:
        kernels = self.panels(result(*(timed(f"kernels/{time}", time) for time in (1e-6, 1e-3, 1.0))))[2]
        self.assertEqual(kernels.get_title("left"), "kernels: median time and quartiles, logarithmic")
        left, right = kernels.get_xlim()
        self.assertEqual(kernels.get_xscale(), "log")
        for bar in kernels.patches:
            self.assertEqual(bar.get_x(), left)
            self.assertTrue(left < bar.get_x() + bar.get_width() <= right)

    def test_a_point_below_its_ceiling_is_below_its_line(self) -> None:
        roofline = self.panels(result(timed("kernels/one", 20e-6, 4e9, 2e6)))[1]
        (point,) = of_kind(roofline, "point")
        self.assertTrue(math.isclose(point.get_ydata()[0], 8e14 / 4, rel_tol=0.02))
        self.assertEqual(point.get_xdata()[0], 2000)
        slope = of_kind(roofline, "ceiling")[-1]
        self.assertTrue(math.isclose(slope.get_ydata()[1], 8e14), "the memory's line ends at the highest peak")

    def test_results_differ_in_marks_dashes_and_hatching(self) -> None:
        panels = self.panels(*[result(timed("kernels/one", 1e-4))] * 6)
        self.assertEqual(len({point.get_marker() for point in of_kind(panels[1], "point")}), 6)
        self.assertEqual(len({str(line._unscaled_dash_pattern) for line in of_kind(panels[1], "ceiling")}), 6)
        self.assertEqual(len({bar.get_hatch() for bar in panels[2].patches}), 6)

    def test_a_case_of_two_results_has_one_name_and_hundreds_fit(self) -> None:
        many = [timed(f"kernels/{index}", 1e-4 * (index + 1)) for index in range(300)]
        kernels = self.panels(result(*many), result(timed("kernels/7", 1e-3)))[2]
        self.assertEqual((len(kernels.patches), texts(kernels).count("8  kernels/7")), (301, 1))

    def test_without_costs_or_ceilings_there_is_no_roofline_or_no_line(self) -> None:
        self.assertIn("there is no roofline", texts(self.panels(result(timed("kernels/one", 1e-4, 0, 0)))[1])[0])
        nothing = {"bytes_per_second": 0.0, "flop_per_second": {"fp32": 0.0}}
        roofline = self.panels(result(timed("kernels/one", 1e-4), ceilings=nothing))[1]
        self.assertEqual((len(of_kind(roofline, "point")), of_kind(roofline, "ceiling")), (1, []))

    def test_of_peers_the_bars_are_multiples_of_grafts_time_within_a_round(self) -> None:
        _, panel = self.panels(results.checked(json.loads(json.dumps(peers_result()))))
        title = "features, 150×150, batch 16: time as a multiple of graft/AVX2's, less is better, linear from 0"
        self.assertEqual(panel.get_title("left"), title)
        lengths = dict(zip([label.get_text() for label in panel.get_yticklabels()], panel.patches))
        self.assertEqual([lengths[name].get_width() for name in ("graft/AVX2", "Keras", "ncnn")], [1.0, 4.0, 1.2])
        self.assertIn("4.00 × (13.33 images/s)", texts(panel))
        self.assertIn("no time: failed: it does not start", texts(panel))

    def test_results_without_times_and_too_many_are_refused(self) -> None:
        good, empty = result(timed("kernels/one", 1e-4)), result(measurement("kernels/one", []))
        with self.assertRaisesRegex(results.ResultError, r"result 2 of 2 \(cuda:0 .a made device., commit 0123456789 with"):
            self.panels(good, empty)
        with self.assertRaisesRegex(results.ResultError, "7 results are more"):
            self.panels(*[good] * 7)


class Program(support.InFolder):
    def ended(self, name: str, content: Result) -> tuple[int, str]:
        source = self.folder / "result.json"
        source.write_text(json.dumps(content))
        error = io.StringIO()
        with mock.patch.object(sys, "argv", ["plot.py", str(source), "-o", str(self.folder / name)]):
            with contextlib.redirect_stderr(error):
                return plot.main(), error.getvalue()

    def test_writes_the_same_svg_each_time_that_names_no_outside_file(self) -> None:
        content = result(timed('kernels/a<b>&"c"$x$\x01', 1e-4), timed("kernels/far", 1.0, 1e30, 1e-12))
        self.assertEqual([self.ended(name, content) for name in ("one.svg", "two.svg")], [(0, "")] * 2)
        svg = (self.folder / "one.svg").read_text()
        self.assertEqual(svg, (self.folder / "two.svg").read_text())
        texts = xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
        labels = ["".join(text.itertext()).strip() for text in texts]
        self.assertIn('1  kernels/a<b>&"c"$x$\ufffd', labels)
        self.assertIsNone(re.search(r"<script|@import|<image|@font-face|url\(http", svg))

    def test_what_cannot_be_drawn_is_one_sentence_and_no_result_is_written_over(self) -> None:
        content = result(timed("kernels/one", 1.0))
        self.assertRegex(self.ended("x.bmp", content)[1], "^plot.py: .*bmp.*\n$")
        self.assertFalse((self.folder / "x.bmp").exists())
        code, error = self.ended("result.json", content)
        self.assertEqual((code, "is one of the results" in error), (1, True))
        self.assertEqual(json.loads((self.folder / "result.json").read_text()), content)
        with mock.patch.object(plot, "matplotlib", None):
            self.assertRegex(self.ended("x.svg", content)[1], "^plot.py: .*install Debian's python3-matplotlib.*\n$")


if __name__ == "__main__":
    if plot.matplotlib is None:
        print("skipped: matplotlib is not installed")
        sys.exit(77)
    unittest.main()
