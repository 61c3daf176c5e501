"""What engines that train a head have in common: its rows, labels and first parameters, out of the one file that
every worker reads, and the search for an engine's fastest way."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy

from .protocol import Message
from .work import HeadWork

@dataclass(frozen=True)
class HeadData:
    features: numpy.ndarray  # (rows, inputs)
    labels: numpy.ndarray  # (rows,), 0 or 1
    kernels: list[numpy.ndarray]  # (inputs, units), (units, 1)
    biases: list[numpy.ndarray]  # (units,), (1,)

    @staticmethod
    def read(work: HeadWork) -> "HeadData":
        rows, inputs, units = work.rows, work.inputs, work.units
        shapes = [(rows, inputs), (rows,), (inputs, units), (units,), (units, 1), (1,)]
        sizes = [int(numpy.prod(shape)) for shape in shapes]
        values = numpy.fromfile(work.data, "<f4")
        if values.size != sum(sizes):
            raise ValueError(f"{work.data} holds {values.size} values, not {sum(sizes)}")
        parts = numpy.split(values, numpy.cumsum(sizes)[:-1])
        arrays = [part.reshape(shape) for part, shape in zip(parts, shapes)]
        return HeadData(arrays[0], arrays[1], arrays[2::2], arrays[3::2])

    def batches(self, batch: int) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
        """Features and labels of each batch; labels as a column."""
        labels = self.labels.reshape(-1, 1)
        starts = range(0, len(labels) - batch + 1, batch)
        return [(self.features[s : s + batch], labels[s : s + batch]) for s in starts]


Way = TypeVar("Way")


def fastest(ways: Sequence[Way], run: Callable[[Way], object], times: int = 15) -> Way:
    """The way whose best run is the shortest: it is often known only by trying. The first three runs, which
    compile, do not count."""
    best: dict[int, float] = {}
    for index, way in enumerate(ways):
        seconds = []
        for _ in range(3 + times):
            start = time.perf_counter()
            run(way)
            seconds.append(time.perf_counter() - start)
        best[index] = min(seconds[3:])
    return ways[min(best, key=best.get)]


class HeadEngine:
    """Training steps over the rows in their order, in the fastest of an engine's ways. `tensor` makes an
    engine's tensor of an array, `trainer` a head with this dropout that trains in this way. A trainer has `step` and
    `loss_of_step` of the features and labels of a batch."""

    def __init__(
        self,
        work: HeadWork,
        data: HeadData,
        ways: tuple[str, ...],
        tensor: Callable[[numpy.ndarray], object],
        trainer: Callable[[float, str], object],
    ) -> None:
        self._batches = [tuple(map(tensor, batch)) for batch in data.batches(work.batch)]
        self._new_trainer = trainer
        self._number = 0
        trainers = {way: trainer(work.dropout, way) for way in ways}
        self.setting = fastest(ways, lambda way: self._done(trainers[way]))
        self._trainer = trainers[self.setting]

    def _done(self, trainer: object) -> None:
        trainer.step(*self._batches[0])
        self.synchronise()

    def synchronise(self) -> None:
        """Waits for the device, where steps return before they are done."""

    def run(self) -> None:
        self._trainer.step(*self._batches[self._number % len(self._batches)])
        self._number += 1

    def check(self, request: Message) -> numpy.ndarray:
        """The losses of the first steps without dropout, the way that is timed."""
        trainer = self._new_trainer(0.0, self.setting)
        batches = (self._batches[step % len(self._batches)] for step in range(request["steps"]))
        return numpy.array([trainer.loss_of_step(*batch) for batch in batches], "f4")
