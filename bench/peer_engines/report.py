"""The comparison as a table for people and as JSON with every sample."""

from dataclasses import asdict

from .results import Engine, Verdict, Work, ratio, spread, verdicts

SCHEMA = "graft-peers/1"


def engine_row(work: Work, engine: Engine, peak: float | None) -> list[str]:
    found = spread([work.figure(seconds) for seconds in engine.seconds])
    row = [engine.name, f"{found.median:.2f}", f"{found.min:.2f}", f"{found.max:.2f}"]
    for graft in work.grafts():
        times = ratio(graft, engine)
        row.append("" if engine.is_graft else f"{times.median:.2f} ({times.min:.2f}–{times.max:.2f})")
    if peak is not None and work.operations is not None:
        row.append(f"{direct_share(work, engine, peak):.2f}")
    row.append("" if engine.difference is None else f"{engine.difference:.0e}")
    row.append(engine.version)
    return row


def direct_share(work: Work, engine: Engine, peak: float) -> float:
    """The operations that direct arithmetic needs, a second, over the machine's peak of multiply-adds: at
    most 1 for a direct convolution, more where Winograd saves multiplications."""
    return work.operations * work.amount / spread(engine.seconds).median / peak


def verdict_line(verdict: Verdict) -> str:
    group = " and ".join(verdict.target.peers) if len(verdict.target.peers) < 3 else ", ".join(verdict.target.peers)
    best = f"the best of {group}" if len(verdict.target.peers) > 1 else group
    found = f"{verdict.ratio.median:.2f} × {verdict.best_peer} ({verdict.ratio.min:.2f}–{verdict.ratio.max:.2f})"
    state = "reached" if verdict.reached else "missed"
    return f"  {state:7}  ≥ {verdict.target.factor:g} × {best}: {verdict.graft} is {found}"


def aligned(rows: list[list[str]]) -> list[str]:
    """Columns of equal width, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    last = len(widths) - 1
    lines = []
    for row in rows:
        cells = [c.ljust(w) if i in (0, last) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines


def work_text(work: Work, peak: float | None) -> str:
    titles = ["", "median", "min", "max"]
    titles += [f"{graft.name} is ×" for graft in work.grafts()]
    titles += ["of peak"] if peak is not None and work.operations is not None else []
    titles += ["differs", "version"]
    rows = [titles] + [engine_row(work, engine, peak) for engine in work.engines]
    rounds = len(work.engines[0].seconds)
    head = f"{work.name}: {work.unit}, {rounds} round{'s' if rounds != 1 else ''} of {work.amount} {work.item}"
    clock = f"  clock: {work.covers}"
    if work.others is not None:
        head += f"; other programs used {work.others:.1f} cores meanwhile"
    left_out = [f"  left out: {name}: {why}" for name, why in work.left_out.items()]
    return "\n".join([head, clock, *aligned(rows), *left_out, *map(verdict_line, verdicts(work))])


def machine_text(machine: dict[str, object], threads: int) -> str:
    found = f"{machine['processor']}, {machine['cores']} logical processors, {threads} threads, {machine['system']}"
    lines = [f"{found}, {machine['date']}, load {machine['load_at_start']:.2f} at the start"]
    if "gpu" in machine:
        lines.append(f"{machine['gpu']}, driver {machine['driver']}")
    lines += [f"not computed: {precision}: {why}" for precision, why in machine.get("not_computed", {}).items()]
    lines += [f"not installed: {name}: {how}" for name, how in machine.get("not_installed", {}).items()]
    return "\n".join(lines)


def peak_text(peak: float) -> str:
    """What the column "of peak" is a share of."""
    return (
        f"peak of fused multiply-adds, the best measured in this run so far: {peak * 1e-9:.1f} GFLOP/s\n"
        "of peak: the operations of direct arithmetic in the same time, as a share of that"
    )


def as_json(machine: dict[str, object], peaks: dict[str, dict[str, float]], threads: int, works: list[Work]) -> dict:
    return {
        "schema": SCHEMA,
        "machine": machine,
        "threads": threads,
        "peaks": peaks,
        "works": [work_json(work) for work in works],
    }


def work_json(work: Work) -> dict:
    found = asdict(work)
    found["unit"] = work.unit
    for entry, engine in zip(found["engines"], work.engines):
        entry["figure"] = asdict(spread([work.figure(seconds) for seconds in engine.seconds]))
        if not engine.is_graft:
            entry["graft_is_times_as_fast"] = {g.name: asdict(ratio(g, engine)) for g in work.grafts()}
    found["targets"] = [{**asdict(verdict), "reached": verdict.reached} for verdict in verdicts(work)]
    return found
