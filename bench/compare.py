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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles

import results
from results import Measurement, Result, ResultError, no_times_reason, time_text

SLOWER_THAN_ALLOWED = 7  # the exit code
TOLERANCE = 0.01
RESAMPLES = 2000
VERDICTS = ("faster", "slower", "same", "ambiguous")


@dataclass
class Row:
    name: str
    before: float  # median, seconds
    after: float
    ratio: float  # after / before
    low: float  # of the interval of the ratio
    high: float
    verdict: str
    warnings: list[str]


@dataclass
class Uncompared:
    """A case that both results have, at least one of them without times."""

    name: str
    reason: str
    lost: bool  # it had times before, and failed after


@dataclass
class Comparison:
    before: str  # device, commit and date, for people
    after: str
    tolerance: float
    after_complete: bool
    warnings: list[str]
    rows: list[Row] = field(default_factory=list)  # in the order of AFTER
    uncompared: list[Uncompared] = field(default_factory=list)
    only_before: list[str] = field(default_factory=list)
    only_after: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        found = Counter(row.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS}


def resampled_median(ascending: list[float], generator: random.Random) -> float:
    """The median of as many samples, drawn again from these with replacement. The middle ones of n uniform draws
    have Beta distributions (the k-th of n: Beta(k, n − k + 1)), so that one or two draws are enough."""
    count = len(ascending)
    middle = (count + 1) // 2
    low = generator.betavariate(middle, count - middle + 1)
    if count % 2:
        return ascending[int(low * count)]
    # The next one is the least of the count − middle draws that lie above.
    high = 1 - (1 - low) * generator.random() ** (1 / (count - middle))
    return (ascending[int(low * count)] + ascending[min(int(high * count), count - 1)]) / 2


def interval_of_ratio(before: list[float], after: list[float], seed: int = 1) -> tuple[float, float]:
    """95 % of the ratios of resampled medians lie within: the percentile bootstrap (Efron 1979). The same for the
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
    sides = {"before": before, "after": after}
    warnings = [f"{side}: {warning}" for side, one in sides.items() for warning in one["warnings"]]
    low, high = interval_of_ratio(before["samples"], after["samples"])
    fewest = min(len(one["samples"]) for one in sides.values())
    verdict = verdict_of(low, high, tolerance)
    if fewest < results.LEAST_SAMPLES_FOR_NOISE:
        verdict = "ambiguous"
        samples = "1 sample is" if fewest == 1 else f"{fewest} samples are"
        warnings.append(f"{samples} too few for a verdict, which takes {results.LEAST_SAMPLES_FOR_NOISE}")
    one, other = median(before["samples"]), median(after["samples"])
    return Row(after["name"], one, other, other / one, low, high, verdict, warnings)


def uncompared(before: Measurement, after: Measurement) -> Uncompared:
    reasons = {"before": no_times_reason(before), "after": no_times_reason(after)}
    text = "; ".join(f"{side}: {reason}" for side, reason in reasons.items() if reason)
    return Uncompared(after["name"], text, reasons["before"] is None and after["ended"] == "failed")


def clocks(result: Result) -> str:
    """An idle device may not tell whether its clocks are locked; at the end of a run it does."""
    start, end = (result[when]["clocks_locked"] for when in ("at_start", "at_end"))
    locked = end if start is None else start
    return "" if locked is None else "locked" if locked else "not locked"


def method(result: Result) -> str:
    found = result["method"]
    samples = f"noise {found['noise']}, {found['least_samples']} samples, {found['seconds']} s"
    return f"{found['cache']} caches, {samples}, {found['warm_up_seconds']} s to warm up"


def warnings_of(before: Result, after: Result) -> list[str]:
    """What differs between the runs, and what makes each doubtful."""

    def facts(of: Result) -> dict[str, str]:
        device, build = of["device"], of["build"]
        return {
            "devices": device["name"],
            "instruction sets": device["instruction_set"],
            "drivers": device["driver"],
            "CUDA": device["cuda"],
            "cuDNN": device["cudnn"],
            "compilers": build["compiler"],
            "builds": build["build_type"],
            "clocks": clocks(of),
            "methods": method(of),
        }

    later = facts(after)
    found = [
        f"{what}: {one or 'unknown'} before, {later[what] or 'unknown'} after"
        for what, one in facts(before).items()
        if one != later[what]
    ]
    for side, result in (("before", before), ("after", after)):
        found += [] if result["complete"] else [f"{side}: interrupted"]
        found += [f"{side}: {warning}" for warning in result["warnings"]]
    return found


def description(result: Result) -> str:
    device, build = result["device"], result["build"]
    commit = (build["commit"] or "unknown") + (" with changes" if build["dirty"] else "")
    return f"{device['device']} ({device['name']}), commit {commit}, {result['date']}"


def compare(before: Result, after: Result, tolerance: float = TOLERANCE) -> Comparison:
    earlier = {one["name"]: one for one in before["measurements"]}
    later = {one["name"]: one for one in after["measurements"]}
    sides = (description(before), description(after))
    found = Comparison(*sides, tolerance, after["complete"], warnings_of(before, after))
    for name, one in later.items():
        if name not in earlier:
            found.only_after.append(name)
        elif no_times_reason(earlier[name]) or no_times_reason(one):
            found.uncompared.append(uncompared(earlier[name], one))
        else:
            found.rows.append(compared(earlier[name], one, tolerance))
    found.only_before = [name for name in earlier if name not in later]
    return found


def slower_share(text: str) -> float:
    """0.05 of "slower:5%"; 0 of "slower", any case with that verdict."""
    match = re.fullmatch(r"slower(?::(\d{1,6}(?:\.\d+)?)%)?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a condition; give slower:5%, or slower for any slower case")
    return float(match[1] or 0) / 100


def fails(comparison: Comparison, slower: float) -> bool:
    """A check that did not look at everything has not passed."""
    too_slow = any(row.verdict == "slower" and row.ratio > 1 + slower for row in comparison.rows)
    lost = any(one.lost for one in comparison.uncompared)
    return too_slow or lost or not comparison.after_complete or not comparison.rows


def as_text(comparison: Comparison) -> str:
    lines = [f"before  {comparison.before}", f"after   {comparison.after}"]
    lines += [f"!       {warning}" for warning in comparison.warnings]
    if comparison.rows:
        cells = [["case", "before", "after", "ratio", "95 % interval", "verdict"]]
        for row in comparison.rows:
            figures = [time_text(row.before), time_text(row.after), f"{row.ratio:.3f}"]
            cells.append([row.name, *figures, f"{row.low:.3f} to {row.high:.3f}", row.verdict])
        titles, *aligned = results.table(cells, left=(0, 5))
        lines += ["", titles]
        for row, line in zip(comparison.rows, aligned, strict=True):
            lines += [line, *(f"    ! {warning}" for warning in row.warnings)]
    for title, names in (
        ("not compared:", [f"{one.name}: {one.reason}" for one in comparison.uncompared]),
        ("only before:", comparison.only_before),
        ("only after:", comparison.only_after),
    ):
        lines += ["", title, *(f"    {name}" for name in names)] if names else []
    counts = ", ".join(f"{count} {verdict}" for verdict, count in comparison.counts().items())
    total = f"{len(comparison.rows)} case{'' if len(comparison.rows) == 1 else 's'}"
    lines = [results.printable(line) for line in lines]
    return "\n".join([*lines, "", f"{total}: {counts} (same: within {100 * comparison.tolerance:.2g} %)"])


def as_json(comparison: Comparison) -> str:
    found = {"schema": "graft-bench-compare/2", **asdict(comparison), "counts": comparison.counts()}
    return json.dumps(found, indent=1)


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
    print(as_json(comparison) if options.json else as_text(comparison))
    if options.fail_on is None or not fails(comparison, options.fail_on):
        return 0
    print(f"compare.py: {options.after} does not pass --fail-on", file=sys.stderr)
    return SLOWER_THAN_ALLOWED


if __name__ == "__main__":
    sys.exit(main())
