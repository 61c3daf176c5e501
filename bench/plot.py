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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

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
INK, FAINT, GRAFT, PEER = "#1f2328", "#59636e", "#1f7a4d", "#a9b4c2"
# Inches. A name is on the left of its bar.
WIDTH, LEFT, RIGHT, ROW, MARGIN, ROOFLINE = 13.0, 5.5, 1.8, 0.2, 0.75, 5.0
LARGEST_LINEAR_RATIO = 30.0  # beyond it, short bars would vanish
STYLE = {
    "font.size": 8,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a $ in a name is a $
    "svg.fonttype": "none",
    "svg.hashsalt": "graft",  # the same bytes for the same results
}


@dataclass
class Panel:
    """A part of the drawing: its height in inches without title and ticks, and what draws it."""

    height: float
    draw: Callable[["Axes"], None]
    left: float = LEFT


def label_of(result: Result) -> str:
    device, build = result["device"], result["build"]
    parts = [device["name"] or device["device"]]
    if build["commit"]:
        parts.append(build["commit"][:10] + (" with changes" if build["dirty"] else ""))
    interrupted = [] if result["complete"] else ["interrupted"]
    return "; ".join([", ".join([*parts, result["date"]]), *result["warnings"], *interrupted])


def has_times(result: Result) -> bool:
    return any(one["samples"] for one in result["measurements"])


def numbers_of(drawn: list[Result]) -> dict[str, int]:
    """A number for each case, which its bars and its point share."""
    names = dict.fromkeys(one["name"] for result in drawn for one in result["measurements"] if one["suite"] != "peers")
    return {name: number for number, name in enumerate(names, start=1)}


def legend(drawn: list[Result]) -> Panel:
    def draw(axes: "Axes") -> None:
        axes.set(xlim=(0, WIDTH), ylim=(len(drawn) - 0.5, -0.5))
        axes.axis("off")
        for index, result in enumerate(drawn):
            axes.plot(0.1, index, MARKS[index], color=INK, markerfacecolor="none")
            axes.plot([0.25, 0.65], [index, index], linestyle=DASHES[index], color=INK)
            axes.barh(index, 0.35, 0.6, 0.75, hatch=HATCHES[index], facecolor=FILLS[index], edgecolor=INK)
            axes.text(1.2, index, printable(label_of(result)), va="center")

    return Panel(ROW * len(drawn), draw, left=0.3)


def is_counted(one: Measurement) -> bool:
    return bool(one["samples"] and one["cost"]["flop"] and one["cost"]["bytes"])


def draw_ceilings(axes: "Axes", ceilings: dict, dashes: object, leftmost: float, rightmost: float) -> None:
    """The slope of the memory up to the highest peak, and each peak from the slope on."""
    style = {"color": INK, "linestyle": dashes, "gid": "ceiling"}
    copy, peaks = ceilings["bytes_per_second"], ceilings["flop_per_second"]
    for precision, peak in peaks.items():
        axes.plot([max(leftmost, peak / copy) if copy else leftmost, rightmost], [peak, peak], **style)
        axes.text(rightmost, peak, f"{precision} {four_digits(peak / 1e9)} GFLOP/s", ha="right", va="bottom")
    if copy:
        end = max(peaks.values()) / copy if peaks else rightmost
        start = min(leftmost, end)
        axes.plot([start, end], [start * copy, end * copy], **style)
        axes.text(start, start * copy, f"copy {four_digits(copy / 1e9)} GB/s", va="top")


def roofline(drawn: list[Result], numbers: dict[str, int]) -> Panel:
    def draw(axes: "Axes") -> None:
        points = [(index, one) for index, result in enumerate(drawn) for one in result["measurements"] if is_counted(one)]
        if not points:
            axes.axis("off")
            axes.text(0, 0.5, "No case counts both its flop and its bytes: there is no roofline.", color=FAINT)
            return
        axes.set(xscale="log", yscale="log", xlabel="flop per byte")
        axes.xaxis.set_major_formatter(EngFormatter())
        axes.yaxis.set_major_formatter(EngFormatter(unit="flop/s"))
        axes.set_title("Roofline: lines are the ceilings of the same run, numbers are those of the bars", loc="left")
        intensities = [one["cost"]["flop"] / one["cost"]["bytes"] for _, one in points]
        for result in drawn:
            copy = result["ceilings"]["bytes_per_second"]
            intensities += [peak / copy for peak in result["ceilings"]["flop_per_second"].values() if copy and peak]
        edges = min(intensities) / 2, max(intensities) * 2
        for index, result in enumerate(drawn):
            known = {key: peak for key, peak in result["ceilings"]["flop_per_second"].items() if peak}
            draw_ceilings(axes, result["ceilings"] | {"flop_per_second": known}, DASHES[index], *edges)
        for (index, one), intensity in zip(points, intensities):
            speed = figures(one, drawn[index]["ceilings"])["flop/s"]
            axes.plot(intensity, speed, MARKS[index], color=INK, markerfacecolor="none", gid="point")
            axes.annotate(str(numbers[one["name"]]), (intensity, speed), (4, 2), textcoords="offset points", fontsize=6)
        axes.grid(color="#d8dde3", linewidth=0.5)

    counted = any(is_counted(one) for result in drawn for one in result["measurements"])
    return Panel(ROOFLINE if counted else ROW, draw, left=1.2)


def draw_bar(axes: "Axes", y: float, one: Measurement, result: int, start: float) -> None:
    """The median, with a line from the lower to the upper quartile."""
    reason = no_times_reason(one)
    if reason:
        axes.text(start, y, f" no time: {printable(reason)}", va="center", color=FAINT)
        return
    summary = one["summary"]
    style = {"hatch": HATCHES[result], "facecolor": FILLS[result], "edgecolor": INK}
    axes.barh(y, summary["median"] - start, 0.8, start, **style)
    ends = [summary["lower_quartile"], summary["upper_quartile"]]
    axes.plot(ends, [y, y], color="#ffffff", linewidth=4, solid_capstyle="butt")
    axes.plot(ends, [y, y], color=INK, linewidth=1.5, solid_capstyle="butt", gid="quartiles")
    axes.text(max(summary["median"], ends[1]), y, f" {time_text(summary['median'])}", va="center")


def bars(drawn: list[Result], suite: str, numbers: dict[str, int]) -> Panel:
    """A bar for each result, below each other for each case."""
    cases: dict[str, list[tuple[int, Measurement]]] = {}
    for index, result in enumerate(drawn):
        for one in result["measurements"]:
            if one["suite"] == suite:
                cases.setdefault(one["name"], []).append((index, one))
    rows = sum(len(measured) for measured in cases.values()) + 0.5 * len(cases)

    def draw(axes: "Axes") -> None:
        timed = [one["summary"] for measured in cases.values() for _, one in measured if not no_times_reason(one)]
        shortest = min((summary["lower_quartile"] for summary in timed), default=1.0)
        longest = max((summary["upper_quartile"] for summary in timed), default=1.0)
        is_linear = longest <= LARGEST_LINEAR_RATIO * shortest
        start = 0.0 if is_linear else shortest / 2
        if not is_linear:
            axes.set_xscale("log")
        axes.set(xlim=(start, longest), ylim=(rows - 0.5, -0.75))
        y, places = 0.0, []
        for measured in cases.values():
            places.append(y + (len(measured) - 1) / 2)
            for index, one in measured:
                draw_bar(axes, y, one, index, start)
                y += 1
            y += 0.5
        axes.set_yticks(places, [f"{numbers[name]}  {printable(name)}" for name in cases])
        axes.xaxis.set_major_formatter(EngFormatter(unit="s"))
        scale = "linear from 0" if is_linear else "logarithmic"
        axes.set_title(f"{suite}: median time and quartiles, {scale}", loc="left")

    return Panel(ROW * rows, draw)


def figure_text(one: Measurement) -> str:
    """What people want to know: images a second, or the time."""
    middle = one["summary"]["median"]
    return f"{four_digits(one['items'] / middle)} images/s" if one["item"] == "images" else time_text(middle)


def ratios(result: Result, work: str) -> Panel:
    """Each engine's time as a multiple of graft's in the same round: the median, with a line from the least to the
    most."""
    engines = [one for one in result["measurements"] if one["suite"] == "peers" and one["axes"].get("work") == work]
    timed = [one for one in engines if not no_times_reason(one)]
    base = next((one for one in timed if one["axes"].get("engine", "").startswith("graft")), None)

    def draw(axes: "Axes") -> None:
        longest = 1.0
        for y, one in enumerate(engines):
            reason = no_times_reason(one) or (None if base else "graft has no times")
            if reason:
                axes.text(0, y, f" no time: {printable(reason)}", va="center", color=FAINT)
                continue
            times = [seconds / of_graft for seconds, of_graft in zip(one["samples"], base["samples"])]
            colour = GRAFT if one["axes"]["engine"].startswith("graft") else PEER
            axes.barh(y, median(times), 0.7, color=colour)
            axes.plot([min(times), max(times)], [y, y], color=INK, linewidth=1, gid="range")
            axes.text(max(times), y, f" {median(times):.2f} × ({figure_text(one)})", va="center")
            longest = max(longest, *times)
        axes.set(xlim=(0, longest), ylim=(len(engines) - 0.5, -0.75))
        axes.set_yticks(range(len(engines)), [printable(one["axes"].get("engine", one["name"])) for one in engines])
        name = printable(base["axes"]["engine"]) if base else "graft"
        axes.set_title(f"{printable(work)}: time as a multiple of {name}'s, less is better", loc="left")

    return Panel(ROW * (len(engines) + 0.25), draw)


def panels_of(drawn: list[Result]) -> list[Panel]:
    suites = {one["suite"] for result in drawn for one in result["measurements"]}
    numbers = numbers_of(drawn)
    found = [legend(drawn)]
    if suites - {"peers"}:
        found.append(roofline(drawn, numbers))
    found += [bars(drawn, suite, numbers) for suite in results.SUITES if suite in suites - {"peers"}]
    for result in drawn:
        works = dict.fromkeys(one["axes"].get("work", "") for one in result["measurements"] if one["suite"] == "peers")
        found += [ratios(result, work) for work in works]
    return found


def drawing(drawn: list[Result]) -> "Figure":
    """Raises ResultError for too many results, and for one without times."""
    if len(drawn) > len(MARKS):
        raise ResultError(f"{len(drawn)} results are more than a drawing can tell apart; give {len(MARKS)} at most")
    for index, result in enumerate(drawn, start=1):
        if not has_times(result):
            raise ResultError(f"result {index} of {len(drawn)} ({label_of(result)}) has no times to draw")
    panels = panels_of(drawn)
    height = MARGIN + sum(panel.height + MARGIN for panel in panels)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        top = height - MARGIN / 2
        for panel in panels:
            bottom = top - panel.height
            width = WIDTH - panel.left - (RIGHT if panel.left == LEFT else 0.3)
            box = (panel.left / WIDTH, bottom / height, width / WIDTH, panel.height / height)
            axes = figure.add_axes(box)
            axes.spines[["top", "right"]].set_visible(False)
            panel.draw(axes)
            top = bottom - MARGIN
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Under another name first, so that nobody sees half a drawing."""
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
