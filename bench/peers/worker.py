"""A peer's process: `python -m peers.worker ENGINE` or `ENGINE:VARIANT`, with bench/ on the module path.

The clock of a round covers what a caller waits for, to float32 results in host memory. On the CPU it begins
with float32 input in the layout that the engine's interface takes: reading, rescaling and the change to that
layout are done before; what an engine changes of it inside counts. On a GPU it begins with the pictures' bytes
in host memory, for everyone: the copies both ways and the rescaling are inside. The device is done when the
clock is read.
"""

import importlib
import sys
import time
from pathlib import Path

import numpy

from .protocol import Message, serve
from .vgg16 import Weights
from .work import FeaturesWork, HeadWork


class Peer:
    """Answers requests with an engine in one of its ways: ENGINE or ENGINE:VARIANT."""

    def __init__(self, key: str) -> None:
        module, _, self._variant = key.partition(":")
        self._name = f"{__package__}.{module}_engine"

    def answer(self, request: Message) -> Message:
        return {"prepare": self.prepare, "check": self.check, "round": self.round}[request["command"]](request)

    def prepare(self, request: Message) -> Message:
        work = request["work"]
        module = importlib.import_module(self._name)  # here: some print while they are imported
        if work["kind"] == "features":
            asked = FeaturesWork(**work | {"variant": self._variant})
            pictures = numpy.fromfile(asked.pictures, numpy.uint8).reshape(asked.batch, asked.side, asked.side, 3)
            self._engine = module.Features(asked, pictures, Weights(Path(asked.weights)))
        else:
            self._engine = module.Head(HeadWork(**work))
        self._engine.run()  # what an engine does at its first batch is no part of a round
        return {
            "version": module.VERSION,
            "setting": self._engine.setting,
            "epsilon_inside_sqrt": getattr(self._engine, "epsilon_inside_sqrt", None),
        }

    def check(self, request: Message) -> Message:
        numpy.save(request["output"], self._engine.check(request))
        return {}

    def round(self, request: Message) -> Message:
        times = request["times"]
        synchronise = getattr(self._engine, "synchronise", lambda: None)
        for _ in range(max(times // 8, 1)):
            self._engine.run()  # the rounds of others have emptied the caches
        synchronise()
        start = time.perf_counter()
        for _ in range(times):
            self._engine.run()
        synchronise()
        return {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    serve(Peer(sys.argv[1]).answer)
