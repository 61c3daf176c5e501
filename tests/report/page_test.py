"""The page report.html as text: complete, well-formed, escaped, small, the same each time, and alone.

    page_test.py --program build/release/tests/report/draw_page
"""

import argparse
import base64
import re
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

PROGRAM = ""
FOLDER = Path()
WITHOUT_END = {"meta", "link", "br", "img", "input"}


class Parser(HTMLParser):
    """Elements as (tag, attributes, text inside), and what is wrong with the nesting of tags."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict, list[str]]] = []
        self.wrong: list[str] = []
        self._open: list[tuple[str, dict, list[str]]] = []
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> does not end" for tag, _, _ in self._open]

    def handle_starttag(self, tag, attributes):
        element = (tag, dict(attributes), [])
        self.elements.append(element)
        if len(dict(attributes)) != len(attributes):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag not in WITHOUT_END:
            self._open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))

    def handle_endtag(self, tag):
        if self._open and self._open[-1][0] == tag:
            self._open.pop()
        else:
            self.wrong.append(f"</{tag}> ends {self._open[-1][0] if self._open else 'nothing'}")

    def handle_data(self, data):
        for _, _, inside in self._open:
            inside.append(data)

    def of(self, tag: str, **attributes: str) -> list[tuple[dict, str]]:
        return [(have, "".join(inside)) for name, have, inside in self.elements
                if name == tag and all(have.get(key.rstrip("_")) == value for key, value in attributes.items())]


def drawn(**keys: object) -> str:
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        words = [f"{key}={value}" for key, value in keys.items()]
        subprocess.run([PROGRAM, folder, *words], check=True, stdout=subprocess.DEVNULL)
        return (Path(folder) / "report.html").read_bytes().decode()


def jpeg_segments(data: bytes) -> dict[int, bytes]:
    """Those before the first scan, by their marker."""
    segments, at = {}, 2
    while data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2:at + 4], "big")
        segments[data[at + 1]] = data[at + 4:at + 2 + length]
        at += 2 + length
    return segments


class Page(unittest.TestCase):
    def test_is_well_formed_and_refers_to_nothing_outside(self):
        for keys in (dict(), dict(classes=3), dict(classes=40), dict(only=0), dict(only=1), dict(share=1),
                     dict(missing=100), dict(photos=1, only=0), dict(epochs=1), dict(epochs=200)):  # fmt: skip
            with self.subTest(keys):
                text = drawn(**{"photos": 120} | keys)
                page = Parser(text)
                self.assertEqual(page.wrong, [])
                self.assertNotIn("{{", text)
                self.assertIsNone(re.search(r"\b(nan|inf)\b", text))
                self.assertIsNone(re.search(r"<(td|dd)[^>]*></\1>", text))  # a figure without a value is "-"
                for tag, attributes, _ in page.elements:
                    for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
                        self.assertRegex(attributes.get(name) or "#", "^(#|data:)", tag)
                self.assertIsNone(re.search(r"@import|url\(|https?://(?!www\.w3\.org/)", text))

    def test_says_what_was_trained_on_what_and_shows_no_complete_path(self):
        text = drawn(photos=120)
        self.assertIn("shapes/train", text)
        self.assertNotIn("/somewhere", text)
        self.assertNotIn("private", text)
        self.assertIn("<bdi>shapes</bdi>", drawn(photos=20, train="/home/somebody/shapes"))
        self.assertNotIn("somebody", drawn(photos=20, train="/home/somebody/shapes"))
        for key in ("data.image_size", "features.layers", "head.hidden", "train.optimizer.schedule", "seed"):
            self.assertIn(f"<code>{key}</code>", text)
        for key in ("device", "threads", "output", "cache", "data.train", "backbone.weights"):
            self.assertNotIn(f"<code>{key}</code>", text)

    def test_is_the_same_each_time(self):
        self.assertEqual(drawn(photos=150), drawn(photos=150))

    def test_names_are_escaped_in_text_and_attributes(self):
        for name in ("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='alert(1)", "a&lt;b", "{{title}}"):
            with self.subTest(name):
                page = Parser(drawn(photos=60, classes=3, name=name))
                self.assertEqual(page.wrong, [])
                self.assertEqual(len(page.of("script")), 1)
                self.assertIn(name, [text for _, text in page.of("bdi")])
                names = {key for _, attributes, _ in page.elements for key in attributes}
                self.assertFalse({key for key in names if key.startswith("on")})

    def test_a_name_that_is_not_utf_8_is_shown_in_words(self):
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            subprocess.run([PROGRAM, folder, b"name=\xff\xfe", "photos=30"], check=True, stdout=subprocess.DEVNULL)
            text = (Path(folder) / "report.html").read_bytes().decode("utf-8")
        self.assertIn(r"\xff\xfe", text)

    def test_is_small(self):
        self.assertLess(len(drawn(photos=2800, share=0.8)), 1_500_000)
        # Photos that no JPEG makes small, and more points than a curve shows.
        self.assertLess(len(drawn(photos=2800, classes=12, share=0.5, noise=1)), 3_000_000)

    def test_pictures_are_small_jpegs_without_metadata(self):
        pictures = Parser(drawn(photos=300, share=0.8)).of("img")
        self.assertGreater(len(pictures), 40)
        for attributes, _ in pictures:
            self.assertTrue(attributes["alt"])
            data = base64.b64decode(attributes["src"].removeprefix("data:image/jpeg;base64,"), validate=True)
            self.assertTrue(data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9"))
            # JFIF's header (E0), tables (DB, C4) and the frame (C0): no EXIF (E1), profile (E2) or comment (FE).
            segments = jpeg_segments(data)
            self.assertLessEqual(set(segments), {0xE0, 0xDB, 0xC4, 0xC0})
            height, width = (int.from_bytes(segments[0xC0][at:at + 2], "big") for at in (1, 3))
            self.assertEqual(max(height, width), 160)

    def test_photos_that_are_gone_are_shown_in_words(self):
        page = Parser(drawn(photos=300, share=0.8, missing=7))
        gone = page.of("div", class_="gone")
        self.assertEqual(len(gone), 7)
        self.assertEqual(len(page.of("figcaption")), len(gone) + len(page.of("img")) + 1)  # the histogram's

    def test_shows_at_most_sixty_mistakes_and_twenty_least_certain(self):
        page = Parser(drawn(photos=2800, share=0.5))
        self.assertEqual(len(page.of("img")), 60 + 20)

    def test_without_a_mistake_says_so(self):
        text = drawn(photos=1, only=0)
        self.assertIn("None: the prediction is right for every validation photo.", text)
        self.assertNotIn("0 of 0", text)
        self.assertNotIn("every validation photo", drawn(photos=300))

    def test_up_to_thirty_classes_have_a_matrix_and_more_a_list(self):
        for classes, cells in ((2, 4), (30, 900), (31, 0)):
            page = Parser(drawn(photos=300, classes=classes))
            shares = [a for a, _ in page.of("td") if a.get("class") in ("right", "wrong", "none")]
            self.assertEqual(len(shares), cells)
            self.assertEqual(bool(page.of("div", **{"aria-label": "Most frequent confusions"})), cells == 0)

    def test_has_curves_of_one_class_of_two_and_of_at_most_six_of_more(self):
        for classes, curves in ((2, 1), (3, 3), (40, 6)):
            page = Parser(drawn(photos=300, classes=classes))
            lines = [a for a, _ in page.of("polyline") if a["class"].startswith("s")]
            self.assertEqual(len(lines), 2 * curves)
            for line in lines:
                places = [tuple(map(float, place.split(","))) for place in line["points"].split()]
                self.assertTrue(all(0 <= x <= 1 and 0 <= y <= 1 for x, y in places))

    def test_a_roc_curve_goes_from_the_lower_left_to_the_upper_right(self):
        (roc, *_), = ([a for a, _ in Parser(drawn(photos=300)).of("polyline") if a["class"] == "s0"],)
        places = [tuple(map(float, place.split(","))) for place in roc["points"].split()]
        self.assertEqual(places[0], (0, 0))
        self.assertGreater(sum(places[-1]), 2 - 0.5 / 256)
        self.assertEqual(places, sorted(places))

    def test_without_images_of_a_second_class_there_is_no_curve_and_it_says_so(self):
        text = drawn(photos=60, only=0)
        self.assertIn("of one class: there is no curve", text)
        self.assertIn("<dt>ROC AUC</dt><dd>-</dd>", text)
        self.assertNotIn("--threshold", text)

    def test_the_histogram_counts_every_photo_once(self):
        for classes in (2, 5):
            rows = re.findall(r'<tr><th scope="row">[\d.]+ to [\d.]+</th><td>(\d+)</td><td>(\d+)</td></tr>',
                              drawn(photos=431, classes=classes))
            self.assertEqual(len(rows), 20)
            self.assertEqual(sum(int(up) + int(down) for up, down in rows), 431)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = Path(folder)
        unittest.main(argv=[sys.argv[0], "-q", *rest])
