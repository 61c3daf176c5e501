"""Runs the program with one fault after another, and judges what each leaves behind.

    faults.py [--most N] [--jobs N] [SCENARIO…]

A fault is right if the program ends with a documented exit code and one sentence, if every published
file is as before or as after an undisturbed run, never a mix, if `predict` works, and if the next run
gives the bytes of an undisturbed one and leaves nothing else. Prints a table, and each failure with
the command that shows it. --most: how many moments of each fault are tried (0: all); the first call
of each call stack comes first.
"""

import argparse
import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import small_recipe

PROGRAM, SHIM = os.environ["GRAFT_PROGRAM"], os.environ.get("GRAFT_FAULTS_SHIM", "")
Tree = dict[str, bytes]


@dataclass(frozen=True)
class Fault:
    """`calls` of the shim meet `action`; the program may end with one of `exits`."""

    name: str
    calls: str
    action: str
    exits: tuple[int, ...]
    lasts: bool = False
    loses: str = ""
    of_predict: bool = False  # the calls of a `predict`, while the scenario's command runs

    def environment(self, folder: Path, at: int) -> dict[str, str]:
        found = {"FAULT_CALLS": self.calls, "FAULT_ACTION": self.action, "FAULT_AT": str(at), "FAULT_LOSES": self.loses}
        found["FAULT_UNDO"] = str(folder / "undo")
        return found | ({"FAULT_LASTS": "1"} if self.lasts else {})


def failing(call: str, code: int, *exits: int, lasts: bool = False) -> Fault:
    always = " always" if lasts else ""
    return Fault(f"{call.replace(',', '+')} {errno.errorcode[code]}{always}", call, str(code), (0, *exits), lasts)


def cut(loses: str) -> Fault:
    return Fault(f"power cut: {loses}", "change", "cut", (-signal.SIGKILL,), loses=loses)


FAULTS = [
    Fault("kill", "change", "kill", (-signal.SIGKILL,)),
    *(cut(loses) for loses in ("data", "zeros", "entries", "data,entries")),
    failing("write,size,folder", errno.ENOSPC, 6, lasts=True),
    failing("write", errno.ENOSPC, 6),
    failing("write", errno.EIO, 6),
    failing("write", errno.EINTR),
    Fault("write short", "write", "short", (0,)),
    failing("size", errno.ENOSPC, 6),
    failing("sync", errno.EIO, 6),
    failing("rename", errno.EIO, 6),
    failing("rename", errno.EINVAL, 6),
    failing("remove", errno.EIO, 6),
    failing("folder", errno.ENOSPC, 6),
    failing("open", errno.EMFILE, 6),
    failing("open", errno.EIO, 6),
    failing("read", errno.EIO, 6),
    failing("list", errno.EIO, 6),
    failing("read", errno.EINTR),
    Fault("read short", "read", "short", (0,)),
    failing("stat", errno.EIO, 6),
    failing("lock", errno.ENOLCK, 6),
    failing("close", errno.EIO, 6),
    failing("map", errno.ENOMEM, 5),
    Fault("map SIGBUS", "map", "bus", (0, 6)),
    failing("thread", errno.EAGAIN, 5),
    failing("memory", errno.ENOMEM, 5),
    Fault("predict at each change", "change", "stop", (0,)),
    Fault("change during predict", "open,stat,read,map", "stop", (0,), of_predict=True),
]


@dataclass(frozen=True)
class Scenario:
    """`before` makes the folder, then `change` changes the photos; `command` meets the fault."""

    command: list[str]
    before: list[list[str]] = field(default_factory=list)
    changes_photos: bool = False
    answers_unreadable: bool = False  # a photo that cannot be read has a line with the reason, and the exit code is 3


RUN, SECOND = ["run", "config.json"], ["--set", "seed=2"]
SCENARIOS = {
    "fresh": Scenario(RUN),
    "train": Scenario(["train", "config.json", *SECOND], [RUN]),
    "run": Scenario([*RUN, *SECOND], [RUN], changes_photos=True),
    "extract": Scenario(["extract", "config.json"], [RUN], changes_photos=True),
    "crossvalidate": Scenario(
        ["crossvalidate", "config.json", "--folds", "2", "--seeds", "2"],
        [RUN, ["crossvalidate", "config.json", "--folds", "2", "--seeds", "1"]],
    ),
    "evaluate": Scenario(["evaluate", "out", "-o", "out.json"], [RUN]),
    "predict": Scenario(["predict", "--json", "out", "photos/validation"], [RUN], answers_unreadable=True),
    "import": Scenario(["weights", "import", "weights.safetensors", "-o", "imported.safetensors"]),
}
PREDICT = SCENARIOS["predict"].command
UNIMPORTANT = {"out/run.log", "out/.lock.exclusive"}
NO_PICTURE = b"This photo cannot be read now."  # on the page


class Stand:
    """One recipe in a folder of its own, and what a scenario gives there without a fault."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.scenario = folder, SCENARIOS[name]
        self.known: dict[bytes, list[str]] = {}  # what is wrong after the same files were left
        small_recipe.make_recipe(folder / "root")
        for command in self.scenario.before:
            self.must(command)
        self.old = self.tree()
        self.predictions = [self.predict()]
        if self.scenario.changes_photos:
            small_recipe.write_photos(folder / "root/photos/train", 500, 3, jpegs=1)
        self.output, self.calls = self.count(self.scenario.command)
        self.new = self.tree()
        self.predictions.append(self.predict())
        self.restore()
        self.calls_of_predict = self.count(PREDICT)[1] if self.predictions[0] else {}

    def start(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        """`graft COMMAND`, in the recipe's folder."""
        folder, pipe = self.folder / "root", subprocess.PIPE
        return subprocess.Popen(
            [PROGRAM, *command], cwd=folder, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(command, **environment)
        try:
            output, error = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            output, error = process.communicate()
            error += "\ngraft: it hung"
        return subprocess.CompletedProcess(command, process.returncode, output, error)

    def must(self, command: list[str], **environment: str) -> str:
        done = self.run(command, **environment)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def shim(self) -> dict[str, str]:
        return {"LD_PRELOAD": SHIM, "FAULT_ROOT": str(self.folder / "root"), "FAULT_REPORT": str(self.folder / "report")}

    def count(self, command: list[str]) -> tuple[str, dict[str, list[int]]]:
        """The undisturbed command: its output, and for each kind of call how often and first of each call stack."""
        output = self.must(command, **self.shim())
        lines = (self.folder / "report").read_text().splitlines()
        return output, {line.split()[0]: [int(number) for number in line.split()[1:]] for line in lines}

    def predict(self) -> str:
        """The output of `predict`, or "" where there is no model."""
        return self.run(PREDICT).stdout

    def tree(self) -> Tree:
        """All that the program wrote, by path. A folder ends with "/" and has no content."""
        root, found = self.folder / "root", {}
        for path in [*root.glob("out*"), *root.glob("imported*"), *(root / "out").rglob("*")]:
            name = str(path.relative_to(root))
            if path.is_dir():
                found[name + "/"] = b""
            elif name not in UNIMPORTANT:
                found[name] = path.read_bytes()
        return found

    def restore(self) -> None:
        """The files as they were before the scenario's command."""
        for folder in ("root/out", "undo"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
        (self.folder / "undo").mkdir()
        for name in self.tree():
            (self.folder / "root" / name).unlink()
        for name, content in sorted(self.old.items()):
            path = self.folder / "root" / name
            if name.endswith("/"):
                path.mkdir()
            else:
                path.write_bytes(content)

    def judge(self, fault: Fault, at: int) -> tuple[str, list[str]]:
        """Where the fault leads to ("not met", "old" or "new", with "refused" before it) and what is wrong."""
        if fault.action == "stop":
            return self.judge_readers(fault, at)
        self.restore()
        (self.folder / "report").unlink(missing_ok=True)
        done = self.run(self.scenario.command, **self.shim(), **fault.environment(self.folder, at))
        report = self.folder / "report"
        if report.exists() and "met 0" in report.read_text() and done.returncode == 0:
            return "not met", []
        unreadable = done.returncode == 3 and self.scenario.answers_unreadable and '"error": ' in done.stdout
        wrong = wrong_ending(done, (*fault.exits, *([3] if unreadable and 6 in fault.exits else [])))
        left = self.tree()
        state, mixed = self.state(left)
        wrong += mixed
        if done.returncode == 0 and (state != "new" or done.stdout != self.output):
            wrong.append(f"exit 0, but the files are {state}, or the output differs")
        if fault.action == "cut" and report.exists() and state != "new":
            wrong.append("after the end the new files were lost")
        key = digest(left)
        if key not in self.known:
            self.known[key] = self.wrong_afterwards(state)
        return ("refused, " if done.returncode > 0 else "") + state, wrong + self.known[key]

    def wrong_afterwards(self, state: str) -> list[str]:
        wrong = []
        if (prediction := self.predict()) != self.predictions[state == "new"]:
            wrong.append(f"predict gives {prediction[:200]!r} with the {state} files")
        again = self.run(self.scenario.command)
        if again.returncode != 0 or again.stdout != self.output:
            wrong.append(f"the next run: exit {again.returncode}, {again.stderr[-300:]!r}")
        return wrong + [f"after the next run: {line}" for line in differences(self.tree(), self.new)]

    def judge_readers(self, fault: Fault, at: int) -> tuple[str, list[str]]:
        """One command is stopped at a call, and the other runs."""
        self.restore()
        commands = [self.scenario.command, PREDICT][:: -1 if fault.of_predict else 1]
        result = self.folder / "root/out/result"
        held = os.open(result, os.O_DIRECTORY) if result.exists() else None
        process = self.start(commands[0], **self.shim(), **fault.environment(self.folder, at))
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            process.returncode = os.waitstatus_to_exitcode(status)
            process.communicate()
            return "not met", []
        state, wrong = self.state(self.tree())
        other = self.run(commands[1])
        process.send_signal(signal.SIGCONT)
        output, error = process.communicate(timeout=120)
        if process.returncode != 0:
            wrong.append(f"exit {process.returncode}: {error[-300:]!r}")
        prediction = output if fault.of_predict else other.stdout
        if fault.of_predict and prediction in self.predictions:
            state = ("old", "new")[self.predictions.index(prediction)]
        if prediction != self.predictions[state == "new"]:
            wrong.append(f"predict gives {prediction[:200]!r}, {other.stderr[-300:]!r} with the {state} files")
        if held is not None:
            wrong += self.mixed_in(held)
        return state, wrong + [f"at the end: {line}" for line in differences(self.tree(), self.new)]

    def mixed_in(self, held: int) -> list[str]:
        """A reader that opened the folder before the command sees the old files, or none."""
        old, wrong = published(self.old)["result"], []
        for name in os.listdir(held):
            with open(name, "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=held)) as file:
                if file.read() != old.get(name):
                    wrong.append(f"{name} changed in the folder that a reader has open")
        os.close(held)
        return wrong

    def state(self, tree: Tree) -> tuple[str, list[str]]:
        """ "old" or "new", and what belongs to neither."""
        now, old, new = published(tree), published(self.old), published(self.new)
        page = now.get("result", {}).get("report.html", b"")
        if NO_PICTURE in page and page != old.get("result", {}).get("report.html"):
            now["result"]["report.html"] = new["result"]["report.html"]  # what could not be read is optional
        if now in (old, new):
            return ("new" if now == new else "old"), []
        units = now.keys() | old.keys() | new.keys()
        broken = [unit for unit in units if now.get(unit) not in (old.get(unit), new.get(unit))]
        return "mixed", [f"neither old nor new: {', '.join(sorted(broken)) or 'together'}"]


def published(tree: Tree) -> dict[str, Tree]:
    """What others read: the result as one unit, other finished files each by itself."""
    place = "out/result/" if "out/result/" in tree else "out/previous/"
    units: dict[str, Tree] = {}
    for name, content in tree.items():
        if name.startswith(place):
            units.setdefault("result", {})[name.removeprefix(place)] = content
        elif name in ("out/crossvalidation.json", "out.json", "imported.safetensors"):
            units[name] = {name: content}
    return units


def wrong_ending(done: subprocess.CompletedProcess[str], exits: tuple[int, ...]) -> list[str]:
    wrong = []
    if done.returncode not in exits:
        wrong.append(f"exit {done.returncode}: {done.stderr[-300:]!r}")
    lines = [line for line in done.stderr.splitlines() if line.startswith("graft: ")]
    if "it hung" in done.stderr or len(lines) != (done.returncode > 0) or "bug in this program" in done.stderr:
        wrong.append(f"no single sentence: {done.stderr[-300:]!r}")
    return wrong


def digest(tree: Tree) -> bytes:
    one = hashlib.sha256()
    for name, content in sorted(tree.items()):
        one.update(f"{name}\n{len(content)}\n".encode())
        one.update(content)
    return one.digest()


def differences(actual: Tree, expected: Tree) -> list[str]:
    names = sorted(actual.keys() | expected.keys())
    return [
        f"{name} {'differs' if name in actual and name in expected else 'is left' if name in actual else 'is missing'}"
        for name in names
        if actual.get(name) != expected.get(name)
    ]


def spread(numbers: list[int], most: int) -> list[int]:
    """At most `most` of the numbers, from the first to the last."""
    if most == 0 or len(numbers) <= most:
        return numbers
    return [numbers[i * (len(numbers) - 1) // max(1, most - 1)] for i in range(most)]


def moments(fault: Fault, calls: dict[str, list[int]], most: int) -> list[int]:
    kinds = [kind for kind in fault.calls.split(",") if calls]
    if not kinds:
        return []
    total, first = sum(calls[kind][0] for kind in kinds), calls[kinds[0]][1:]
    if fault.action == "cut":
        total += 1  # just after the end
    every = list(range(1, total + 1))
    if fault.calls == "memory" or (0 < most <= len(first) < total):
        every = first + [total] * (fault.action == "cut")
    return spread(every, most)


stand: Stand


def take_stand(folder: str, name: str) -> None:
    global stand
    stand = Stand(Path(tempfile.mkdtemp(dir=folder)), name)


def judge(fault: Fault, at: int) -> tuple[str, list[str]]:
    return stand.judge(fault, at)


def try_all(name: str, faults: list[Fault], most: int, jobs: int) -> int:
    """Prints the table of a scenario. Returns how many faults were wrong."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    failed = 0
    with tempfile.TemporaryDirectory(prefix="graft-faults-", dir=parent) as folder:
        take_stand(folder, name)
        print(f"{'fault in ' + name:34} {'tried':>6} {'old set':>8} {'new set':>8} {'refused':>8} {'FAILED':>7}")
        with ProcessPoolExecutor(jobs, initializer=take_stand, initargs=(folder, name)) as pool:
            judge_each = map if jobs == 1 else pool.map
            for fault in faults:
                at = moments(fault, stand.calls_of_predict if fault.of_predict else stand.calls, most)
                found, wrong = Counter(), []
                for number, (outcome, problems) in zip(at, judge_each(judge, [fault] * len(at), at), strict=True):
                    found[outcome] += 1
                    wrong += [f"  {fault.name} at {number}: {problem}" for problem in problems]
                    found["failed"] += bool(problems)
                tried = len(at) - found["not met"]
                ends = [sum(count for key, count in found.items() if key.endswith(end)) for end in ("old", "new")]
                refused = sum(count for key, count in found.items() if key.startswith("refused"))
                print(f"{fault.name:34} {tried:6} {ends[0]:8} {ends[1]:8} {refused:8} {found['failed']:7}", flush=True)
                print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr, flush=True)
                failed += found["failed"]
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], help=", ".join(SCENARIOS))
    parser.add_argument("--most", type=int, default=0, metavar="N")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--fault", default="", help="only faults whose name begins so")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if fault.name.startswith(options.fault)]
    failed = [try_all(name, faults, options.most, options.jobs) for name in options.scenario or SCENARIOS]
    return 1 if sum(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
