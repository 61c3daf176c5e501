"""How `bench/peers.py` and its workers talk: one JSON object a line, a request and its answer in turn.

    {"command": "device"}                 → graft's worker only: {"ok": true, "device": …}, when it has a timer
    {"command": "prepare", "work": {…}}   → {"ok": true, "version": …, "setting": …}
    {"command": "check", "output": FILE, …} → {"ok": true}; FILE.npy holds what is to be compared
    {"command": "round", "times": N}      → {"ok": true, "seconds": …}, measured inside the worker, its
                                            device done, after max(N/8, 1) times that
                                            do not count; an error on the virtual GPU
    {"command": "peak", "threads": N}     → graft's worker only: {"ok": true, "multiply_add": FLOP/s, …},
                                            on the CPU

The end of its stdin ends a worker. What fails is answered with {"ok": false, "error": sentence}. Each engine is a process of its own, so that neither its threads nor its allocator nor its copy of oneDNN meets another's.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

Message = dict[str, object]

# No answer within this time means that none will come; the slowest, a preparation, takes a minute or two.
SECONDS_PER_REQUEST = 600.0
SECONDS_TO_QUIT = 20.0


class WorkerError(Exception):
    """A worker that failed or died: one sentence with its name."""


class Worker:
    """The asking side: starts the process, sends requests, ends it with the object."""

    def __init__(
        self, name: str, command: list[str], log: Path, environment: dict[str, str], limit: float = SECONDS_PER_REQUEST
    ) -> None:
        self.name, self._log, self._limit = name, log, limit
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )

    def ask(self, request: Message) -> Message:
        self.send(request)
        return self.receive()

    def send(self, request: Message) -> None:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def receive(self) -> Message:
        """Kills a worker that does not answer in time: its stdout ends, and so does the wait."""
        too_late = threading.Event()
        timer = threading.Timer(self._limit, lambda: (too_late.set(), self._process.kill()))
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line and too_late.is_set():
            raise self._error(f" gave no answer within {self._limit:g} s and was killed")
        if not line:
            raise self._died()
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            raise self._error(f" wrote what is no answer: {line.strip()}") from None
        if not answer["ok"]:
            raise self._error(f": {answer['error']}")
        return answer

    def quit(self) -> int:
        """Ends the process by the end of its stdin; kills it when it does not go. Returns its exit code."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(SECONDS_TO_QUIT)
        finally:
            self._process.kill()
            self._process.stdout.close()
        return self._process.wait()

    def _died(self) -> WorkerError:
        return self._error(f" ended with code {self._process.wait()}: {last_line(self._log)}")

    def _error(self, text: str) -> WorkerError:
        return WorkerError(f"{self.name}{text} (its log is {self._log})")


def last_line(log: Path) -> str:
    """Of what a process wrote before it ended."""
    return (log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"])[-1]


def serve(answer: Callable[[Message], Message]) -> None:
    """The answering side: calls `answer` for each request until the end of stdin.

    Libraries print to stdout as they like, some from C: file descriptor 1 becomes stderr for them, and
    answers go out through a copy of the real one.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        for line in sys.stdin:
            request = json.loads(line)
            try:
                reply = {"ok": True, **answer(request)}
            except Exception as error:  # the asking side decides what a failure means
                first = (str(error).splitlines() or [""])[0]
                reply = {"ok": False, "error": f"{type(error).__name__}: {first}"}
            print(json.dumps(reply), file=out, flush=True)
