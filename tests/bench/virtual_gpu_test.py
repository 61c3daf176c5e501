"""graft's worker on the virtual GPU: it computes there what it computes on a GPU, and has no timer."""

import contextlib
import io
import os
import unittest
from pathlib import Path
from unittest import mock

import support
from peers import program
from peers.engines import HEAD_LIMIT, LIMITS
from peers.protocol import Worker, WorkerError
from peers.work import FeaturesWork, HeadWork, Values, difference, read_npy, write_head_data

NO_TIMER = "virtual GPU has no timer"


class VirtualGpu(support.InFolder):
    def setUp(self) -> None:
        super().setUp()
        self.on_it = {"LD_PRELOAD": os.environ["GRAFT_VIRTUAL_GPU"], "VGPU_ARCH": "sm_90"}

    def worker(self, device: str, how: str) -> Worker:
        command = [os.environ["GRAFT_BENCH_WORKER"], device, how]
        surroundings = dict(os.environ) | (self.on_it if device != "cpu" else {})
        worker = Worker("graft", command, self.folder / f"{how}.log", surroundings)
        self.addCleanup(worker.quit)
        return worker

    def checked(self, worker: Worker, **request: object) -> Values:
        worker.ask({"command": "check", "output": str(self.folder / "found.npy"), **request})
        return read_npy(self.folder / "found.npy")

    def test_features_are_the_networks_in_every_precision_and_no_round_is_timed(self) -> None:
        paths = support.known_files(self.folder)
        expected = Values((2, 2, 2, 512), support.known_features())
        for precision, limit in LIMITS.items():
            worker = self.worker("cuda:0", precision)
            worker.ask(FeaturesWork(support.SIDE, 2, *paths, 2, "").request())
            self.assertLess(difference(self.checked(worker), expected), limit, precision)
            with self.assertRaisesRegex(WorkerError, NO_TIMER):
                worker.ask({"command": "round", "times": 1})

    def test_losses_are_those_of_the_cpu_and_no_round_is_timed(self) -> None:
        work = HeadWork(64, 8, 4, 16, 0.5, 0.02, str(self.folder / "head"), 2, "")
        write_head_data(self.folder / "head", work)
        request = {"steps": 8, "epsilon_inside_sqrt": False}
        found = []
        for worker in (self.worker("cuda:0", "fp32"), self.worker("cpu", "auto")):
            worker.ask(work.request())
            found.append(self.checked(worker, **request))
            if len(found) == 1:
                with self.assertRaisesRegex(WorkerError, NO_TIMER):
                    worker.ask({"command": "round", "times": 1})
        self.assertLess(difference(*found), HEAD_LIMIT)

    def test_the_comparison_refuses_it_with_exit_code_5(self) -> None:
        (self.folder / "vgg16_imagenet.safetensors").touch()
        build = Path(os.environ["GRAFT_BENCH_WORKER"]).parent
        error = io.StringIO()
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, self.on_it | {"GRAFT_CACHE": str(self.folder)}))
            stack.enter_context(mock.patch("sys.argv", ["peers.py", "--device", "cuda", "--build", str(build)]))
            stack.enter_context(contextlib.redirect_stderr(error))
            self.assertEqual(program.main(), program.NO_GPU)
        self.assertRegex(error.getvalue(), f"^peers.py: The {NO_TIMER}.*\n$")


if __name__ == "__main__":
    unittest.main()
