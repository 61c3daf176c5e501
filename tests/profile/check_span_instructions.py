"""Counts the instructions that a span of engine/base/trace.h takes without a tracer.

    check_span_instructions.py --program build/release/tests/profile/span_instructions

Runs the program under valgrind's callgrind with and without the span, each with two numbers of repetitions. The
difference of the differences is the span's: a comparison and a jump at its begin and at its end, and a store and a
load that keep the tracer during the work between, 6 in total. Exits with 77 and the reason if valgrind is missing
or a sanitizer adds instructions of its own.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
REPETITIONS = (1000, 11000)
MOST = 6.5  # the start of the two programs may differ by some instructions


def count(valgrind: str, program: str, kind: str, repetitions: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "callgrind.out"
        done = subprocess.run([valgrind, "--tool=callgrind", f"--callgrind-out-file={profile}", program, kind,
                               str(repetitions)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{program} failed under valgrind:\n{done.stdout}{done.stderr}")
        total = re.search(r"^(?:summary|totals): (\d+)$", profile.read_text(), re.MULTILINE)
    if total is None:
        raise SystemExit("callgrind's profile has no line of totals")
    return int(total.group(1))


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts a span's instructions under callgrind.")
    parser.add_argument("--program", required=True)
    parser.add_argument("--sanitizers", default="")
    arguments = parser.parse_args()
    valgrind = shutil.which("valgrind")
    if arguments.sanitizers or valgrind is None:
        print("skipped: " + ("a sanitizer adds instructions" if arguments.sanitizers
                             else "valgrind is not installed (tools/install_deps.sh installs it)"))
        return SKIPPED
    few, many = ({kind: count(valgrind, arguments.program, kind, repetitions) for kind in ("spans", "none")}
                 for repetitions in REPETITIONS)
    turns = REPETITIONS[1] - REPETITIONS[0]
    loop = (many["none"] - few["none"]) / turns
    span = (many["spans"] - few["spans"]) / turns - loop
    print(f"a span without a tracer: {span:.2f} instructions; the bound is {MOST}")
    # A loop has a load, a sum and a jump at least; a span that took nothing was not there.
    return 0 if loop >= 3 and 1 <= span <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
