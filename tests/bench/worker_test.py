"""graft's worker, graft-bench-worker: what it computes is what it was asked for."""

import math
import os
import random
import unittest
from array import array

import support
from peers.protocol import Worker, WorkerError
from peers.work import FeaturesWork, HeadWork, Values, difference, read_npy, write_head_data


def reference_losses(work: HeadWork, values: array, steps: int, inside: bool) -> list[float]:
    """The recipe's step in plain loops, without dropout: the losses before each update."""
    rows, n, m = work.rows, work.inputs, work.units
    sizes = [rows * n, rows, n * m, m, m, 1]
    ends = [sum(sizes[: k + 1]) for k in range(6)]
    x, labels, *parameters = [list(values[end - size : end]) for end, size in zip(ends, sizes)]
    squares = [[0.0] * len(p) for p in parameters]
    losses = []
    for step in range(steps):
        w1, b1, w2, b2 = parameters
        gradients, loss = [[0.0] * len(p) for p in parameters], 0.0
        for k in range(work.batch):
            row = (step * work.batch + k) % rows
            inputs_of_row = x[row * n : (row + 1) * n]
            sums = [b1[u] + sum(inputs_of_row[i] * w1[i * m + u] for i in range(n)) for u in range(m)]
            hidden = [max(0.0, s) for s in sums]
            z, t = b2[0] + sum(h * w for h, w in zip(hidden, w2)), labels[row]
            loss += (max(z, 0) - z * t + math.log1p(math.exp(-abs(z)))) / work.batch
            delta = (1 / (1 + math.exp(-z)) - t) / work.batch
            gradients[3][0] += delta
            for u in range(m):
                gradients[2][u] += delta * hidden[u]
                back = delta * w2[u] if sums[u] > 0 else 0.0
                gradients[1][u] += back
                for i in range(n):
                    gradients[0][i * m + u] += back * inputs_of_row[i]
        losses.append(loss)
        for p, a, g in zip(parameters, squares, gradients):
            for j in range(len(p)):
                a[j] = 0.9 * a[j] + 0.1 * g[j] ** 2
                root = math.sqrt(a[j] + 1e-7) if inside else math.sqrt(a[j]) + 1e-7
                p[j] -= work.learning_rate * g[j] / root
    return losses


class GraftsWorker(support.InFolder):
    def worker(self, *how: str) -> Worker:
        path = os.environ["GRAFT_BENCH_WORKER"]
        worker = Worker("graft", [path, *how], self.folder / "worker.log", dict(os.environ))
        self.addCleanup(worker.quit)
        return worker

    def test_features_are_the_networks(self) -> None:
        worker = self.worker("cpu", "auto")
        worker.ask(FeaturesWork(support.SIDE, 2, *support.known_files(self.folder), 2, "").request())
        worker.ask({"command": "check", "output": str(self.folder / "found.npy")})
        found = read_npy(self.folder / "found.npy")
        expected = Values((2, 2, 2, 512), support.known_features())
        self.assertLess(difference(found, expected), 1e-5)
        self.assertGreater(worker.ask({"command": "round", "times": 2})["seconds"], 0.0)

    def test_losses_are_a_reference_heads_in_both_forms_of_rmsprop(self) -> None:
        data = self.folder / "head"
        work = HeadWork(16, 4, 3, 9, 0.5, 0.02, str(data), 2, "")
        write_head_data(data, work)
        values = array("f", data.read_bytes())
        worker = self.worker("cpu", "auto")
        worker.ask(work.request())
        worker.ask({"command": "round", "times": 5})  # what was trained before does not count
        expected = {inside: reference_losses(work, values, 8, inside) for inside in (True, False)}
        apart = max(abs(one - other) for one, other in zip(expected[True], expected[False]))
        for inside in (True, False):
            request = {"command": "check", "steps": 8, "epsilon_inside_sqrt": inside}
            worker.ask({**request, "output": str(self.folder / "losses.npy")})
            found = read_npy(self.folder / "losses.npy").floats
            for one, other in zip(found, expected[inside], strict=True):
                self.assertAlmostEqual(one, other, delta=apart / 8)

    def test_peaks_are_those_of_a_processor(self) -> None:
        peak = self.worker("cpu", "auto").ask({"command": "peak", "threads": 1})
        self.assertGreater(peak["multiply_add"], 1e8)
        self.assertGreater(peak["memory_read"], 1e7)

    def test_what_cannot_be_is_a_sentence(self) -> None:
        worker = self.worker("cpu", "auto")
        with self.assertRaisesRegex(WorkerError, "round before prepare"):
            worker.ask({"command": "round", "times": 1})
        missing = self.folder / "missing"
        with self.assertRaisesRegex(WorkerError, "missing"):
            worker.ask(HeadWork(16, 4, 3, 9, 0.5, 1e-3, str(missing), 1, "").request())
        missing.write_bytes(random.Random(1).randbytes(40))
        with self.assertRaisesRegex(WorkerError, "does not have .* bytes"):
            worker.ask(HeadWork(16, 4, 3, 9, 0.5, 1e-3, str(missing), 1, "").request())
        with self.assertRaisesRegex(WorkerError, "unknown command dance"):
            worker.ask({"command": "dance"})

    def test_tells_what_it_computes_on(self) -> None:
        self.assertIn("CPU", self.worker("cpu", "auto").ask({"command": "device"})["device"])

    def test_wrong_arguments_end_the_worker_with_a_sentence(self) -> None:
        for how, expected in (
            (("cpu", "avx1024"), "expected portable, avx2, avx512 or auto, got avx1024"),
            (("cuda:0", "fp8"), "expected fp32, tf32, fp16 or bf16, got fp8"),
            (("cpu",), "expected a device and its setting"),
            (("tpu:0", "fp32"), 'no device "tpu:0"; choose "cpu", "cuda"'),
        ):
            with self.assertRaisesRegex(WorkerError, expected):
                self.worker(*how).ask({"command": "device"})


if __name__ == "__main__":
    unittest.main()
