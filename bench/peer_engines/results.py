"""The arithmetic of the comparison: medians, and ratios between engines of the same round."""

from dataclasses import dataclass, field
from statistics import median

from .targets import TARGETS, Target


@dataclass
class Engine:
    """One engine's rounds of one work."""

    name: str
    version: str
    setting: str
    seconds: list[float] = field(default_factory=list)  # of each round
    difference: float | None = None  # from graft, as a share of the largest value
    limit: float | None = None
    device: str = "cpu"
    precision: str = "fp32"

    @property
    def is_graft(self) -> bool:
        return self.name.startswith("graft")


@dataclass
class Work:
    """One work and everyone who did it. A round is `amount` of `item`; `operations` are those of a direct
    convolution or of plain matrix products, whatever an engine saves of them."""

    name: str
    item: str  # "images", "steps", "photos"
    amount: int
    operations: float | None  # floating-point operations of one item
    covers: str  # what the clocks include
    engines: list[Engine] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # engines that failed or disagreed, and why
    others: float | None = None  # cores that other programs used, on average: near 0, or the figures mean little

    def figure(self, seconds: float) -> float:
        """What people want to know: images a second, milliseconds a step, seconds a job."""
        if self.item == "images":
            return self.amount / seconds
        return seconds / self.amount * 1e3 if self.item == "steps" else seconds

    @property
    def unit(self) -> str:
        return {"images": "images/s", "steps": "ms", "photos": "s"}[self.item]

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
    """How many times as fast graft is, round by round: what disturbs a round disturbs its neighbours too."""
    return spread([p / g for g, p in zip(graft.seconds, peer.seconds, strict=True)])


@dataclass(frozen=True)
class Verdict:
    target: Target
    graft: str
    best_peer: str
    ratio: Spread

    @property
    def reached(self) -> bool:
        return self.ratio.median >= self.target.factor


def verdicts(work: Work) -> list[Verdict]:
    """Each target of this work against the best peer of its group, for each of graft's vector units. A group
    that is not whole proves nothing and is left out."""
    by_name = {engine.name: engine for engine in work.engines}
    found = []
    for target in TARGETS.get(work.name, ()):
        if not all(name in by_name for name in target.peers):
            continue
        for graft in work.grafts():
            ratios = {name: ratio(graft, by_name[name]) for name in target.peers}
            best = min(ratios, key=lambda name: ratios[name].median)
            found.append(Verdict(target, graft.name, best, ratios[best]))
    return found
