#!/usr/bin/env python3
"""A result of `graft-bench --json` or `bench/peers.py --json`: reads it, checks it, and computes its figures.

    bench/results.py RESULT.json >RESULT.csv    a row for each case, after a row of names

docs/benchmark_results.md documents the format. bench/compare.py and bench/plot.py use this module. Standard library
only.
"""

import argparse
import csv
import json
import math
import statistics
import sys
from pathlib import Path

SCHEMA = "graft-bench/2"
SUITES = ("kernels", "layers", "backbone", "head", "pipeline", "peers")
PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
LARGEST_FILE = 512 << 20  # bytes
MOST_SAMPLES = 5000  # of a measurement, as bench/harness/statistics.h has it
# With fewer, no two samples enclose the median with a probability of 95 % (1 − 2·2^−n).
LEAST_SAMPLES_FOR_NOISE = 6

Result = dict  # a checked result, as its JSON is
Measurement = dict

# What must be in a result. A rule is a type (numbers are finite and from 0 on), a word, a tuple of rules of which one
# must fit, [rule] for a list, or a dict for an object; its key `str` means any key. Unknown keys are ignored.
CONDITIONS = {
    **dict.fromkeys(("clock_mhz", "memory_clock_mhz", "temperature_celsius", "power_watts"), (float, None)),
    "clocks_locked": (bool, None),
    "other_processes": (int, None),
    "throttle_reasons": [str],
}
MEASUREMENT = {
    "name": str,
    "suite": SUITES,
    "axes": {str: str},
    "cost": {"flop": float, "bytes": float, "arithmetic": PRECISIONS},
    "clock": ("device", "host"),
    "items": float,
    "item": str,
    "ended": ("settled", "time_cap", "no_timer", "interrupted", "failed"),
    "failure": str,
    "warnings": [str],
    "executions": int,
    "throttled": int,
    "stages": {str: float},
    "samples": [float],
}
RESULT = {
    "schema": SCHEMA,
    "date": str,
    "device": dict.fromkeys(("device", "name", "driver", "cuda", "cudnn", "instruction_set"), str)
    | {"memory_bytes": int},
    "build": dict.fromkeys(("version", "commit", "compiler", "build_type"), str) | {"dirty": bool},
    "method": {
        "cache": ("cold", "hot"), "noise": float, "least_samples": int, "seconds": float, "warm_up_seconds": float
    },
    "has_timer": bool,
    "complete": bool,
    "warnings": [str],
    "at_start": CONDITIONS,
    "at_end": CONDITIONS,
    "ceilings": {"bytes_per_second": float, "flop_per_second": {str: float}},
    "config": object,
    "measurements": [MEASUREMENT],
}
NAMES = {
    str: "a text", bool: "true or false", int: "a whole number from 0 on", float: "a number from 0 on", None: "null"
}


class ResultError(Exception):
    """A file that is not a result: one sentence with the file, the key and the reason."""


def is_number(value: object) -> bool:
    """Finite. A whole number of JSON may be larger than any double."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def fits(value: object, rule: object) -> bool:
    if rule in (int, float):
        return is_number(value) and value >= 0 and (rule is float or isinstance(value, int))
    return isinstance(value, rule) if isinstance(rule, type) else value == rule


def check(value: object, rule: object, path: str = "") -> None:
    """Raises ResultError with the path of what does not follow the rule."""
    if isinstance(rule, list) and isinstance(value, list):
        for index, element in enumerate(value):
            check(element, rule[0], f"{path}[{index}]")
    elif isinstance(rule, dict) and isinstance(value, dict):
        for key, inner in (dict.fromkeys(value, rule[str]) if str in rule else rule).items():
            place = f"{path}.{key}" if path else key
            if key not in value:
                raise ResultError(f"{place}: is missing")
            check(value[key], inner, place)
    else:
        rules = rule if isinstance(rule, tuple) else (rule,)
        if any(fits(value, one) for one in rules if not isinstance(one, (list, dict))):
            return
        expected = {list: "a list", dict: "an object"}.get(type(rule)) or " or ".join(NAMES.get(r, r) for r in rules)
        raise ResultError(f"{path or 'the file'}: {shown(value)} is not {expected}")


def shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_measurement(one: Measurement, head: Result) -> None:
    """What no run writes is refused; so is a figure that was not measured."""
    samples = one["samples"]
    is_timed = head["has_timer"] and one["ended"] != "no_timer"
    for is_wrong, text in (
        (len(samples) > MOST_SAMPLES, f"samples: there are more than {MOST_SAMPLES}"),
        (not all(0 < sample < 1e9 for sample in samples), "samples: a time is above 0 s and below 1e9 s"),
        (one["executions"] == 0, "executions: 0 executions take no time"),
        (head["complete"] and one["ended"] == "interrupted", 'ended: "interrupted" in a result that is complete'),
        (
            (one["ended"] == "failed") != bool(one["failure"]),
            "failure: a measurement that failed has a sentence, and no other has one",
        ),
        (samples and not is_timed, "samples: there are times from a device that has no timer"),
    ):
        if is_wrong:
            raise ResultError(text)


def checked(result: object) -> Result:
    """The result itself. Raises ResultError with the key and the reason, without a file's name."""
    if isinstance(result, dict) and result.get("schema", SCHEMA) != SCHEMA:
        advice = "measure again, or read it with the graft that wrote it"
        raise ResultError(f"schema: {shown(result['schema'])} where {SCHEMA} is read; {advice}")
    check(result, RESULT)
    for precision in result["ceilings"]["flop_per_second"]:
        check(precision, PRECISIONS, "ceilings.flop_per_second")
    names: set[str] = set()
    for index, one in enumerate(result["measurements"]):
        try:
            check_measurement(one, result)
            if one["name"] in names:
                raise ResultError(f"name: {shown(one['name'])} is there twice")
        except ResultError as error:
            raise ResultError(f"measurements[{index}].{error}") from None
        names.add(one["name"])
        one["summary"] = summarise(one["samples"])
    return result


def unique(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice in an object")
    return found


def refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def read(path: Path) -> Result:
    """A checked result. Raises ResultError with the file's name."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ResultError(f"a file of more than {LARGEST_FILE >> 20} MiB is not a result")
        text = path.read_text(encoding="utf-8")
        return checked(json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant))
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # broken UTF-8 and broken JSON are ValueErrors
        hint = "a result is what --json of graft-bench or of bench/peers.py wrote"
        raise ResultError(f"{path}: this is not JSON ({error}); {hint}") from None
    except ResultError as error:
        raise ResultError(f"{path}: {error}") from None


def standard_error_of_median(samples: list[float]) -> float | None:
    """McKean and Schrader 1984, as in bench/harness/statistics.h: from two order statistics, without a normal
    distribution. None with fewer than LEAST_SAMPLES_FOR_NOISE samples."""
    count = len(samples)
    if count < LEAST_SAMPLES_FOR_NOISE:
        return None
    z = statistics.NormalDist().inv_cdf(0.995)
    rank = max(1, math.floor((count + 1) / 2 - z * math.sqrt(count / 4) + 0.5))
    ascending = sorted(samples)
    return (ascending[count - rank] - ascending[rank - 1]) / (2 * z)


def summarise(samples: list[float]) -> dict[str, float | None] | None:
    """Quantiles as NumPy's default; None without samples."""
    if not samples:
        return None
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
    mean = statistics.fmean(samples)
    squares = math.fsum((sample - mean) * (sample - mean) for sample in samples)
    error = standard_error_of_median(samples)
    return {
        "minimum": min(samples),
        "lower_quartile": low,
        "median": median,
        "upper_quartile": high,
        "maximum": max(samples),
        "relative_deviation": math.sqrt(squares / max(len(samples) - 1, 1)) / mean,
        "noise": None if error is None else error / median,
    }


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """None where one of them is not known, or no double holds the quotient."""
    value = numerator / denominator if numerator and denominator else None
    return value if value and math.isfinite(value) else None


def figures(one: Measurement, ceilings: dict) -> dict[str, float | None]:
    """Rates, and shares of what the device reaches at best; None where something is not known. A share above 1:
    Winograd's algorithm multiplies less often than the definition, and a cache holds what counts as memory."""
    median, cost = (one["summary"] or {}).get("median"), one["cost"]
    bytes_rate, flop_rate = ratio(cost["bytes"], median), ratio(cost["flop"], median)
    of_copy = ratio(bytes_rate, ceilings["bytes_per_second"])
    of_arithmetic = ratio(flop_rate, ceilings["flop_per_second"].get(cost["arithmetic"]))
    # The longer time is the larger share. A part without a ceiling might be the longer one.
    all_known = bool(cost["bytes"]) == bool(of_copy) and bool(cost["flop"]) == bool(of_arithmetic)
    of_roofline = max(of_copy or 0.0, of_arithmetic or 0.0) or None if all_known else None
    rates = {"items/s": ratio(one["items"], median), "bytes/s": bytes_rate, "flop/s": flop_rate}
    return rates | {"share_of_copy": of_copy, "share_of_arithmetic": of_arithmetic, "share_of_roofline": of_roofline}


def no_times_reason(one: Measurement) -> str | None:
    """Why a measurement has no times to show; None when it has. Samples from before a failure do not count."""
    if one["ended"] == "failed":
        return f"failed: {one['failure']}"
    if one["ended"] == "no_timer":
        return "the device has no timer"
    return None if one["samples"] else "there are no samples"


def description(result: Result) -> str:
    """Device, commit and date, for people."""
    device, build = result["device"], result["build"]
    commit = (build["commit"][:10] or "unknown") + (" with changes" if build["dirty"] else "")
    return f"{device['device']} ({device['name']}), commit {commit}, {result['date']}"


def printable(text: str) -> str:
    """Without control characters, which a terminal obeys and XML does not allow."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def four_digits(value: float) -> str:
    if value != 0 and not 1e-5 <= abs(value) < 1e7:
        return f"{value:.3e}"
    return "0" if value == 0 else f"{value:.{min(max(3 - math.floor(math.log10(abs(value))), 0), 8)}f}"


def time_text(seconds: float) -> str:
    unit, size = ("us", 1e-6) if seconds < 1e-3 else ("ms", 1e-3) if seconds < 1 else ("s", 1.0)
    return f"{four_digits(seconds / size)} {unit}"


def table(rows: list[list[str]], left: tuple[int, ...] = (0,)) -> list[str]:
    """Lines with columns of equal width. The first row holds the titles. Numbers are on the right; the columns of
    `left` are texts."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    columns = range(len(widths))
    aligned = [[row[i].ljust(widths[i]) if i in left else row[i].rjust(widths[i]) for i in columns] for row in rows]
    return ["  ".join(cells).rstrip() for cells in aligned]


def csv_rows(result: Result) -> list[dict[str, object]]:
    """A row for each case. A column for each axis that a case has; what is not known is empty."""
    axes = dict.fromkeys(axis for one in result["measurements"] for axis in one["axes"])
    units = dict.fromkeys(("minimum", "lower_quartile", "median", "upper_quartile", "maximum"), " s")
    units |= {"relative_deviation": "", "noise": ""}
    return [
        {"name": one["name"], "suite": one["suite"]}
        | {f"axis {axis}": one["axes"].get(axis, "") for axis in axes}
        | {"ended": one["ended"], "samples": len(one["samples"])}
        | {key: one[key] for key in ("executions", "throttled")}
        | {f"{key}{unit}": (one["summary"] or {}).get(key) for key, unit in units.items()}
        | {"item": one["item"], **figures(one, result["ceilings"])}
        | {"warnings": "; ".join(one["warnings"]), "failure": one["failure"]}
        for one in result["measurements"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="what --json of graft-bench or of bench/peers.py wrote")
    options = parser.parse_args()
    try:
        rows = csv_rows(read(options.result))
    except ResultError as error:
        sys.exit(f"results.py: {error}")
    writer = csv.DictWriter(sys.stdout, rows[0] if rows else [])
    writer.writeheader()
    writer.writerows(rows)


if __name__ == "__main__":
    main()
