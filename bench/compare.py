#!/usr/bin/env python3
"""Two results of graft-bench or of bench/peers.py, case by case: is the later one faster?

    bench/compare.py BEFORE.json AFTER.json
    bench/compare.py BEFORE.json AFTER.json --fail-on slower:5%    exit code 7 where a case is slower by more
    bench/compare.py BEFORE.json AFTER.json --json                 the same comparison as JSON

Cases are joined by name. The ratio is that of the medians, after / before, with a 95 % bootstrap interval. The
verdict is about the interval:

           1 − tolerance      1      1 + tolerance
  ── faster ───┤├───────── same ─────────┤├─── slower ──      in two of them at once: ambiguous

The tolerance is 1 %, or what --fail-on allows if that is less. The interval holds the scatter within the two runs.
It does not hold what changes from run to run (clocks, the layout of memory): repeat a run before you believe in a
small difference. With fewer than 6 samples on a side the verdict is ambiguous.

--fail-on also fails where a case that had times fails now, where AFTER was interrupted, and where no case could be
compared. A file that is not a result ends with exit code 1, a wrong option with 2.
"""

import argparse
import json
import random
import re
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

import results
from results import Measurement, Result, ResultError, no_times_reason, time_text

SLOWER_THAN_ALLOWED = 7  # the exit code
TOLERANCE = 0.01
RESAMPLES = 2000
VERDICTS = ("faster", "slower", "same", "ambiguous")
# Of a case without times before or after; lost: it had times before, and fails now.
NO_TIMES, LOST = "no times", "lost"


@dataclass
class Row:
    """A case that both results have. A case without times has no figures, and its warnings say why."""

    name: str
    verdict: str
    warnings: list[str]
    before: float | None = None  # median, seconds
    after: float | None = None
    ratio: float | None = None  # after / before
    low: float | None = None  # of the interval of the ratio
    high: float | None = None


Comparison = dict  # as --json prints it


def resampled_median(ascending: list[float], generator: random.Random) -> float:
    """The median of as many samples, drawn again from these with replacement. The middle ones of n uniform draws
    have Beta distributions (the k-th of n: Beta(k, n − k + 1)), so that one or two draws are enough."""
    count = len(ascending)
    middle = (count + 1) // 2
    low = generator.betavariate(middle, count - middle + 1)
    if count % 2:
        return ascending[int(low * count)]
    # The next one is the least of the count − middle draws above it.
    high = 1 - (1 - low) * generator.random() ** (1 / (count - middle))
    return (ascending[int(low * count)] + ascending[min(int(high * count), count - 1)]) / 2


def interval_of_ratio(before: list[float], after: list[float], seed: int = 1) -> tuple[float, float]:
    """Holds 95 % of the ratios of resampled medians: the percentile bootstrap (Efron 1979). The same for the
    same samples."""
    generator = random.Random(seed)
    sides = sorted(before), sorted(after)
    ratios = []
    for _ in range(RESAMPLES):
        low, high = (resampled_median(side, generator) for side in sides)
        ratios.append(high / low)
    cuts = quantiles(ratios, n=40, method="inclusive")  # every 2.5 %
    return cuts[0], cuts[-1]


def verdict_of(low: float, high: float, tolerance: float) -> str:
    if high < 1 - tolerance:
        return "faster"
    if low > 1 + tolerance:
        return "slower"
    return "same" if low >= 1 - tolerance and high <= 1 + tolerance else "ambiguous"


def compared(before: Measurement, after: Measurement, tolerance: float) -> Row:
    name, sides = after["name"], (("before", before), ("after", after))
    reasons = [f"{side}: {reason}" for side, one in sides if (reason := no_times_reason(one))]
    if reasons:
        is_lost = not no_times_reason(before) and after["ended"] == "failed"
        return Row(name, LOST if is_lost else NO_TIMES, reasons)
    warnings = [f"{side}: {warning}" for side, one in sides for warning in one["warnings"]]
    low, high = interval_of_ratio(before["samples"], after["samples"])
    verdict = verdict_of(low, high, tolerance)
    fewest, needed = min(len(one["samples"]) for _, one in sides), results.LEAST_SAMPLES_FOR_NOISE
    if fewest < needed:
        verdict = "ambiguous"
        warnings.append(f"too few samples for a verdict: {fewest}, and {needed} are needed")
    one, other = before["summary"]["median"], after["summary"]["median"]
    return Row(name, verdict, warnings, one, other, other / one, low, high)


def facts(of: Result) -> dict[str, str]:
    """What should be the same in both results."""
    device, build, method = of["device"], of["build"], of["method"]
    # An idle device may not tell whether its clocks are locked; at the end of a run it does.
    start, end = of["at_start"]["clocks_locked"], of["at_end"]["clocks_locked"]
    locked = end if start is None else start
    return {
        "devices": device["name"],
        "instruction sets": device["instruction_set"],
        "drivers": device["driver"],
        "CUDA": device["cuda"],
        "cuDNN": device["cudnn"],
        "compilers": build["compiler"],
        "builds": build["build_type"],
        "clocks": {None: "", True: "locked", False: "not locked"}[locked],
        "methods": ", ".join(f"{key} {value}" for key, value in method.items()),
    }


def compare(before: Result, after: Result, tolerance: float = TOLERANCE) -> Comparison:
    sides = {"before": before, "after": after}
    earlier, later = ({one["name"]: one for one in result["measurements"]} for result in sides.values())
    pairs = zip(facts(before).items(), facts(after).values())
    warnings = [
        f"{what}: {one or 'unknown'} before, {other or 'unknown'} after" for (what, one), other in pairs if one != other
    ]
    for side, result in sides.items():
        interrupted = [] if result["complete"] else ["interrupted"]
        warnings += [f"{side}: {warning}" for warning in (*interrupted, *result["warnings"])]
    rows = [compared(earlier[name], one, tolerance) for name, one in later.items() if name in earlier]
    found = Counter(row.verdict for row in rows)
    return {
        "schema": "graft-bench-compare/2",
        **{side: results.description(result) for side, result in sides.items()},
        "tolerance": tolerance,
        "after_complete": after["complete"],
        "warnings": warnings,
        "rows": rows,  # in the order of AFTER
        "only_before": [name for name in earlier if name not in later],
        "only_after": [name for name in later if name not in earlier],
        "counts": {verdict: found[verdict] for verdict in (*VERDICTS, NO_TIMES, LOST)},
    }


def slower_share(text: str) -> float:
    """0.05 of "slower:5%"; 0 of "slower", any case with that verdict."""
    match = re.fullmatch(r"slower(?::(\d{1,6}(?:\.\d+)?)%)?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a condition; give slower:5%, or slower for any slower case")
    return float(match[1] or 0) / 100


def fails(comparison: Comparison, slower: float) -> bool:
    """A check that did not look at everything has not passed."""
    too_slow = any(row.verdict == "slower" and row.ratio > 1 + slower for row in comparison["rows"])
    counts = comparison["counts"]
    has_compared = any(counts[verdict] for verdict in VERDICTS)
    return too_slow or counts[LOST] > 0 or not comparison["after_complete"] or not has_compared


def cells(row: Row) -> list[str]:
    if row.ratio is None:
        return [row.name, "", "", "", "", row.verdict]
    times = [time_text(row.before), time_text(row.after)]
    return [row.name, *times, f"{row.ratio:.3f}", f"{row.low:.3f} to {row.high:.3f}", row.verdict]


def as_text(comparison: Comparison) -> str:
    lines = [f"before  {comparison['before']}", f"after   {comparison['after']}"]
    lines += [f"!       {warning}" for warning in comparison["warnings"]]
    titles = ["case", "before", "after", "ratio", "95 % interval", "verdict"]
    head, *aligned = results.table([titles, *map(cells, comparison["rows"])], left=(0, 5))
    lines += ["", head]
    for row, line in zip(comparison["rows"], aligned, strict=True):
        lines += [line, *(f"    ! {warning}" for warning in row.warnings)]
    for title, names in (("only before:", comparison["only_before"]), ("only after:", comparison["only_after"])):
        lines += ["", title, *(f"    {name}" for name in names)] if names else []
    counts = ", ".join(f"{count} {verdict}" for verdict, count in comparison["counts"].items() if count)
    total = f"{len(comparison['rows'])} case{'' if len(comparison['rows']) == 1 else 's'}"
    lines += ["", f"{total}: {counts or 'none in both'} (same: within {100 * comparison['tolerance']:.2g} %)"]
    return "\n".join(map(results.printable, lines))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="what --json of graft-bench or of bench/peers.py wrote")
    parser.add_argument("after", type=Path)
    parser.add_argument("--fail-on", type=slower_share, metavar="slower:5%", help="exit code 7 where that is so")
    parser.add_argument("--json", action="store_true", help="prints JSON, not a table")
    options = parser.parse_args()
    try:
        before, after = results.read(options.before), results.read(options.after)
    except ResultError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 1
    # A case within the tolerance never fails: a smaller share asks for a finer look.
    comparison = compare(before, after, min(TOLERANCE, options.fail_on or TOLERANCE))
    print(json.dumps(comparison, indent=1, default=asdict) if options.json else as_text(comparison))
    if options.fail_on is None or not fails(comparison, options.fail_on):
        return 0
    print(f"compare.py: {options.after} does not pass --fail-on", file=sys.stderr)
    return SLOWER_THAN_ALLOWED


if __name__ == "__main__":
    sys.exit(main())
