import copy
import json
import unittest
import xml.etree.ElementTree as xml

import plot
import report_test
from peer_engines import report

SVG = "{http://www.w3.org/2000/svg}"


def measured() -> dict:
    return json.loads(json.dumps(report.as_json(report_test.MACHINE, {}, 2, [report_test.work()])))


class Drawing(unittest.TestCase):
    def setUp(self) -> None:
        self.report = measured()
        self.root = xml.fromstring(plot.svg(self.report))

    def bars(self) -> list[xml.Element]:
        return [shape for shape in self.root.iter(f"{SVG}rect") if shape.get("x") is not None]

    def test_is_well_formed_and_has_a_bar_an_engine(self) -> None:
        self.assertEqual(self.root.tag, f"{SVG}svg")
        self.assertEqual(len(self.bars()), len(self.report["works"][0]["engines"]))

    def test_a_bar_is_as_long_as_its_median(self) -> None:
        figures = [engine["figure"]["median"] for engine in self.report["works"][0]["engines"]]
        lengths = [float(bar.get("width")) for bar in self.bars()]
        for figure, length in zip(figures, lengths):
            self.assertAlmostEqual(length / lengths[0], figure / figures[0], delta=1e-3)

    def test_everything_is_within_the_drawing(self) -> None:
        bottom = float(self.root.get("height"))
        for shape in self.root.iter(f"{SVG}text"):
            self.assertLess(float(shape.get("y")), bottom)
        for bar in self.bars():
            self.assertLessEqual(float(bar.get("x")) + float(bar.get("width")), plot.WIDTH)

    def test_says_which_way_is_better(self) -> None:
        self.assertIn("more is better", plot.svg(self.report))
        slow = copy.deepcopy(self.report)
        slow["works"][0]["unit"] = "ms"
        self.assertIn("less is better", plot.svg(slow))

    def test_numbers_are_three_digits_or_whole(self) -> None:
        for value, due in ((0.01234, "0.0123"), (1.5, "1.5"), (99.96, "100"), (123.4, "123"), (1234.4, "1234")):
            self.assertEqual(plot.number(value), due)

    def test_escapes_names(self) -> None:
        self.report["works"][0]["engines"][1]["name"] = "<&>"
        texts = [shape.text for shape in xml.fromstring(plot.svg(self.report)).iter(f"{SVG}text")]
        self.assertIn("<&>", texts)

    def test_refuses_another_schema(self) -> None:
        self.report["schema"] = "graft-peers/0"
        with self.assertRaisesRegex(ValueError, "graft-peers/0"):
            plot.svg(self.report)


if __name__ == "__main__":
    unittest.main()
