#!/usr/bin/env python3
"""Draws docs/report.webp: the page of a run on drawings of fruit, on a desktop and on a phone.

    docs/report_example.py build/release/graft [--keep FOLDER]

Needs Chromium (tools/install_deps.sh system) and the weights (tools/fetch_weights.sh). Chromium draws the photos too,
so that nobody's rights are in them. The same versions of both programs give the same picture.
"""

import argparse
import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "tests/report"))
sys.dont_write_bytecode = True

from browser import Browser, find_chromium  # noqa: E402

CLASSES = ("apples", "lemons", "pears")
SETS = {"train": 70, "validation": 80}  # drawings of each class

# draw(class, seed) gives a JPEG of one fruit, as base64. Colours overlap, and some fruit are dark, blurred, far away or
# half behind the edge: those are hard.
DRAW = """
function draw(kind, seed) {
  let state = seed * 2654435761 >>> 0;
  const random = () => {  // mulberry32
    state = state + 0x6D2B79F5 >>> 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
  const between = (low, high) => low + (high - low) * random();
  random();
  const width = 240, height = random() < .5 ? 240 : 190;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const c = canvas.getContext("2d");
  const table = between(0, 360);
  const back = c.createLinearGradient(0, 0, between(0, width), height);
  back.addColorStop(0, `hsl(${table} ${between(10, 40)}% ${between(55, 85)}%)`);
  back.addColorStop(1, `hsl(${table + between(-30, 30)} ${between(10, 40)}% ${between(25, 60)}%)`);
  c.fillStyle = back;
  c.fillRect(0, 0, width, height);
  const hard = random() < .3;
  const size = hard ? between(22, 48) : between(58, 84);
  c.translate(width * (hard ? between(.05, .95) : between(.4, .6)), height * (hard ? between(.15, .85) : between(.42, .58)));
  c.rotate(between(-1, 1) * (kind === "lemons" ? 1.4 : hard ? 1.3 : .35));
  c.scale(size * between(.92, 1.08), size * between(.92, 1.08));
  if (hard) c.filter = `blur(${between(0, 5)}px)`;
  c.shadowColor = "rgba(0, 0, 0, .45)";
  c.shadowBlur = 18;
  c.shadowOffsetY = 8;
  const hue = { apples: random() < .6 ? between(-8, 14) : between(70, 105), lemons: random() < .8 ? between(46, 56) : between(70, 95),
                pears: random() < .75 ? between(58, 85) : between(20, 50) }[kind];
  const light = between(hard ? 22 : 42, 56);
  const skin = c.createRadialGradient(-.35, -.4, .05, 0, 0, 1.35);
  skin.addColorStop(0, `hsl(${hue + 6} 85% ${light + 28}%)`);
  skin.addColorStop(.45, `hsl(${hue} 78% ${light}%)`);
  skin.addColorStop(1, `hsl(${hue - 12} 80% ${light * .45}%)`);
  c.fillStyle = skin;
  c.beginPath();
  if (kind === "apples") {
    c.moveTo(0, -.72);
    c.bezierCurveTo(.45, -1.1, 1.15, -.75, 1, .05);
    c.bezierCurveTo(.9, .75, .45, 1.1, 0, .92);
    c.bezierCurveTo(-.45, 1.1, -.9, .75, -1, .05);
    c.bezierCurveTo(-1.15, -.75, -.45, -1.1, 0, -.72);
  } else if (kind === "lemons") {
    c.moveTo(-1.2, 0);
    c.bezierCurveTo(-1, -.2, -.75, -.75, 0, -.75);
    c.bezierCurveTo(.75, -.75, 1, -.2, 1.2, 0);
    c.bezierCurveTo(1, .2, .75, .75, 0, .75);
    c.bezierCurveTo(-.75, .75, -1, .2, -1.2, 0);
  } else {
    const neck = between(.28, .5);
    c.moveTo(0, -1.15);
    c.bezierCurveTo(neck, -1.15, neck, -.6, neck + .08, -.3);
    c.bezierCurveTo(neck + .15, 0, .95, .1, .9, .55);
    c.bezierCurveTo(.85, 1.1, .3, 1.1, 0, 1.02);
    c.bezierCurveTo(-.3, 1.1, -.85, 1.1, -.9, .55);
    c.bezierCurveTo(-.95, .1, -neck - .15, 0, -neck - .08, -.3);
    c.bezierCurveTo(-neck, -.6, -neck, -1.15, 0, -1.15);
  }
  c.fill();
  c.shadowColor = "transparent";
  if (kind !== "lemons" && random() < .8) {
    const top = kind === "apples" ? -.7 : -1.1;
    c.strokeStyle = "#4b3621";
    c.lineWidth = .09;
    c.lineCap = "round";
    c.beginPath();
    c.moveTo(0, top);
    c.quadraticCurveTo(.05, top - .25, between(-.2, .25), top - .42);
    c.stroke();
  }
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.filter = "none";
  const pixels = c.getImageData(0, 0, width, height);
  for (let i = 0; i < pixels.data.length; i++) if (i % 4 < 3) pixels.data[i] += 14 * (random() - .5);
  c.putImageData(pixels, 0, 0);
  return canvas.toDataURL("image/jpeg", .9).split(",")[1];
}
"""

# The two pictures side by side.
FRAME = """<!DOCTYPE html><meta charset="utf-8"><style>
body { margin: 0; width: 1400px; height: 900px; background: linear-gradient(135deg, #dbe7f5, #f3e7dc); position: relative; overflow: hidden; }
img { position: absolute; box-shadow: 0 12px 40px rgba(20, 30, 50, .32); }
.desktop { left: 28px; top: 36px; width: 985px; height: 828px; border-radius: 12px; object-fit: cover; object-position: top; }
.phone { right: 24px; top: 92px; width: 332px; border-radius: 30px; border: 9px solid #14181f; }
</style><img class="desktop" src="desktop.png"><img class="phone" src="phone.png">"""


def draw_photos(browser: Browser, folder: Path):
    seed = 0
    browser.value_of(DRAW)
    for name, count in SETS.items():
        for kind in CLASSES:
            (folder / name / kind).mkdir(parents=True)
            for number in range(count):
                seed += 1
                jpeg = base64.b64decode(browser.value_of(f"draw('{kind}', {seed})"))
                (folder / name / kind / f"{kind[:-1]}.{number}.jpg").write_bytes(jpeg)


def run_graft(program: Path, folder: Path):
    config = {
        "output": "runs/fruit",
        "device": "cpu",
        "data": {"train": "fruit/train", "validation": "fruit/validation", "image_size": [96, 96]},
        "backbone": {"weights": "${GRAFT_CACHE}/vgg16_imagenet.safetensors"},
    }
    (folder / "fruit.json").write_text(json.dumps(config))
    subprocess.run([program.resolve(), "run", "fruit.json"], cwd=folder, check=True)


def take_picture(browser: Browser, folder: Path, picture: Path):
    page = folder / "runs/fruit/result/report.html"
    browser.open(page, 1180, 992)
    browser.screenshot(folder / "desktop.png", 1180, 992, scale=2)
    browser.open(page, 360, 740, dark=True)
    browser.value_of("""Promise.all([...document.images].map(i => { i.loading = "eager"; return i.decode(); }))""")
    top = browser.value_of("""Math.round(document.querySelector("#mistakes").getBoundingClientRect().top + scrollY) - 20""")
    browser.screenshot(folder / "phone.png", 360, 740, top=top, scale=2)
    frame = folder / "frame.html"
    frame.write_text(FRAME)
    browser.open(frame, 1400, 900)
    browser.screenshot(picture, 1400, 900, quality=82)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graft", type=Path, help="the program")
    parser.add_argument("--keep", type=Path, help="an empty folder for the photos, the run and the screenshots")
    arguments = parser.parse_args()
    chromium = find_chromium() or sys.exit("Chromium is not installed; run tools/install_deps.sh system")
    with tempfile.TemporaryDirectory() as temporary, Browser(chromium) as browser:
        folder = arguments.keep or Path(temporary)
        draw_photos(browser, folder / "fruit")
        run_graft(arguments.graft, folder)
        take_picture(browser, folder, PROJECT / "docs/report.webp")


if __name__ == "__main__":
    main()
