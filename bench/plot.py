#!/usr/bin/env python3
"""Bars of a comparison by bench/peers.py, as an SVG.

    bench/plot.py build/release/bench/results/peers.json build/release/bench/results/peers.svg

One panel a work, one bar an engine: the median, with a line from the slowest round to the quickest.
"""

import argparse
import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, NAMES, BARS = 720, 150, 440  # the whole, the column of names, the longest bar
ROW, BAR, TITLE, GAP, MARGIN = 24, 16, 30, 14, 12
GRAFT, PEER, LINE, INK = "#1f7a4d", "#a9b4c2", "#3c4652", "#20262d"
SCHEMA = "graft-peers/1"


def number(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def text(x: float, y: float, content: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(content)}</text>'


def bar(engine: dict, unit: str, scale: float, top: float) -> list[str]:
    """A name, a bar as long as the median, the spread, and the number."""
    figure = engine["figure"]
    left, middle = MARGIN + NAMES, top + ROW / 2
    colour = GRAFT if engine["name"].startswith("graft") else PEER
    length, low, high = (figure[key] * scale for key in ("median", "min", "max"))
    return [
        text(left - 8, middle + 4, engine["name"], 'text-anchor="end"'),
        f'<rect x="{left}" y="{middle - BAR / 2}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<path d="M{left + low:.1f} {middle}H{left + high:.1f}" stroke="{LINE}"/>',
        text(left + max(length, high) + 6, middle + 4, f"{number(figure['median'])} {unit}"),
    ]


def panel(work: dict, top: float) -> list[str]:
    better = "more is better" if work["unit"] == "images/s" else "less is better"
    longest = max(engine["figure"]["max"] for engine in work["engines"])
    shapes = [text(MARGIN, top + 18, f"{work['name']}: {work['unit']}, {better}", 'font-weight="bold"')]
    for row, engine in enumerate(work["engines"]):
        shapes += bar(engine, work["unit"], BARS / longest, top + TITLE + row * ROW)
    return shapes


def height(work: dict) -> int:
    return TITLE + ROW * len(work["engines"]) + GAP


def svg(report: dict) -> str:
    """The whole drawing; the machine and the date stand at its foot."""
    if report.get("schema") != SCHEMA:
        raise ValueError(f"the schema is {report.get('schema')} where {SCHEMA} is due")
    shapes, top = [], float(MARGIN)
    for work in report["works"]:
        shapes += panel(work, top)
        top += height(work)
    machine = report["machine"]
    where = machine.get("gpu") or f"{machine['processor']}, {report['threads']} threads, fp32"
    foot = f"{where}, {machine['date'][:10]}"
    shapes.append(text(MARGIN, top + 12, f"{foot}; lines: slowest to quickest round", 'font-size="11"'))
    total = top + 24
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total:.0f}" width="{WIDTH}" '
        f'height="{total:.0f}" font-family="sans-serif" font-size="13" fill="{INK}">'
    )
    ground = f'<rect width="{WIDTH}" height="{total:.0f}" fill="#ffffff"/>'
    return "\n".join([opening, ground, *shapes, "</svg>", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="what bench/peers.py --json wrote")
    parser.add_argument("drawing", type=Path, help="the SVG to write")
    options = parser.parse_args()
    try:
        drawing = svg(json.loads(options.report.read_text(encoding="utf-8")))
        options.drawing.write_text(drawing, encoding="utf-8")
    except (OSError, ValueError, KeyError) as error:
        print(f"plot.py: {options.report}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
