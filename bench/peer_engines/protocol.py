"""How `bench/peers.py` and its workers talk: one JSON object a line, a request and its answer in turn.

    {"command": "prepare", "work": {…}}   → {"ok": true, "version": …, "setting": …}
    {"command": "check", "output": FILE, …} → {"ok": true}; FILE.npy holds what is to be compared
    {"command": "round", "times": N}      → {"ok": true, "seconds": …}, measured inside the worker
    {"command": "peak", "threads": N}     → graft's worker only: {"ok": true, "multiply_add": FLOP/s, …}
    {"command": "quit"}                   → the worker ends

What fails is answered with {"ok": false, "error": sentence}. Each engine is a process of its own, so that
neither its threads nor its allocator nor its copy of oneDNN meets another's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Message = dict[str, object]


class WorkerError(Exception):
    """A worker that failed or died: one sentence with its name."""


class Worker:
    """The asking side: starts the process, sends requests, ends it with the object."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.name = name
        self._log = log
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
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            raise WorkerError(f"{self.name} wrote what is no answer: {line.strip()}") from None
        if not answer["ok"]:
            raise WorkerError(f"{self.name}: {answer['error']} (its log is {self._log})")
        return answer

    @property
    def exit_code(self) -> int | None:
        """None while the process runs."""
        return self._process.poll()

    def quit(self) -> None:
        """Ends the process; kills it when it does not go."""
        try:
            self._process.stdin.write('{"command": "quit"}\n')
            self._process.stdin.close()
            self._process.wait(timeout=20)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _died(self) -> WorkerError:
        code = self._process.wait()
        lines = self._log.read_text(errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it said nothing"
        return WorkerError(f"{self.name} ended with code {code}: {last} (its log is {self._log})")


def serve(answer: Callable[[Message], Message]) -> None:
    """The answering side: calls `answer` for each request until "quit" or the end of stdin.

    Libraries print to stdout as they like, some from C: file descriptor 1 becomes stderr for them, and
    answers go out through a copy of the real one.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        for line in sys.stdin:
            request = json.loads(line)
            if request["command"] == "quit":
                return
            try:
                reply = {"ok": True, **answer(request)}
            except Exception as error:  # the asking side decides what a failure means
                first = (str(error).splitlines() or [""])[0]
                reply = {"ok": False, "error": f"{type(error).__name__}: {first}"}
            print(json.dumps(reply), file=out, flush=True)
