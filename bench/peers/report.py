"""The comparison as figures, ratios and verdicts: a table for people, and a result with every sample."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import results

from .engines import Setup
from .protocol import Worker

FRAMEWORKS = ("ONNX Runtime", "OpenVINO", "PyTorch", "Keras")
WINOGRAD = ("MNN", "ncnn")
# Cores. Where other programs used more, the figures are doubtful.
OTHERS_ALLOWED = 0.1
# What people want to know of a work, by its item.
UNITS = {"images": "images/s", "steps": "ms", "photos": "s"}


@dataclass(frozen=True)
class Target:
    """graft is to be so many times as fast as the best of these peers."""

    factor: float
    peers: tuple[str, ...]


TARGETS: dict[str, tuple[Target, ...]] = {
    "features, 150×150, batch 16": (Target(3.5, FRAMEWORKS), Target(1.35, WINOGRAD)),
    "features, 224×224, batch 8": (Target(3.3, FRAMEWORKS), Target(1.35, WINOGRAD)),
    "features, 150×150, batch 1": (Target(2.7, FRAMEWORKS), Target(1.8, WINOGRAD)),
    "training step, 8192→256→1, batch 16": (Target(4.0, ("PyTorch",)), Target(6.0, ("Keras",))),
    "job, photos to a trained head": (Target(5.0, ("Keras",)),),
}


@dataclass
class Engine:
    """One engine's rounds of one work."""

    name: str
    version: str = ""
    setting: str = ""
    seconds: list[float] = field(default_factory=list)  # of each round
    difference: float | None = None  # from graft, as a share of the largest value
    limit: float | None = None
    worker: Worker | None = None
    folder: Path = Path()  # of the worker alone
    epsilon_inside_sqrt: bool = False  # its form of RMSprop

    @property
    def is_graft(self) -> bool:
        return self.name.startswith("graft")


@dataclass
class Work:
    """One work and everyone who did it."""

    name: str
    item: str  # a key of UNITS
    items: int  # of one execution
    executions: int  # in a round
    operations: float | None  # of one item: a direct convolution or plain matrix products, in floating-point operations
    covers: str  # what the clocks include
    engines: list[Engine] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # engines that failed or disagreed, and the reason
    others: float | None = None  # cores that other programs used, on average
    device: str = "cpu"
    precision: str = "fp32"

    @property
    def amount(self) -> int:
        """Items of a round."""
        return self.items * self.executions

    def figure(self, seconds: float) -> float:
        """A round's figure, in the unit of UNITS."""
        return {"images": self.amount / seconds, "steps": seconds / self.amount * 1e3, "photos": seconds}[self.item]

    def grafts(self) -> list[Engine]:
        return [engine for engine in self.engines if engine.is_graft]


@dataclass(frozen=True)
class Spread:
    median: float
    min: float
    max: float


def spread(values: list[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def ratio(graft: Engine, peer: Engine) -> Spread:
    """How many times as fast graft is, round by round: what disturbs a round disturbs the next ones too."""
    return spread([p / g for g, p in zip(graft.seconds, peer.seconds, strict=True)])


@dataclass(frozen=True)
class Verdict:
    work: str
    target: Target
    graft: str
    best_peer: str
    ratio: Spread
    reached: bool


def verdicts(work: Work) -> list[Verdict]:
    """Each target of this work against the best peer of its group, for each of graft's vector units. An incomplete
    group proves nothing and is skipped."""
    by_name = {engine.name: engine for engine in work.engines}
    found = []
    for target in TARGETS.get(work.name, ()):
        for graft in work.grafts() if by_name.keys() >= set(target.peers) else []:
            ratios = {name: ratio(graft, by_name[name]) for name in target.peers}
            best = min(ratios, key=lambda name: ratios[name].median)
            is_reached = ratios[best].median >= target.factor
            found.append(Verdict(work.name, target, graft.name, best, ratios[best], is_reached))
    return found


def direct_share(work: Work, engine: Engine, peak: float) -> float:
    """The operations that direct arithmetic needs, a second, over the machine's peak of multiply-adds: at
    most 1 for a direct convolution, more where Winograd saves multiplications."""
    return work.operations * work.amount / median(engine.seconds) / peak


def engine_row(work: Work, engine: Engine, peak: float | None) -> list[str]:
    found = spread([work.figure(seconds) for seconds in engine.seconds])
    row = [engine.name, f"{found.median:.2f}", f"{found.min:.2f}", f"{found.max:.2f}"]
    for times in (ratio(graft, engine) for graft in work.grafts()):
        row.append("" if engine.is_graft else f"{times.median:.2f} ({times.min:.2f}–{times.max:.2f})")
    if peak and work.operations:
        row.append(f"{direct_share(work, engine, peak):.2f}")
    return [*row, "" if engine.difference is None else f"{engine.difference:.0e}", engine.version]


def verdict_line(verdict: Verdict) -> str:
    target, found = verdict.target, verdict.ratio
    *names, last = target.peers
    group = f"the best of {', '.join(names)} and {last}" if names else last
    times = f"{found.median:.2f} × {verdict.best_peer} ({found.min:.2f}–{found.max:.2f})"
    return f"  {'reached' if verdict.reached else 'missed':7}  ≥ {target.factor:g} × {group}: {verdict.graft} is {times}"


def work_text(work: Work, peak: float | None) -> str:
    titles = ["", "median", "min", "max", *(f"{graft.name} is ×" for graft in work.grafts())]
    titles += ["of peak"] if peak and work.operations else []
    rows = [[*titles, "differs", "version"], *(engine_row(work, engine, peak) for engine in work.engines)]
    rounds = len(work.engines[0].seconds)
    head = f"{work.name}: {UNITS[work.item]}, {rounds} round{'s' if rounds != 1 else ''} of {work.amount} {work.item}"
    if work.others is not None:
        head += f"; other programs used {work.others:.1f} cores meanwhile"
    aligned = [f"  {line}" for line in results.table(rows, left=(0, len(rows[0]) - 1))]
    skipped = [f"  skipped: {name}: {reason}" for name, reason in work.skipped.items()]
    return "\n".join([head, f"  clock: {work.covers}", *aligned, *skipped, *map(verdict_line, verdicts(work))])


def machine_text(setup: Setup) -> str:
    machine, threads = setup.machine, setup.threads
    found = f"{machine['processor']}, {machine['cores']} logical processors, {threads} threads, {machine['system']}"
    lines = [f"{found}, {machine['date']}, load {machine['load_at_start']:.2f} at the start"]
    lines += [f"{machine['gpu']}, driver {machine['driver']}"] if "gpu" in machine else []
    for key, title in (("not_computed", "not computed"), ("not_installed", "not installed")):
        lines += [f"{title}: {name}: {text}" for name, text in machine.get(key, {}).items()]
    return "\n".join(lines)


def peak_text(peak: float) -> str:
    """What the column "of peak" is a share of."""
    return (
        f"peak of fused multiply-adds, the best measured in this run so far: {peak * 1e-9:.1f} GFLOP/s\n"
        "of peak: the operations of direct arithmetic in the same time, as a share of that"
    )


def as_result(setup: Setup, build: dict[str, object], works: list[Work], complete: bool) -> results.Result:
    """In the format of graft-bench, docs/benchmark_results.md, with keys of its own."""
    machine = setup.machine
    unknown = dict.fromkeys(results.CONDITIONS) | {"power_capped": None, "throttle_reasons": []}
    name, units = machine.get("gpu", machine["processor"]), "" if setup.on_gpu else machine["isas"][0]
    device = {"device": setup.device, "name": name, "driver": machine.get("driver", ""), "instruction_set": units}
    return {
        "schema": results.SCHEMA,
        "date": machine["date"],
        "device": device | {"cuda": "", "cudnn": "", "memory_bytes": 0},
        "build": build,
        "method": {"cache": "hot", "noise": 0.0, "least_samples": setup.rounds, "seconds": 0.0, "warm_up_seconds": 0.0},
        "has_timer": True,
        "complete": complete,
        "warnings": [],
        "at_start": unknown,
        "at_end": unknown,
        "ceilings": {"bytes_per_second": 0.0, "flop_per_second": {"fp32": setup.peak} if setup.peak else {}},
        "config": None,
        # Those that were skipped come last.
        "measurements": [
            measurement(work, engine, setup.threads)
            for work in works
            for engine in [*work.engines, *map(Engine, work.skipped)]
        ],
        "machine": {**machine, "threads": setup.threads, "peaks": setup.peaks},
        "targets": [asdict(verdict) for work in works for verdict in verdicts(work)],
    }


def measurement(work: Work, engine: Engine, threads: int) -> results.Measurement:
    samples = [seconds / work.executions for seconds in engine.seconds]
    failure = work.skipped.get(engine.name, "")
    is_disturbed = work.others is not None and work.others > OTHERS_ALLOWED
    axes = {"work": work.name, "engine": engine.name, "device": work.device, "precision": work.precision}
    return {
        "name": f"peers/{work.name}/{engine.name}",
        "suite": "peers",
        "axes": axes | {"threads": str(threads)},
        "cost": {"flop": (work.operations or 0.0) * work.items, "bytes": 0.0, "arithmetic": work.precision},
        "clock": "host",
        "items": work.items,
        "item": work.item,
        "ended": "failed" if failure else "settled",
        "failure": failure,
        "warnings": [f"other programs used {work.others:.1f} cores meanwhile"] if is_disturbed else [],
        "executions": work.executions,
        "throttled": 0,
        "summary": results.summarise(samples),
        "stages": {},
        "samples": samples,
        "peer": {key: getattr(engine, key) for key in ("version", "setting", "difference", "limit")}
        | {"other_cores": work.others, "covers": work.covers},
    }
