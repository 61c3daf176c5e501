#!/usr/bin/env python3
"""Results of graft-bench and of bench/peers.py as a drawing.

    bench/plot.py RESULT.json... -o OUT.svg    or .png, .pdf; up to six results, next to each other

Of graft-bench: the roofline with every case whose flop and bytes are counted (Williams, Waterman, Patterson 2009),
and bars of the times. Of bench/peers.py: for each work, how many times as long as graft each engine takes. Results
differ in marks, dashes and hatching, so that black and white is enough.

Needs matplotlib: Debian's python3-matplotlib, or `python3 -m pip install matplotlib`.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import results
from results import Measurement, Result, ResultError, figures, four_digits, no_times_reason, printable, time_text

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter
except ModuleNotFoundError:
    matplotlib = None

# One of each for a result.
MARKS = "osDv^P"
DASHES = ("-", "--", ":", "-.", (0, (8, 3)), (0, (1, 4)))
HATCHES = ("", "////", "----", "....", "||||", "xxxx")
FILLS = ("#57606a", *["#ffffff"] * 5)
INK, GRAFT, PEER = "#1f2328", "#1f7a4d", "#a9b4c2"
# Inches: of the drawing, of a bar, between the panels, of the roofline.
WIDTH, ROW, MARGIN, ROOFLINE = 13.0, 0.2, 0.75, 5.0
LARGEST_LINEAR_RATIO = 30.0  # beyond it, short bars would vanish
STYLE = {
    "font.size": 8,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a $ in a name is a $
    "svg.fonttype": "none",
    "svg.hashsalt": "graft",  # the same bytes for the same results
}


class Panel(NamedTuple):
    """A part of the drawing: its height in inches without title and ticks, and what draws it on axes."""

    height: float
    draw: partial


def label_of(result: Result) -> str:
    interrupted = [] if result["complete"] else ["interrupted"]
    return printable("; ".join([results.description(result), *result["warnings"], *interrupted]))


def numbers_of(drawn: list[Result]) -> dict[str, int]:
    """A number for each case, which its bars and its point share."""
    names = dict.fromkeys(one["name"] for result in drawn for one in result["measurements"] if one["suite"] != "peers")
    return {name: number for number, name in enumerate(names, start=1)}


def style_of(index: int) -> dict:
    return {"hatch": HATCHES[index], "facecolor": FILLS[index], "edgecolor": INK}


def draw_legend(drawn: list[Result], axes: "Axes") -> None:
    axes.set(xlim=(0, WIDTH), ylim=(len(drawn) - 0.5, -0.5))
    axes.axis("off")
    for index, result in enumerate(drawn):
        axes.plot(0.1, index, MARKS[index], color=INK, markerfacecolor="none")
        axes.plot([0.25, 0.65], [index, index], linestyle=DASHES[index], color=INK)
        axes.barh(index, 0.35, 0.6, 0.75, **style_of(index))
        axes.text(1.2, index, label_of(result), va="center").set_in_layout(False)


def is_counted(one: Measurement) -> bool:
    return not no_times_reason(one) and min(one["cost"]["flop"], one["cost"]["bytes"]) > 0


def draw_ceilings(axes: "Axes", ceilings: dict, dashes: object, leftmost: float, rightmost: float) -> None:
    """The slope of the memory up to the highest peak, and each peak from the slope on."""
    style = {"color": INK, "linestyle": dashes, "gid": "ceiling"}
    copy, peaks = ceilings["bytes_per_second"], {key: peak for key, peak in ceilings["flop_per_second"].items() if peak}
    for precision, peak in peaks.items():
        axes.plot([max(leftmost, peak / copy) if copy else leftmost, rightmost], [peak, peak], **style)
        axes.text(rightmost, peak, f"{precision} {four_digits(peak / 1e9)} GFLOP/s", ha="right", va="bottom")
    if copy:
        end = max(peaks.values()) / copy if peaks else rightmost
        start = min(leftmost, end)
        axes.plot([start, end], [start * copy, end * copy], **style)
        axes.text(start, start * copy, f"copy {four_digits(copy / 1e9)} GB/s", va="top")


def draw_roofline(drawn: list[Result], numbers: dict[str, int], axes: "Axes") -> None:
    points = [(index, one) for index, result in enumerate(drawn) for one in result["measurements"] if is_counted(one)]
    if not points:
        axes.axis("off")
        axes.text(0, 0.5, "No case counts both its flop and its bytes: there is no roofline.")
        return
    axes.set(xscale="log", yscale="log", xlabel="flop per byte")
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.yaxis.set_major_formatter(EngFormatter(unit="flop/s"))
    axes.set_title("Roofline: lines are the ceilings of the same run, numbers are those of the bars", loc="left")
    ceilings = {index: drawn[index]["ceilings"] for index, _ in points}
    intensities = []
    for index, one in points:
        intensity, speed = one["cost"]["flop"] / one["cost"]["bytes"], figures(one, ceilings[index])["flop/s"]
        intensities.append(intensity)
        axes.plot(intensity, speed, MARKS[index], color=INK, markerfacecolor="none", gid="point")
        axes.annotate(str(numbers[one["name"]]), (intensity, speed), (4, 2), textcoords="offset points", fontsize=6)
    for found in ceilings.values():
        peaks, copy = found["flop_per_second"].values(), found["bytes_per_second"]
        intensities += [peak / copy for peak in peaks if copy and peak]
    for index, found in ceilings.items():
        draw_ceilings(axes, found, DASHES[index], min(intensities) / 2, max(intensities) * 2)
    axes.grid(color="#d8dde3", linewidth=0.5)


class Bar(NamedTuple):
    """From the start of the scale to `middle`, with a line from `low` to `high`; only a text without a middle."""

    text: str
    style: dict
    middle: float | None = None
    low: float = 0.0
    high: float = 0.0


def bars(title: str, unit: str, groups: dict[str, list[Bar]]) -> Panel:
    """The bars of a group are below each other, next to its name."""
    rows = sum(map(len, groups.values())) + 0.5 * len(groups)
    return Panel(ROW * rows, partial(draw_bars, title, unit, groups, rows))


def draw_bars(title: str, unit: str, groups: dict[str, list[Bar]], rows: float, axes: "Axes") -> None:
    present = [bar for group in groups.values() for bar in group if bar.middle]
    shortest, longest = min((bar.low for bar in present), default=1.0), max((bar.high for bar in present), default=1.0)
    is_linear = longest <= LARGEST_LINEAR_RATIO * shortest
    start = 0.0 if is_linear else shortest / 2
    axes.set(xscale="linear" if is_linear else "log", xlim=(start, longest), ylim=(rows - 0.5, -0.75))
    y, places = 0.0, []
    for group in groups.values():
        places.append(y + (len(group) - 1) / 2)
        for bar in group:
            text = axes.text(max(bar.middle or start, bar.high), y, f" {printable(bar.text)}", va="center")
            text.set_in_layout(bar.middle is not None)  # a long sentence does not make the bars shorter
            if bar.middle:
                axes.barh(y, bar.middle - start, 0.8, start, **bar.style)
                for colour, width, gid in (("#ffffff", 4, "ground"), (INK, 1.5, "spread")):
                    spread = axes.plot([bar.low, bar.high], [y, y], color=colour, linewidth=width, gid=gid)
                    spread[0].set_solid_capstyle("butt")
            y += 1
        y += 0.5
    axes.set_yticks(places, [printable(name) for name in groups])
    if unit:
        axes.xaxis.set_major_formatter(EngFormatter(unit=unit))
    axes.set_title(f"{printable(title)}, {'linear from 0' if is_linear else 'logarithmic'}", loc="left")


def time_bars(drawn: list[Result], suite: str, numbers: dict[str, int]) -> Panel:
    """The median of each case, with a line from the lower to the upper quartile; a bar for each result."""
    groups: dict[str, list[Bar]] = {}
    for index, result in enumerate(drawn):
        for one in result["measurements"]:
            reason, found = no_times_reason(one), one["summary"]
            if one["suite"] == suite:
                ends = () if reason else (found["median"], found["lower_quartile"], found["upper_quartile"])
                text = f"no time: {reason}" if reason else time_text(found["median"])
                groups.setdefault(f"{numbers[one['name']]}  {one['name']}", []).append(Bar(text, style_of(index), *ends))
    return bars(f"{suite}: median time and quartiles", "s", groups)


def ratio_bars(result: Result, work: str) -> Panel:
    """Each engine's time as a multiple of graft's in the same round: the median, with a line from the least to the
    most."""
    engines = {one["axes"]["engine"]: one for one in result["measurements"] if work_of(one) == work}
    base = next((name for name, one in engines.items() if name.startswith("graft") and one["samples"]), None)
    groups = {}
    for name, one in engines.items():
        reason = no_times_reason(one) or (None if base else "graft has no times")
        times = [] if reason else [a / b for a, b in zip(one["samples"], engines[base]["samples"])]
        ends = () if reason else (median(times), min(times), max(times))
        text = f"no time: {reason}" if reason else f"{median(times):.2f} × ({figure_text(one)})"
        groups[name] = [Bar(text, {"color": GRAFT if name.startswith("graft") else PEER}, *ends)]
    return bars(f"{work}: time as a multiple of {base or 'graft'}'s, less is better", "", groups)


def work_of(one: Measurement) -> str | None:
    """Of peers.py; None of graft-bench."""
    return one["axes"].get("work", "") if one["suite"] == "peers" and "engine" in one["axes"] else None


def figure_text(one: Measurement) -> str:
    """What people want to know: images a second, or the time."""
    middle = one["summary"]["median"]
    return f"{four_digits(one['items'] / middle)} images/s" if one["item"] == "images" else time_text(middle)


def panels_of(drawn: list[Result]) -> list[Panel]:
    suites = {one["suite"] for result in drawn for one in result["measurements"]} - {"peers"}
    numbers = numbers_of(drawn)
    found = [Panel(ROW * len(drawn), partial(draw_legend, drawn))]
    if suites:
        found.append(Panel(ROOFLINE, partial(draw_roofline, drawn, numbers)))
    found += [time_bars(drawn, suite, numbers) for suite in results.SUITES if suite in suites]
    for result in drawn:
        works = dict.fromkeys(map(work_of, result["measurements"]))
        found += [ratio_bars(result, work) for work in works if work is not None]
    return found


def drawing(drawn: list[Result]) -> "Figure":
    """Raises ResultError for too many results, and for one without times."""
    if len(drawn) > len(MARKS):
        raise ResultError(f"{len(drawn)} results are more than a drawing can tell apart; give {len(MARKS)} at most")
    for index, result in enumerate(drawn, start=1):
        if not any(one["samples"] for one in result["measurements"]):
            raise ResultError(f"result {index} of {len(drawn)} ({label_of(result)}) has no times to draw")
    panels = panels_of(drawn)
    heights = [panel.height for panel in panels]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sum(heights) + MARGIN * len(panels)), layout="constrained")
        rows = figure.subplots(len(panels), gridspec_kw={"height_ratios": heights}, squeeze=False)
        for axes, panel in zip(rows.flat, panels, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            panel.draw(axes)
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Under another name first, so that there is never half a drawing."""
    kind = path.suffix[1:] or "svg"
    part = path.with_name(f"{path.name}.part")
    with matplotlib.rc_context(STYLE):
        figure.savefig(part, format=kind, metadata={"Date": None} if kind == "svg" else None)
    os.replace(part, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="what --json of graft-bench or bench/peers.py wrote")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the drawing: .svg, .png or .pdf")
    options = parser.parse_args()
    try:
        if options.output.resolve() in [path.resolve() for path in options.results]:
            raise ResultError(f"{options.output} is one of the results; give the drawing another name")
        if matplotlib is None:
            install = "install Debian's python3-matplotlib, or run python3 -m pip install matplotlib"
            raise ResultError(f"matplotlib is not installed for {sys.executable}; {install}")
        save(drawing([results.read(path) for path in options.results]), options.output)
    except (ResultError, OSError, ValueError) as error:  # matplotlib's ValueError: it has no such format
        print(f"plot.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
