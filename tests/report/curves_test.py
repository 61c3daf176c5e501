"""The drawing curves.svg, parsed as XML and measured.

    curves_test.py --program build/release/tests/report/draw_curves
"""

import argparse
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree

SERIES = ("loss", "accuracy", "val_loss", "val_accuracy")
THREE_EPOCHS = [(0.6, 0.75, 0.3, 0.875), (0.4, 0.8, 0.2, 0.9), (0.2, 0.95, 0.5, 0.85)]
PROGRAM = ""


def drawn(history: list[tuple[float, ...]], title: str | bytes = "title") -> tuple[int, bytes]:
    numbers = "\n".join(" ".join(map(repr, epoch)) for epoch in history)
    done = subprocess.run([PROGRAM, title], input=numbers.encode(), capture_output=True)
    return done.returncode, done.stdout


def parsed(history: list[tuple[float, ...]], title: str | bytes = "title") -> ElementTree.Element:
    """A tag without its namespace is the name of the element."""
    code, svg = drawn(history, title)
    assert code == 0, code
    return ElementTree.fromstring(svg.replace(b' xmlns="http://www.w3.org/2000/svg"', b""))


def points(root: ElementTree.Element, series: str) -> list[tuple[float, float]]:
    (line,) = root.findall(f".//polyline[@id='{series}']")
    return [tuple(map(float, point.split(","))) for point in line.get("points").split()]


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter("text")]


def long_history(epochs: int) -> list[tuple[float, ...]]:
    shares = [epoch / epochs for epoch in range(epochs)]
    return [(1.5 - x, 0.5 + 0.4 * x, 1.2 - 0.5 * x, 0.6 + 0.3 * x) for x in shares]


class Curves(unittest.TestCase):
    def check_drawing(self, history: list[tuple[float, ...]]):
        """Each series once, a finite point for each epoch, inside the page."""
        root = parsed(history)
        for series in SERIES:
            places = points(root, series)
            self.assertEqual(len(places), len(history))
            for x, y in places:
                self.assertTrue(0 < x < 960 and 0 < y < 430, f"{series} {x},{y}")
        for element in root.iter():
            for name, value in element.items():
                self.assertNotRegex(value, r"\b(nan|inf)\b", name)

    def test_any_number_of_epochs(self):
        for epochs in (1, 2, 3, 7, 20, 60, 61, 1000):
            with self.subTest(epochs):
                self.check_drawing(long_history(epochs))

    def test_constant_and_extreme_values_have_a_range(self):
        for loss in (0.0, 1e-12, 0.5, 1e6, 1e300):
            for accuracy in (0.0, 0.5, 1.0):
                for epochs in (1, 5):
                    with self.subTest(f"{loss}, {accuracy}, {epochs}"):
                        self.check_drawing([(loss, accuracy, loss, accuracy)] * epochs)

    def test_higher_values_are_higher_and_later_epochs_to_the_right(self):
        (x1, y1), (x2, y2), (x3, y3) = points(parsed(THREE_EPOCHS), "val_accuracy")
        self.assertTrue(x1 < x2 < x3)
        self.assertTrue(y2 < y1 < y3)  # .9, .875, .85
        self.assertAlmostEqual((y3 - y2) / (y1 - y2), 2.0, delta=0.01)

    def test_axes_have_round_ticks(self):
        labels = texts(parsed(THREE_EPOCHS))
        for label in ("0.0", "0.2", "0.4", "0.6", "0.75", "0.80", "0.95"):
            self.assertIn(label, labels)
        labels = texts(parsed(long_history(1000)))
        for label in ("1", "200", "400", "600", "800", "1000"):
            self.assertEqual(labels.count(label), 2, label)

    def test_the_two_lines_differ_in_dashes_and_marks_and_not_only_in_colour(self):
        root = parsed(THREE_EPOCHS)
        dashes = {line.get("id"): line.get("stroke-dasharray") for line in root.iter("polyline")}
        self.assertNotEqual(dashes["loss"], dashes["val_loss"])
        self.assertNotEqual(dashes["accuracy"], dashes["val_accuracy"])
        style = root.findtext("style")
        self.assertIn(".training{stroke:#bc4c00;fill:#ffffff}", style)
        self.assertIn(".validation{stroke:#0550ae;fill:#0550ae}", style)
        # A mark for each value, two in the legend.
        self.assertEqual(len(list(root.iter("circle"))), 4 * len(THREE_EPOCHS) + 2)

    def test_names_what_it_shows(self):
        labels = texts(parsed(THREE_EPOCHS, "Solar cells"))
        for label in ("Solar cells", "Loss", "Accuracy", "training", "validation", "epoch"):
            self.assertIn(label, labels)
        self.assertTrue(any("0.9000 in epoch 2, 0.8500 in the last (3)" in label for label in labels))

    def test_any_title_gives_valid_xml(self):
        for title, shown in [("<b> & \"c\" 'd'", "<b> & \"c\" 'd'"), ("Käthe 猫 😀", "Käthe 猫 😀"),
                             ("a\nb\x01c", r"a\x0ab\x01c"), (b"\xff\xc3", r"\xff\xc3"),
                             (b"\xed\xa0\x80", r"\xed\xa0\x80"),  # half of a surrogate pair
                             (b"\xef\xbf\xbe\xef\xbf\xbf", "??"), ("", None)]:  # fmt: skip
            with self.subTest(title):
                self.assertEqual(parsed(THREE_EPOCHS, title).findtext("title") or None, shown)

    def test_a_long_title_ends_before_the_legend_and_is_complete_for_readers(self):
        root = parsed(THREE_EPOCHS, "x" * 100)
        (frame,) = (svg for svg in root.findall("svg") if "x" * 100 in texts(svg))
        self.assertEqual(frame.get("x"), "0")
        self.assertLess(int(frame.get("width")), 716)  # where the legend begins; the rest is not drawn
        self.assertEqual(root.findtext("title"), "x" * 100)

    def test_outliers_are_clipped_with_an_arrow_and_their_number(self):
        usual = long_history(20)
        spoiled = list(usual)
        spoiled[7] = (0.9, 0.7, 30.25, 0.125)
        root = parsed(spoiled)
        self.assertEqual(len(root.findall(".//path[@class='arrow']")), 2)
        self.assertIn("30.2500", texts(root))
        self.assertIn("0.1250", texts(root))
        # The others are as high as without the outlier, which is at the edge.
        without, clipped = points(parsed(usual), "val_loss"), points(root, "val_loss")
        for epoch in (*range(7), *range(8, 20)):
            self.assertEqual(clipped[epoch], without[epoch])
        self.assertLess(clipped[7][1], min(y for _, y in without))
        # A mark for each value that is not clipped, two in the legend.
        self.assertEqual(len(list(root.iter("circle"))), 4 * 20 - 2 + 2)

    def test_of_arrows_near_each_other_one_has_its_number_beside_it(self):
        spoiled = [(9.5, 0.7, 30.25, 0.7), (8.5, 0.7, 20.25, 0.7), *long_history(30)[2:]]
        spoiled[20] = (0.2, 0.7, 40.25, 0.7)
        arrows = parsed(spoiled).findall(".//path[@class='arrow']")
        numbers = {"9.5000", "8.5000", "30.2500", "20.2500", "40.2500"}
        self.assertEqual({arrow.findtext("title") for arrow in arrows}, numbers)
        beside = [text.text for text in parsed(spoiled).iter("text")]
        self.assertEqual(sorted(numbers & set(beside)), ["30.2500", "40.2500"])

    def test_values_without_an_outlier_have_no_arrow(self):
        for history in (THREE_EPOCHS, long_history(100), [(2.0 ** -epoch, 1, 1, 1) for epoch in range(4)]):
            self.assertEqual(parsed(history).findall(".//path[@class='arrow']"), [])

    def test_the_best_epoch_and_the_largest_class_are_labelled(self):
        labels = texts(parsed(THREE_EPOCHS))
        self.assertIn("best epoch 2: 0.2000", labels)
        self.assertIn("best epoch 2: 0.9000", labels)
        self.assertIn("\u2193 largest class alone: 0.5000", labels)  # below the axis
        low = [(0.6, 0.4, 0.3, 0.5), (0.4, 0.6, 0.2, 0.7)]
        self.assertIn("largest class alone: 0.5000", texts(parsed(low)))
        self.assertEqual(len(parsed(low).findall(".//line[@class='baseline']")), 1)

    def test_has_its_own_background_and_nothing_from_outside(self):
        root = parsed(THREE_EPOCHS)
        self.assertEqual(root.tag, "svg")
        self.assertIsNotNone(root.find("rect"))
        svg = drawn(THREE_EPOCHS)[1].decode()
        self.assertIsNone(re.search(r"<script|href|@import|url\(|<image|@font-face", svg))

    def test_an_empty_history_is_refused(self):
        self.assertEqual(drawn([]), (2, b""))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program
    unittest.main(argv=[sys.argv[0], "-q", *rest])
