"""Runs one work on every engine side by side: prepare all, compare all with graft, then rounds in turn."""

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from . import environment
from .engines import EXACT, HEAD_LIMIT, LIMITS, Peer, Setup
from .protocol import Message, Worker, WorkerError
from .report import Engine, Work
from .work import FeaturesWork, HeadWork, Values, difference, read_npy

# After a round an engine's threads may spin for some time in the hope of more work (OpenMP's and MKL's for
# up to 200 ms); the next engine's round begins when they sleep.
PAUSE = 0.25
# The end of a pause: whatever works then is not one of the engines.
LISTEN = 0.05
# Steps without dropout whose losses are compared.
CHECKED_STEPS = 12
# Of a round on a GPU, whose speed is not known before: long compared with the clock and the wait at its end.
SECONDS_OF_A_ROUND = 0.5


class Disagreement(Exception):
    """An engine that does not compute what graft does, in a sentence."""


def start_all(setup: Setup, peers: list[Peer], stack: ExitStack) -> list[Engine]:
    """A worker process for each of graft's columns, then one for each peer."""
    surroundings = environment.worker_environment(setup.device, setup.precision)
    own_limit = LIMITS[setup.precision] if setup.on_gpu else EXACT
    found = [(Engine(name, limit=own_limit), [str(setup.worker), *how]) for name, how in setup.grafts().items()]
    module = [str(setup.python), "-m", f"{__package__}.worker"]
    found += [(Engine(peer.name, limit=setup.limit(peer)), [*module, peer.key]) for peer in peers]
    for engine, command in found:
        engine.folder = setup.scratch / engine.name.replace("/", "-").replace(" ", "-")
        engine.folder.mkdir(exist_ok=True)
        engine.worker = Worker(engine.name, command, engine.folder / "worker.log", surroundings)
        stack.callback(engine.worker.quit)
    return [engine for engine, _ in found]


def request_for(engine: Engine, asked: FeaturesWork | HeadWork) -> Message:
    return replace(asked, scratch=str(engine.folder)).request()


def those_who_can(engines: list[Engine], work: Work, step: Callable[[Engine], None]) -> list[Engine]:
    """Those who took the step. A peer that fails in it is skipped by name, and its process ends; graft's failure
    is everyone's."""
    found = []
    for engine in engines:
        try:
            step(engine)
            found.append(engine)
        except (WorkerError, Disagreement) as failure:
            if engine.is_graft:
                raise
            work.skipped[engine.name] = str(failure)
            engine.worker.quit()
    return found


def prepare_all(setup: Setup, work: Work, asked: FeaturesWork | HeadWork, engines: list[Engine]) -> list[Engine]:
    """Features on the CPU: all at once, because this time counts nowhere. Else in turn, because engines try out
    which of their ways is the fastest."""
    at_once = isinstance(asked, FeaturesWork) and not setup.on_gpu
    for engine in engines if at_once else []:
        with suppress(WorkerError):  # it shows when its answer is read
            engine.worker.send(request_for(engine, asked))

    def prepare(engine: Engine) -> None:
        answer = engine.worker.receive() if at_once else engine.worker.ask(request_for(engine, asked))
        engine.version, engine.setting = str(answer["version"]), str(answer["setting"])
        engine.epsilon_inside_sqrt = bool(answer.get("epsilon_inside_sqrt"))

    return those_who_can(engines, work, prepare)


def checked(engine: Engine, **request: object) -> Values:
    output = engine.folder / "check.npy"
    engine.worker.ask({"command": "check", "output": str(output), **request})
    return read_npy(output)


def compare(engine: Engine, found: Values, expected: Values, what: str) -> None:
    engine.difference = difference(found, expected)
    if engine.difference > engine.limit:
        raise Disagreement(
            f"{engine.name}'s {what} differ from graft's by {engine.difference:.1e} of the largest; "
            f"the limit is {engine.limit:.0e}; its times compare nothing"
        )


def features_on_the_cpu(setup: Setup, asked: FeaturesWork) -> Values:
    """What everyone on a GPU, graft among them, is compared with."""
    cpu = replace(setup, device="cpu", precision="fp32", isas=["auto"])
    with ExitStack() as stack:
        (graft,) = start_all(cpu, [], stack)
        graft.worker.ask(request_for(graft, replace(asked, device="cpu", precision="fp32")))
        return checked(graft)


def check_features(setup: Setup, work: Work, asked: FeaturesWork, engines: list[Engine]) -> list[Engine]:
    own = [] if setup.on_gpu else engines[:1]
    expected = checked(own[0]) if own else features_on_the_cpu(setup, asked)

    def check(engine: Engine) -> None:
        compare(engine, checked(engine), expected, "features")

    return own + those_who_can(engines[len(own) :], work, check)


def check_losses(work: Work, engines: list[Engine]) -> list[Engine]:
    """Each peer against graft with the peer's own form of RMSprop."""
    graft = engines[0]
    expected = {form: checked(graft, steps=CHECKED_STEPS, epsilon_inside_sqrt=form) for form in (True, False)}

    def check(engine: Engine) -> None:
        form, engine.limit = engine.epsilon_inside_sqrt, HEAD_LIMIT
        found = checked(engine, steps=CHECKED_STEPS, epsilon_inside_sqrt=form)
        compare(engine, found, expected[form], "losses")

    return [graft, *those_who_can(engines[1:], work, check)]


def times_of_a_round(graft: Engine) -> int:
    """How often graft does its work in SECONDS_OF_A_ROUND."""
    times = 1
    while True:
        seconds = float(graft.worker.ask({"command": "round", "times": times})["seconds"])
        if seconds >= SECONDS_OF_A_ROUND / 4:
            return math.ceil(times * SECONDS_OF_A_ROUND / seconds)
        times *= 4


def run_rounds(rounds: int, engines: list[Engine], times: int) -> float:
    """A B C A B C …: a disturbance of the machine hits all engines alike. The first round is not kept: it
    brings each engine's data back into the caches and its threads onto the cores. Returns the cores that
    other programs used."""
    heard, listened = 0.0, 0.0
    for number in range(-1, rounds):
        for engine in engines:
            time.sleep(PAUSE - LISTEN)
            busy, start = environment.busy_seconds(), time.monotonic()
            time.sleep(LISTEN)
            heard += environment.busy_seconds() - busy
            listened += time.monotonic() - start
            answer = engine.worker.ask({"command": "round", "times": times})
            if number >= 0:
                engine.seconds.append(float(answer["seconds"]))
    return heard / listened


def measure_peaks(setup: Setup, engines: list[Engine]) -> None:
    """The machine's peaks by graft's vector units: the best seen in this run."""
    for graft in (engine for engine in engines if engine.is_graft):
        answer = graft.worker.ask({"command": "peak", "threads": setup.threads})
        best = setup.peaks.setdefault(graft.name, {})
        for key in ("multiply_add", "memory_read"):
            best[key] = max(best.get(key, 0.0), float(answer[key]))


def run(setup: Setup, work: Work, asked: FeaturesWork | HeadWork, peers: list[Peer]) -> Work:
    """Fills the work's engines with their rounds; on a GPU, a round has as many executions as fill the time."""
    say(f"{work.name}: {len(setup.grafts()) + len(peers)} engines prepare")
    work.device, work.precision = setup.device, setup.precision
    with ExitStack() as stack:
        engines = prepare_all(setup, work, asked, start_all(setup, peers, stack))
        if isinstance(asked, FeaturesWork):
            engines = check_features(setup, work, asked, engines)
        else:
            engines = check_losses(work, engines)
        work.engines = engines
        say(f"{work.name}: rounds: {setup.rounds}")
        if setup.on_gpu:
            work.executions = times_of_a_round(engines[0])
        else:
            measure_peaks(setup, engines)
        work.others = run_rounds(setup.rounds, engines, work.executions)
        if not setup.on_gpu:
            measure_peaks(setup, engines)
    return work


STARTED = time.monotonic()


def say(sentence: str) -> None:
    print(f"[{time.monotonic() - STARTED:3.0f}s] {sentence} (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
