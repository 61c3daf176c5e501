#!/usr/bin/env python3
"""Summarises the report of Nsight Systems or Nsight Compute on a run of graft.

    profile_summary.py nsys --kernels KERN_SUM.csv --work GPU_TRACE.csv [--trace TRACE.json]
    profile_summary.py ncu  --kernels RAW.csv [--trace TRACE.json]

KERN_SUM.csv and GPU_TRACE.csv are what `nsys stats --format csv` writes for the reports cuda_gpu_kern_sum and
cuda_gpu_trace; RAW.csv is what `ncu --csv --page raw` writes. TRACE.json is the run's --trace: its device
spans have the bytes that each of graft's own kernels should move (kernels/cuda/*.h), and its span "profiled" has the
range that the tool recorded. tools/profile.sh calls this.
"""

import argparse
import csv
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

LONGEST = 10
# softmax_cross_entropy promises bytes for two launches. The second, of one block, is not measured with it.
OURS = re.compile(
    r"\b(preprocess|bias_relu|bias_relu_max_pool|cast_features|global_pool|gather_rows|column_sums"
    r"|relu_dropout|relu_dropout_backward|rmsprop|sigmoid_cross_entropy|softmax_cross_entropy|sigmoid_probabilities"
    r"|softmax_probabilities)_kernel\b"
)
UNITS = {  # what 1 of it is in seconds, bytes, or per cent
    "ns": 1e-9, "nsecond": 1e-9, "us": 1e-6, "μs": 1e-6, "usecond": 1e-6, "ms": 1e-3, "msecond": 1e-3, "s": 1.0,
    "second": 1.0, "B": 1.0, "byte": 1.0, "KB": 1e3, "Kbyte": 1e3, "MB": 1e6, "Mbyte": 1e6, "GB": 1e9, "Gbyte": 1e9,
    "%": 1.0,
}  # fmt: skip


class Unreadable(Exception):
    """Names the file that is not as expected, and the reason."""


def scale_of(unit: str, where: str) -> float:
    if unit not in UNITS:
        raise Unreadable(f'{where}: the unit "{unit}" is not known')
    return UNITS[unit]


def number(text: str, where: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        raise Unreadable(f'{where}: "{text}" is no number') from None


@dataclass
class Table:
    """A CSV file by the names of its columns. Lines before the heading are skipped."""

    name: str
    columns: list[str]
    rows: list[list[str]]

    @classmethod
    def read(cls, path: Path, column: str) -> "Table":
        """The table whose heading has this column."""
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from None
        lines = [line for line in csv.reader(text.splitlines()) if line]
        for place, line in enumerate(lines):
            if column in line:
                rows = [row for row in lines[place + 1 :] if len(row) == len(line)]
                return cls(str(path), line, rows)
        raise Unreadable(f'{path}: there is no column "{column}"; is this the right report, as CSV?')

    def place(self, name: str) -> int:
        if name not in self.columns:
            raise Unreadable(f'{self.name}: there is no column "{name}"')
        return self.columns.index(name)

    def texts(self, name: str) -> list[str]:
        place = self.place(name)
        return [row[place] for row in self.rows]

    def quantities(self, name: str) -> list[float | None]:
        """Of "name (unit)", in the base unit; None where a cell is empty."""
        for place, column in enumerate(self.columns):
            found = re.fullmatch(re.escape(name) + r" \((.+)\)", column)
            if found:
                where = f'{self.name}, column "{column}"'
                scale = scale_of(found.group(1), where)
                return [number(row[place], where) * scale if row[place] not in ("", "-") else None for row in self.rows]
        raise Unreadable(f'{self.name}: there is no column "{name} (unit)"')


@dataclass
class Work:
    """A kernel or a copy that ran on the device."""

    name: str
    seconds: float
    begin: float = 0.0  # seconds
    read: float = 0.0  # bytes of the device's memory
    written: float = 0.0
    dram_share: float = 0.0  # % of the memory's peak

    @property
    def end(self) -> float:
        return self.begin + self.seconds

    @property
    def is_copy(self) -> bool:
        return self.name.startswith("[CUDA mem")


@dataclass
class Promise:
    """A launch of one of graft's own kernels, from the trace."""

    kernel: str
    layer: str
    bytes: int


# ---- The tools' files ----


def nsys_work(path: Path) -> list[Work]:
    table = Table.read(path, "Name")
    begins, durations = table.quantities("Start"), table.quantities("Duration")
    found = []
    for name, begin, seconds in zip(table.texts("Name"), begins, durations):
        if begin is None or seconds is None:
            raise Unreadable(f'{path}: "{name}" has no start or no duration')
        found.append(Work(name, seconds, begin))
    return sorted(found, key=lambda work: work.begin)


def nsys_kernels(path: Path) -> list[tuple[str, int, float]]:
    """(name, instances, seconds), longest first."""
    table = Table.read(path, "Instances")
    totals = table.quantities("Total Time")
    instances = [int(number(text, f"{path}, Instances")) for text in table.texts("Instances")]
    kernels = [(name, count, total or 0.0) for name, count, total in zip(table.texts("Name"), instances, totals)]
    return sorted(kernels, key=lambda kernel: -kernel[2])


METRICS = {
    "seconds": "gpu__time_duration.sum",
    "read": "dram__bytes_read.sum",
    "written": "dram__bytes_write.sum",
    "dram_share": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
}


def ncu_work(path: Path) -> list[Work]:
    """In the order in which the kernels were started. The first row below the heading holds the units."""
    table = Table.read(path, "Kernel Name")
    names = table.texts("Kernel Name")
    if not names or names[0]:
        raise Unreadable(f"{path}: there is no row of units below the heading; is this `ncu --csv --page raw`?")
    if len(names) == 1:
        raise Unreadable(f"{path}: no kernel was profiled")
    values = {}
    for field, metric in METRICS.items():
        where = f"{path}, {metric}"
        unit, *cells = table.texts(metric)
        scale = scale_of(unit, where)
        values[field] = [number(cell, where) * scale for cell in cells]
    return [Work(name, **{field: values[field][i] for field in METRICS}) for i, name in enumerate(names[1:])]


def promises(path: Path) -> list[Promise]:
    """Of the kernels that were started inside the span "profiled", in order; of all without such a span."""
    try:
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        return promised_in([event for event in events if event["ph"] == "X"])
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Unreadable(f"{path}: this is not a trace of graft") from None


def promised_in(spans: list[dict]) -> list[Promise]:
    ranges = [(span["ts"], span["ts"] + span["dur"]) for span in spans if span["name"] == "profiled"]
    kernels = [span for span in spans if "bytes" in span["args"] and OURS.search(span["name"] + "_kernel")]
    if ranges:
        kernels = [
            span for span in kernels if any(begin <= span["args"]["enqueued"] <= end for begin, end in ranges)
        ]
    kernels.sort(key=lambda span: span["args"]["enqueued"])
    return [Promise(span["name"], span["args"].get("layer", ""), span["args"]["bytes"]) for span in kernels]


# ---- Overlap, gaps and promises ----

Interval = tuple[float, float]


def union(intervals: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def length(intervals: list[Interval]) -> float:
    return sum(end - begin for begin, end in intervals)


def overlap(one: list[Interval], other: list[Interval]) -> float:
    """The time in which both run."""
    one, other = union(one), union(other)
    return length(one) + length(other) - length(union(one + other))


def gaps(work: list[Interval]) -> list[Interval]:
    """The times between the first and the last in which nothing ran, longest first."""
    busy = union(work)
    idle = [(before[1], after[0]) for before, after in zip(busy, busy[1:])]
    return sorted(idle, key=lambda gap: gap[0] - gap[1])


def matched(work: list[Work], promised: list[Promise]) -> tuple[dict[str, list[tuple[Work, Promise]]], list[str]]:
    """Each of graft's kernels with its promise, by name, in the order of their starts; and a warning for each kernel
    with another number of launches in the two."""
    measured: dict[str, list[Work]] = {}
    for item in work:
        if found := OURS.search(item.name):
            measured.setdefault(found.group(1), []).append(item)
    pairs, warnings = {}, []
    for kernel in sorted({promise.kernel for promise in promised} | set(measured)):
        of_kernel = [promise for promise in promised if promise.kernel == kernel]
        seen = measured.get(kernel, [])
        if len(of_kernel) == len(seen):
            pairs[kernel] = list(zip(seen, of_kernel))
        else:
            warnings.append(f"{kernel}: {len(seen)} were measured, the trace has {len(of_kernel)}: not compared")
    return pairs, warnings


# ---- The text ----


def short(name: str) -> str:
    name = re.sub(r"^void ", "", re.sub(r"\(anonymous namespace\)::|<unnamed>::|graft::cuda::", "", name))
    name = re.sub(r"\([\w: ]+\)(?=-?\d)", "", name).split("(")[0]  # a template's (unsigned int)3
    return name if len(name) <= 60 else name[:59] + "…"


def longest_kernels(kernels: list[tuple[str, int, float]]) -> list[str]:
    total = sum(seconds for _, _, seconds in kernels)
    lines = [f"The {min(LONGEST, len(kernels))} longest of {len(kernels)} kernels, {total * 1e3:.3f} ms in total",
             f"  {'ms':>10}  {'share':>6}  {'times':>6}  kernel"]  # fmt: skip
    for name, instances, seconds in kernels[:LONGEST]:
        share = seconds / total if total > 0 else 0.0
        lines.append(f"  {seconds * 1e3:>10.3f}  {share:>6.1%}  {instances:>6}  {short(name)}")
    return lines


def summed(work: list[Work]) -> list[tuple[str, int, float]]:
    """(name, instances, seconds), longest first."""
    sums: dict[str, tuple[int, float]] = {}
    for item in work:
        count, seconds = sums.get(item.name, (0, 0.0))
        sums[item.name] = (count + 1, seconds + item.seconds)
    return sorted(((name, *both) for name, both in sums.items()), key=lambda kernel: -kernel[2])


def side_by_side(work: list[Work]) -> list[str]:
    copies = [(item.begin, item.end) for item in work if item.is_copy]
    kernels = [(item.begin, item.end) for item in work if not item.is_copy]
    if not work:
        return ["Nothing ran on the device."]
    copied, both, idle = length(union(copies)), overlap(copies, kernels), gaps(copies + kernels)
    span = max(item.end for item in work) - work[0].begin
    lines = [f"Of {span * 1e3:.3f} ms from the first to the last work",
             f"  {length(union(kernels)) * 1e3:>10.3f} ms kernels ran",
             f"  {copied * 1e3:>10.3f} ms copies ran, {both / copied if copied > 0 else 0.0:.1%} of that during kernels",
             f"  {length(idle) * 1e3:>10.3f} ms nothing ran, in {len(idle)} gaps"]  # fmt: skip
    if idle:
        lines.append("             the longest: " + ", ".join(f"{(end - begin) * 1e3:.3f} ms" for begin, end in idle[:3]))
    return lines


def memory_of(work: list[Work]) -> list[str]:
    seconds = sum(item.seconds for item in work)
    share = sum(item.dram_share * item.seconds for item in work) / seconds if seconds > 0 else 0.0
    moved = sum(item.read + item.written for item in work)
    return [f"Device memory: {moved / 1e6:.1f} MB moved, {share:.1f} % of its peak on average over the kernels' time"]


def against_promises(pairs: dict[str, list[tuple[Work, Promise]]], warnings: list[str], counted: bool) -> list[str]:
    """counted: the tool counted bytes (ncu). Without it the table has the promised bytes and the times."""
    lines = ["graft's own kernels against the bytes that their headers promise"]
    heading = f"{'moved MB':>12}  {'of it':>7}" if counted else f"{'ms':>12}  {'GB/s':>7}"
    lines.append(f"  {'promised MB':>12}  {heading}  {'times':>6}  kernel")
    for kernel, of_kernel in pairs.items():
        promised = sum(promise.bytes for _, promise in of_kernel)
        moved = sum(work.read + work.written for work, _ in of_kernel)
        seconds = sum(work.seconds for work, _ in of_kernel)
        rate = promised / seconds / 1e9 if seconds > 0 else 0.0
        figures = f"{moved / 1e6:>12.3f}  {moved / promised:>7.1%}" if counted else f"{seconds * 1e3:>12.3f}  {rate:>7.1f}"
        lines.append(f"  {promised / 1e6:>12.3f}  {figures}  {len(of_kernel):>6}  {kernel}")
    if not pairs and not warnings:
        lines = ["None of graft's own kernels ran here"]
    return lines + [f"  {warning}" for warning in warnings]


def main() -> int:
    parser = argparse.ArgumentParser(description="Summarises the report of Nsight Systems or Nsight Compute.")
    parser.add_argument("tool", choices=["nsys", "ncu"])
    parser.add_argument("--kernels", type=Path, required=True, help="cuda_gpu_kern_sum, or ncu's raw page, as CSV")
    parser.add_argument("--work", type=Path, help="nsys: cuda_gpu_trace as CSV")
    parser.add_argument("--trace", type=Path, help="the --trace file of the same run")
    arguments = parser.parse_args()
    if arguments.tool == "nsys" and arguments.work is None:
        parser.error("nsys needs --work")
    try:
        if arguments.tool == "nsys":
            work = nsys_work(arguments.work)
            parts = [longest_kernels(nsys_kernels(arguments.kernels)), side_by_side(work)]
        else:
            work = ncu_work(arguments.kernels)
            parts = [longest_kernels(summed(work)), memory_of(work)]
        if arguments.trace is not None:
            parts.append(against_promises(*matched(work, promises(arguments.trace)), arguments.tool == "ncu"))
    except Unreadable as why:
        print(f"profile_summary.py: {why}", file=sys.stderr)
        return 1
    print("\n\n".join("\n".join(part) for part in parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
