#!/usr/bin/env python3
"""Makes the results beside this file, which the tests of `graft bench compare` read.

    tests/bench_harness/pairs/make_pairs.py

Nothing here was measured: medians, noise and the device are made up.
"""

import json
import math
import random
import statistics
from pathlib import Path

MEDIANS = {"kernels/short": 2e-5, "layers/middle": 1.5e-3, "backbone/long": 0.25}
UNKNOWN = ("clock_mhz", "memory_clock_mhz", "temperature_celsius", "power_watts", "clocks_locked", "other_processes")


def noise_of(samples: list[float]) -> float:
    """bench/harness/statistics.h, of six samples or more."""
    z = statistics.NormalDist().inv_cdf(0.995)
    count = len(samples)
    rank = max(1, math.floor((count + 1) / 2 - z * math.sqrt(count / 4) + 0.5))
    ascending = sorted(samples)
    return (ascending[count - rank] - ascending[rank - 1]) / (2 * z) / statistics.median(samples)


def summary(samples: list[float]) -> dict:
    """Quantiles as NumPy's default."""
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return {
        "minimum": min(samples),
        "lower_quartile": low,
        "median": median,
        "upper_quartile": high,
        "maximum": max(samples),
        "relative_deviation": statistics.stdev(samples) / statistics.fmean(samples),
        "noise": noise_of(samples),
    }


def measurement(name: str, median: float, noise: float, count: int, generator: random.Random) -> dict:
    samples = [float(f"{median * (1 + noise * generator.gauss(0, 1)):.4e}") for _ in range(count)]
    return {
        "name": name,
        "suite": name.split("/")[0],
        "axes": {},
        "cost": {"flop": 0.0, "bytes": 0.0, "arithmetic": "fp32"},
        "clock": "device",
        "items": 0.0,
        "item": "",
        "ended": "settled",
        "failure": "",
        "remarks": [],
        "executions": 1,
        "throttled": 0,
        "summary": summary(samples),
        "stages": {},
        "samples": samples,
    }


def result(seed: int, ratio: float, noise: float, count: int) -> dict:
    generator = random.Random(seed)
    conditions = dict.fromkeys(UNKNOWN) | {"throttle_reasons": []}
    text = dict.fromkeys(("driver", "cuda", "cudnn", "instruction_set"), "")
    return {
        "schema": "graft-bench/1",
        "date": "2026-11-24T00:00:00Z",
        "device": {"device": "made:0", "name": "made by make_pairs.py"} | text | {"memory_bytes": 0},
        "build": {"version": "0.1.0", "commit": "", "dirty": False, "compiler": "", "build_type": "Release"},
        "method": {"cache": "cold", "noise": 0.005, "least_samples": 20, "seconds": 5.0, "warm_up_seconds": 0.5},
        "gives_times": True,
        "complete": True,
        "remarks": [],
        "at_start": conditions,
        "at_end": conditions,
        "ceilings": {"bytes_per_second": 0.0, "flop_per_second": {}},
        "config": None,
        "measurements": [measurement(name, ratio * median, noise, count, generator) for name, median in MEDIANS.items()],
    }


def main() -> None:
    made = {
        "before": result(1, 1.0, 0.01, 150),
        "same": result(2, 1.0, 0.01, 150),
        "faster": result(3, 0.97, 0.01, 150),
        "noisy": result(4, 0.97, 0.10, 40),
    }
    for name, value in made.items():
        (Path(__file__).parent / f"{name}.json").write_text(json.dumps(value) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
