"""Runs one work on every engine side by side: prepare all, compare all with graft, then rounds in turn."""

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from . import agreement, environment, machine
from .engines import EXACT, HEAD_LIMIT, Peer
from .protocol import Worker
from .results import Engine, Work
from .work import FeaturesWork, HeadWork

# After a round an engine's threads may spin for some time in the hope of more work (OpenMP's and MKL's for
# up to 200 ms); the next engine's round begins when they sleep.
PAUSE = 0.25
# The end of a pause: who works then is none of us.
LISTEN = 0.05
# Steps without dropout whose losses are compared.
CHECKED_STEPS = 12

NAMES_OF_ISAS = {"avx512": "graft/AVX-512", "avx2": "graft/AVX2", "portable": "graft/portable"}


class Disagreement(Exception):
    """An engine that does not compute what graft does, in a sentence."""


@dataclass(frozen=True)
class Setup:
    """What every comparison needs."""

    python: Path  # of the peers' environment
    bench_rounds: Path
    isas: list[str]
    peers: list[Peer]
    threads: int
    rounds: int
    scratch: Path


@dataclass
class Participant:
    engine: Engine
    worker: Worker
    epsilon_inside_sqrt: bool | None = None


def start_all(setup: Setup, peers: list[Peer], stack: ExitStack) -> list[Participant]:
    """A worker process for each of graft's vector units, then one for each peer."""
    surroundings = environment.worker_environment()
    commands = [(NAMES_OF_ISAS[isa], [str(setup.bench_rounds), isa], EXACT) for isa in setup.isas]
    for peer in peers:
        command = [str(setup.python), "-m", f"{__package__}.worker", peer.key]
        commands.append((peer.name, command, peer.limit))
    found = []
    for name, command, limit in commands:
        log = folder_of(setup, name) / "log.txt"
        worker = Worker(name, command, log, surroundings)
        stack.callback(worker.quit)
        found.append(Participant(Engine(name, "", "", limit=limit), worker))
    # The stack ends with this: the word goes to all before anyone is waited for.
    stack.callback(lambda: [one.worker.ask_to_quit() for one in found])
    return found


def folder_of(setup: Setup, name: str) -> Path:
    folder = setup.scratch / name.replace("/", "-").replace(" ", "-")
    folder.mkdir(exist_ok=True)
    return folder


def prepare_all(setup: Setup, asked: FeaturesWork | HeadWork, everyone: list[Participant]) -> None:
    """Features: all at once, for the time of it counts nowhere. The head: in turn, for its engines try out
    which of their ways is the quickest."""
    requests = {
        one.engine.name: replace(asked, scratch=str(folder_of(setup, one.engine.name))).request()
        for one in everyone
    }
    at_once = isinstance(asked, FeaturesWork)
    for one in everyone if at_once else []:
        one.worker.send(requests[one.engine.name])
    for one in everyone:
        answer = one.worker.receive() if at_once else one.worker.ask(requests[one.engine.name])
        one.engine.version, one.engine.setting = str(answer["version"]), str(answer["setting"])
        one.epsilon_inside_sqrt = answer.get("epsilon_inside_sqrt")


def checked(setup: Setup, one: Participant, **request: object) -> agreement.Values:
    output = folder_of(setup, one.engine.name) / "check.npy"
    one.worker.ask({"command": "check", "output": str(output), **request})
    return agreement.read_npy(output)


def compare(one: Participant, found: agreement.Values, due: agreement.Values, limit: float, what: str) -> None:
    one.engine.difference, one.engine.limit = agreement.difference(found, due), limit
    if one.engine.difference > limit:
        raise Disagreement(
            f"{one.engine.name}'s {what} differ from graft's by {one.engine.difference:.1e} of the largest; "
            f"the limit is {limit:.0e}, so that the times compare nothing"
        )


def check_features(setup: Setup, everyone: list[Participant]) -> None:
    due = checked(setup, everyone[0])
    for one in everyone[1:]:
        compare(one, checked(setup, one), due, one.engine.limit, "features")


def check_losses(setup: Setup, everyone: list[Participant]) -> None:
    """Each peer against graft with the peer's own form of RMSprop."""
    graft = everyone[0]
    due = {form: checked(setup, graft, steps=CHECKED_STEPS, epsilon_inside_sqrt=form) for form in (True, False)}
    for one in everyone[1:]:
        form = bool(one.epsilon_inside_sqrt)
        found = checked(setup, one, steps=CHECKED_STEPS, epsilon_inside_sqrt=form)
        compare(one, found, due[form], HEAD_LIMIT, "losses")


def run_rounds(setup: Setup, everyone: list[Participant], times: int) -> float:
    """A B C A B C …: a disturbance of the machine meets all engines alike. The first round is not kept: it
    brings each engine's data back into the caches and its threads onto the cores. Returns the cores that
    other programs used."""
    heard, listened = 0.0, 0.0
    for number in range(-1, setup.rounds):
        for one in everyone:
            time.sleep(PAUSE - LISTEN)
            busy, start = machine.busy_seconds(), time.monotonic()
            time.sleep(LISTEN)
            heard += machine.busy_seconds() - busy
            listened += time.monotonic() - start
            answer = one.worker.ask({"command": "round", "times": times})
            if number >= 0:
                one.engine.seconds.append(float(answer["seconds"]))
    return heard / listened


def measure_peaks(setup: Setup, grafts: list[Participant], peaks: dict[str, dict[str, float]]) -> None:
    """The machine's peaks by graft's vector units: the best seen in this run."""
    for one in grafts:
        answer = one.worker.ask({"command": "peak", "threads": setup.threads})
        best = peaks.setdefault(one.engine.name, {})
        for key in ("multiply_add", "memory_read"):
            best[key] = max(best.get(key, 0.0), float(answer[key]))


def run(
    setup: Setup,
    work: Work,
    asked: FeaturesWork | HeadWork,
    times: int,
    peers: list[Peer],
    peaks: dict[str, dict[str, float]],
) -> Work:
    """Fills the work's engines with their rounds."""
    say(f"{work.name}: {len(setup.isas) + len(peers)} engines prepare")
    with ExitStack() as stack:
        everyone = start_all(setup, peers, stack)
        prepare_all(setup, asked, everyone)
        check = check_features if isinstance(asked, FeaturesWork) else check_losses
        check(setup, everyone)
        say(f"{work.name}: rounds: {setup.rounds}")
        grafts = everyone[: len(setup.isas)]
        measure_peaks(setup, grafts, peaks)
        work.others = run_rounds(setup, everyone, times)
        measure_peaks(setup, grafts, peaks)
    work.engines = [one.engine for one in everyone]
    return work


STARTED = time.monotonic()


def say(sentence: str) -> None:
    print(f"[{time.monotonic() - STARTED:3.0f}s] {sentence} (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
