"""Runs one work on every engine side by side: prepare all, compare all with graft, then rounds in turn."""

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
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


@dataclass
class Participant:
    engine: Engine
    worker: Worker
    variant: str = ""
    epsilon_inside_sqrt: bool | None = None


def start_all(setup: Setup, peers: list[Peer], stack: ExitStack) -> list[Participant]:
    """A worker process for each of graft's columns, then one for each peer."""
    surroundings = environment.worker_environment(setup.device, setup.precision)
    own_limit = LIMITS[setup.precision] if setup.on_gpu else EXACT
    commands = [(name, [str(setup.worker), *how], "", own_limit) for name, how in setup.grafts().items()]
    for peer in peers:
        command = [str(setup.python), "-m", f"{__package__}.worker", peer.engine]
        commands.append((peer.name, command, peer.variant, setup.limit(peer)))
    found = []
    for name, command, variant, limit in commands:
        log = folder_of(setup, name) / "log.txt"
        worker = Worker(name, command, log, surroundings)
        stack.callback(worker.quit)
        engine = Engine(name, limit=limit, device=setup.device, precision=setup.precision)
        found.append(Participant(engine, worker, variant))
    # The stack ends with this: the word goes to all before anyone is waited for.
    stack.callback(lambda: [one.worker.ask_to_quit() for one in found])
    return found


def folder_of(setup: Setup, name: str) -> Path:
    folder = setup.scratch / name.replace("/", "-").replace(" ", "-")
    folder.mkdir(exist_ok=True)
    return folder


def request_for(setup: Setup, asked: FeaturesWork | HeadWork, one: Participant) -> Message:
    work = replace(asked, scratch=str(folder_of(setup, one.engine.name)))
    return (replace(work, variant=one.variant) if isinstance(work, FeaturesWork) else work).request()


def those_who_can(everyone: list[Participant], work: Work, step: Callable[[Participant], None]) -> list[Participant]:
    """Those who took the step. A peer that fails in it is skipped by name, and its process ends; graft's failure
    is everyone's."""
    found = []
    for one in everyone:
        try:
            step(one)
        except (WorkerError, Disagreement) as failure:
            if one.engine.is_graft:
                raise
            work.skipped[one.engine.name] = str(failure)
            one.worker.quit()
        else:
            found.append(one)
    return found


def prepare_all(
    setup: Setup, work: Work, asked: FeaturesWork | HeadWork, everyone: list[Participant]
) -> list[Participant]:
    """Features on the CPU: all at once, because this time counts nowhere. Else in turn, because engines try out
    which of their ways is the fastest."""
    at_once = isinstance(asked, FeaturesWork) and not setup.on_gpu
    for one in everyone if at_once else []:
        with suppress(WorkerError):  # it shows when its answer is read
            one.worker.send(request_for(setup, asked, one))

    def prepare(one: Participant) -> None:
        answer = one.worker.receive() if at_once else one.worker.ask(request_for(setup, asked, one))
        one.engine.version, one.engine.setting = str(answer["version"]), str(answer["setting"])
        one.epsilon_inside_sqrt = answer.get("epsilon_inside_sqrt")

    return those_who_can(everyone, work, prepare)


def checked(setup: Setup, one: Participant, **request: object) -> Values:
    output = folder_of(setup, one.engine.name) / "check.npy"
    one.worker.ask({"command": "check", "output": str(output), **request})
    return read_npy(output)


def compare(one: Participant, found: Values, expected: Values, limit: float, what: str) -> None:
    one.engine.difference, one.engine.limit = difference(found, expected), limit
    if one.engine.difference > limit:
        raise Disagreement(
            f"{one.engine.name}'s {what} differ from graft's by {one.engine.difference:.1e} of the largest; "
            f"the limit is {limit:.0e}; its times compare nothing"
        )


def features_on_the_cpu(setup: Setup, asked: FeaturesWork) -> Values:
    """What everyone on a GPU, graft among them, is compared with."""
    cpu = replace(setup, device="cpu", precision="fp32", isas=["auto"])
    with ExitStack() as stack:
        (graft,) = start_all(cpu, [], stack)
        graft.worker.ask(request_for(cpu, replace(asked, device="cpu", precision="fp32"), graft))
        return checked(cpu, graft)


def check_features(setup: Setup, work: Work, asked: FeaturesWork, everyone: list[Participant]) -> list[Participant]:
    if setup.on_gpu:
        expected, rest = features_on_the_cpu(setup, asked), everyone
    else:
        expected, rest = checked(setup, everyone[0]), everyone[1:]

    def check(one: Participant) -> None:
        compare(one, checked(setup, one), expected, one.engine.limit, "features")

    return everyone[: len(everyone) - len(rest)] + those_who_can(rest, work, check)


def check_losses(setup: Setup, work: Work, _: HeadWork, everyone: list[Participant]) -> list[Participant]:
    """Each peer against graft with the peer's own form of RMSprop."""
    graft = everyone[0]
    expected = {form: checked(setup, graft, steps=CHECKED_STEPS, epsilon_inside_sqrt=form) for form in (True, False)}

    def check(one: Participant) -> None:
        form = bool(one.epsilon_inside_sqrt)
        found = checked(setup, one, steps=CHECKED_STEPS, epsilon_inside_sqrt=form)
        compare(one, found, expected[form], HEAD_LIMIT, "losses")

    return [graft, *those_who_can(everyone[1:], work, check)]


def times_of_a_round(graft: Participant) -> int:
    """How often graft does its work in SECONDS_OF_A_ROUND."""
    times = 1
    while True:
        seconds = float(graft.worker.ask({"command": "round", "times": times})["seconds"])
        if seconds >= SECONDS_OF_A_ROUND / 4:
            return math.ceil(times * SECONDS_OF_A_ROUND / seconds)
        times *= 4


def run_rounds(setup: Setup, everyone: list[Participant], times: int) -> float:
    """A B C A B C …: a disturbance of the machine hits all engines alike. The first round is not kept: it
    brings each engine's data back into the caches and its threads onto the cores. Returns the cores that
    other programs used."""
    heard, listened = 0.0, 0.0
    for number in range(-1, setup.rounds):
        for one in everyone:
            time.sleep(PAUSE - LISTEN)
            busy, start = environment.busy_seconds(), time.monotonic()
            time.sleep(LISTEN)
            heard += environment.busy_seconds() - busy
            listened += time.monotonic() - start
            answer = one.worker.ask({"command": "round", "times": times})
            if number >= 0:
                one.engine.seconds.append(float(answer["seconds"]))
    return heard / listened


def measure_peaks(setup: Setup, grafts: list[Participant]) -> None:
    """The machine's peaks by graft's vector units: the best seen in this run."""
    for one in grafts:
        answer = one.worker.ask({"command": "peak", "threads": setup.threads})
        best = setup.peaks.setdefault(one.engine.name, {})
        for key in ("multiply_add", "memory_read"):
            best[key] = max(best.get(key, 0.0), float(answer[key]))


def run(setup: Setup, work: Work, asked: FeaturesWork | HeadWork, peers: list[Peer]) -> Work:
    """Fills the work's engines with their rounds; on a GPU, a round has as many executions as fill the time."""
    say(f"{work.name}: {len(setup.grafts()) + len(peers)} engines prepare")
    with ExitStack() as stack:
        everyone = prepare_all(setup, work, asked, start_all(setup, peers, stack))
        check = check_features if isinstance(asked, FeaturesWork) else check_losses
        everyone = check(setup, work, asked, everyone)
        say(f"{work.name}: rounds: {setup.rounds}")
        grafts = [one for one in everyone if one.engine.is_graft]
        if setup.on_gpu:
            work.executions = times_of_a_round(everyone[0])
        else:
            measure_peaks(setup, grafts)
        work.others = run_rounds(setup, everyone, work.executions)
        if not setup.on_gpu:
            measure_peaks(setup, grafts)
    work.engines = [one.engine for one in everyone]
    return work


STARTED = time.monotonic()


def say(sentence: str) -> None:
    print(f"[{time.monotonic() - STARTED:3.0f}s] {sentence} (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
