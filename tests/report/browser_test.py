"""The page report.html in headless Chromium, as people meet it: phone and desktop, light and dark, printed, by
keyboard and without a script.

    browser_test.py --program build/release/tests/report/draw_page [--keep FOLDER]

--keep leaves pages and screenshots in a folder. Ends with 77, skipped, where there is no Chromium.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from browser import Browser, find_chromium

PHONE, DESKTOP = (360, 740), (1280, 900)
FOLDER = Path()
PROGRAM = ""
BROWSER: Browser = None

# Each rule gives the list of what breaks it. WIDTH is that of the window: a phone widens innerWidth with the page.
RULES = {
    "the page does not scroll sideways": """
        document.documentElement.scrollWidth > WIDTH ? [`${document.documentElement.scrollWidth} px`] : []""",
    "nothing outside of a scrolled region is wider than the window": """
        [...document.body.querySelectorAll("*")].filter(e => !e.closest(".scroll, svg, .skip") &&
          (e.getBoundingClientRect().right > WIDTH + .5)).map(e => e.outerHTML.slice(0, 80))""",
    "text has a contrast of 4.5, or 3 where it is large": """(() => {
        const numbers = c => c.match(/[\\d.]+/g).map(Number);
        const luminance = rgb => rgb.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 :
          ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
        const over = (top, below) => {
          const a = top.length > 3 ? top[3] : 1;
          return [0, 1, 2].map(i => a * top[i] + (1 - a) * below[i]);
        };
        const background = e => e ? over(numbers(getComputedStyle(e).backgroundColor), background(e.parentElement)) :
          [255, 255, 255];
        const wrong = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const e = walker.currentNode.parentElement;
          if (!walker.currentNode.data.trim() || e.closest("script, style, title, desc, .skip")) continue;
          if (!e.checkVisibility()) continue;
          const style = getComputedStyle(e);
          const below = background(e);
          const color = over(numbers(e.closest("svg") ? style.fill : style.color), below);
          const [high, low] = [luminance(color), luminance(below)].sort((a, b) => b - a);
          const size = parseFloat(style.fontSize);
          const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
          const contrast = (high + .05) / (low + .05);
          if (contrast < needed) wrong.push(`${contrast.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
        }
        return wrong;
      })()""",
    "text is not too small to read": """(() => {
        const wrong = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const e = walker.currentNode.parentElement;
          if (!walker.currentNode.data.trim() || e.closest("script, style, title, desc") || !e.checkVisibility()) continue;
          const svg = e.ownerSVGElement;
          const scale = svg ? e.getScreenCTM().a || e.getScreenCTM().b || 1 : 1;
          const size = parseFloat(getComputedStyle(e).fontSize) * Math.abs(scale);
          if (size < 10.5) wrong.push(`${size.toFixed(1)} px: ${walker.currentNode.data.trim().slice(0, 40)}`);
        }
        return wrong;
      })()""",
    "pictures say what they show": """
        [...document.images].filter(i => !i.alt.trim() || !i.complete || !i.naturalWidth).map(i => i.outerHTML.slice(0, 80))
          .concat([...document.querySelectorAll("svg")].filter(s => !s.parentElement.closest("svg") &&
            !s.hasAttribute("aria-hidden") && !(s.getAttribute("role") === "img" && s.querySelector(":scope > title")))
            .map(s => s.outerHTML.slice(0, 80)))""",
    "headings are in order": """(() => {
        const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map(h => +h.tagName[1]);
        return levels.filter((level, i) => i === 0 ? level !== 1 : level === 1 || level > levels[i - 1] + 1);
      })()""",
    "there is one of each landmark": """
        ["header", "nav[aria-label]", "main", "footer"].filter(l => document.querySelectorAll(l).length !== 1)""",
    "heads of tables have a scope": """
        [...document.querySelectorAll("th:not([scope])")].map(t => t.textContent)""",
    "scrolled regions have a name and the keyboard's focus": """
        [...document.querySelectorAll(".scroll")].filter(r => r.tabIndex !== 0 || !r.ariaLabel ||
          r.getAttribute("role") !== "region").map(r => r.outerHTML.slice(0, 80))""",
    "identifiers are unique, and links lead somewhere": """(() => {
        const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
        return ids.filter((id, i) => ids.indexOf(id) !== i).concat([...document.querySelectorAll("a")]
          .map(a => a.getAttribute("href")).filter(h => !document.querySelector(h)));
      })()""",
}


def page(folder_name: str, **keys: object) -> Path:
    """Drawn once."""
    folder = FOLDER / folder_name
    if not (folder / "report.html").exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = [f"{key}={value}" for key, value in keys.items()]
        subprocess.run([PROGRAM, folder, *words], check=True, stdout=subprocess.DEVNULL)
    return folder / "report.html"


def two_classes() -> Path:
    return page("two", classes=2, photos=300)


class Page(unittest.TestCase):
    def check(self, file: Path, name: str, **view):
        BROWSER.open(file, **view)
        # Lazy pictures are decoded before they are looked at.
        BROWSER.value_of("Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode(); })).then(() => 1)")
        height = BROWSER.value_of("document.documentElement.scrollHeight")
        BROWSER.screenshot(file.parent / f"{name}.png", view["width"], height)
        for rule, expression in RULES.items():
            with self.subTest(page=f"{file.parent.name} {name}", rule=rule):
                self.assertEqual(BROWSER.value_of(expression.replace("WIDTH", str(view["width"]))), [])
        self.check_events()

    def check_events(self):
        for method, parameters in BROWSER.events:
            self.assertNotIn(method, ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"), parameters)
            if method == "Network.requestWillBeSent":
                self.assertRegex(parameters["request"]["url"], r"^(data:|file:///.*/report\.html$)")

    def check_all_views(self, file: Path):
        for name, (width, height) in {"phone": PHONE, "desktop": DESKTOP}.items():
            for dark in (False, True):
                shade = "dark" if dark else "light"
                self.check(file, f"{name} {shade}", width=width, height=height, dark=dark)

    def test_two_classes(self):
        self.check_all_views(two_classes())

    def test_forty_classes(self):
        self.check_all_views(page("forty", classes=40, photos=900))

    def test_thirty_classes_have_a_matrix(self):
        self.check_all_views(page("thirty", classes=30, photos=900))

    def test_one_class_in_validation_and_photos_that_are_gone(self):
        self.check_all_views(page("one", only=1, photos=200, missing=15))

    def test_names_that_are_long_or_look_like_markup(self):
        for name, text in {"markup": "<script>alert(1)</script>\"'&amp;", "long": "W" * 200}.items():
            file = page(name, classes=3, photos=100, name=text)
            self.check_all_views(file)
            self.assertEqual(BROWSER.value_of("document.querySelectorAll('script').length"), 1)
            self.assertTrue(BROWSER.value_of(f"document.body.innerText.includes({text!r})"))

    def test_print_is_light_also_on_a_dark_screen(self):
        self.check(two_classes(), "print", width=700, height=1000, dark=True, media="print")
        self.assertEqual(BROWSER.value_of("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)")
        pdf = BROWSER.pdf()
        self.assertTrue(pdf.startswith(b"%PDF"))
        self.assertLess(len(re.findall(rb"/Type\s*/Page\b", pdf)), 15)
        (two_classes().parent / "print.pdf").write_bytes(pdf)

    def test_tables_are_sorted_and_photos_filtered(self):
        BROWSER.open(page("forty", classes=40, photos=900), *DESKTOP)
        column = """[...document.querySelectorAll("#classes ~ .scroll tbody tr")].map(r => r.cells[5].textContent === "-" ? -1 : +r.cells[5].textContent)"""
        click = """document.querySelectorAll("#classes ~ .scroll thead button")[5].click()"""
        before = BROWSER.value_of(column)
        BROWSER.value_of(click)
        self.assertEqual(BROWSER.value_of(column), sorted(before, reverse=True))
        BROWSER.value_of(click)
        self.assertEqual(BROWSER.value_of(column), sorted(before))
        self.assertEqual(BROWSER.value_of("document.querySelectorAll('[aria-sort=ascending]').length"), 1)
        shown = BROWSER.value_of("""(() => {
            const wall = document.querySelector("#mistakes ~ .wall");
            const select = wall.previousElementSibling.querySelector("select");
            select.selectedIndex = 1;
            select.dispatchEvent(new Event("change"));
            return [...wall.children].filter(p => p.checkVisibility()).map(p => p.dataset.class);
        })()""")  # fmt: skip
        self.assertGreater(len(shown), 0)
        self.assertEqual(len(set(shown)), 1)
        self.check_events()

    def test_the_keyboard_comes_first_to_the_skip_link_and_focus_is_seen(self):
        BROWSER.open(two_classes(), *DESKTOP)
        tab = dict(key="Tab", code="Tab", windowsVirtualKeyCode=9)
        seen = []
        for _ in range(14):
            BROWSER.call("Input.dispatchKeyEvent", type="keyDown", **tab)
            BROWSER.call("Input.dispatchKeyEvent", type="keyUp", **tab)
            seen.append(BROWSER.value_of("""(() => {
                const e = document.activeElement, box = e.getBoundingClientRect();
                return [e.textContent.trim().slice(0, 20), getComputedStyle(e).outlineStyle,
                        box.left >= 0 && box.right <= innerWidth && box.bottom > 0 && box.top < innerHeight];
            })()"""))  # fmt: skip
        self.assertEqual(seen[0][0], "Skip to the result")
        for name, outline, inside in seen:
            self.assertNotEqual(outline, "none", name)
            self.assertTrue(inside, name)

    def test_without_a_script_all_is_there(self):
        # Of the controls that the script adds there is none, and the text is the same.
        text = """document.querySelector("main").innerText.replace(/\\s+/g, " ")"""
        BROWSER.open(two_classes(), *DESKTOP)
        BROWSER.value_of("document.querySelectorAll('.filter').forEach(f => f.remove())")
        with_script = BROWSER.value_of(text)
        BROWSER.open(two_classes(), *DESKTOP, script=False)
        self.assertEqual(BROWSER.value_of("document.querySelectorAll('button, select').length"), 0)
        self.assertEqual(BROWSER.value_of(text), with_script)
        self.check_events()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--keep", type=Path)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program
    chromium = find_chromium()
    if chromium is None:
        print("skipped: needs Chromium; run tools/install_deps.sh system")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder, Browser(chromium) as BROWSER:
        FOLDER = arguments.keep or Path(folder)
        unittest.main(argv=[sys.argv[0], "-q", *rest])
