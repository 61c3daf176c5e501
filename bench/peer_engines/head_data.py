"""The rows, labels and first parameters of a head, out of the one file that every worker reads."""

from dataclasses import dataclass

import numpy

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
            raise ValueError(f"{work.data} holds {values.size} values where {sum(sizes)} are due")
        parts = numpy.split(values, numpy.cumsum(sizes)[:-1])
        arrays = [part.reshape(shape) for part, shape in zip(parts, shapes)]
        return HeadData(arrays[0], arrays[1], arrays[2::2], arrays[3::2])

    def batches(self, batch: int) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
        """Features and labels of each batch; labels as a column."""
        labels = self.labels.reshape(-1, 1)
        starts = range(0, len(labels) - batch + 1, batch)
        return [(self.features[s : s + batch], labels[s : s + batch]) for s in starts]
