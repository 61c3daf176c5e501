"""What engines that train a head have in common: its rows, labels and first parameters, out of the one file that
every worker reads, and the search for an engine's fastest way."""

import time
from collections.abc import Callable

import numpy

from .protocol import Message
from .work import HeadWork

# Of a way, while the fastest is searched. The first runs, which compile, do not count.
RUNS, RUNS_BEFORE = 15, 3


class HeadEngine:
    """Training steps over the rows in their order, in the fastest of an engine's ways, which is often known only by
    trying. `tensor` makes an engine's tensor of an array. `trainer` makes a head of kernels (inputs, units) and
    (units, 1), biases, dropout and a way; it has `step` and `loss_of_step` of the features and labels of a batch."""

    def __init__(
        self,
        work: HeadWork,
        ways: tuple[str, ...],
        tensor: Callable[[numpy.ndarray], object],
        trainer: Callable[[HeadWork, list[numpy.ndarray], list[numpy.ndarray], float, str], object],
    ) -> None:
        rows, inputs, units = work.rows, work.inputs, work.units
        shapes = [(rows, inputs), (rows, 1), (inputs, units), (units,), (units, 1), (1,)]
        ends = numpy.cumsum([numpy.prod(shape) for shape in shapes])
        parts = numpy.split(numpy.fromfile(work.data, "<f4"), ends[:-1])
        features, labels, *parameters = (part.reshape(shape) for part, shape in zip(parts, shapes))
        starts = range(0, rows - work.batch + 1, work.batch)
        self._batches = [(tensor(features[s : s + work.batch]), tensor(labels[s : s + work.batch])) for s in starts]
        self._number = 0
        self._new_trainer = lambda dropout, way: trainer(work, parameters[::2], parameters[1::2], dropout, way)
        trainers = {way: self._new_trainer(work.dropout, way) for way in ways}
        best = {way: self._least_seconds(one) for way, one in trainers.items()}
        self.setting = min(best, key=best.get)
        self._trainer = trainers[self.setting]

    def _least_seconds(self, trainer: object) -> float:
        seconds = []
        for _ in range(RUNS_BEFORE + RUNS):
            start = time.perf_counter()
            trainer.step(*self._batches[0])
            self.synchronise()
            seconds.append(time.perf_counter() - start)
        return min(seconds[RUNS_BEFORE:])

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
