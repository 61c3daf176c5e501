"""A peer's best setting is often known only by trying; the worker tries before any round."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Candidate = TypeVar("Candidate")


def fastest(candidates: Sequence[Candidate], run: Callable[[Candidate], object], times: int = 15) -> Candidate:
    """The candidate whose best run is the shortest. The first three runs, which compile, do not count."""
    best: dict[int, float] = {}
    for index, candidate in enumerate(candidates):
        seconds = []
        for _ in range(3 + times):
            start = time.perf_counter()
            run(candidate)
            seconds.append(time.perf_counter() - start)
        best[index] = min(seconds[3:])
    return candidates[min(best, key=best.get)]
