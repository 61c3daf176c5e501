"""Counts the instructions that a kernel takes per floating-point operation. Unlike a time it is the same on
every machine and under any load, and it tells at once when a loop got longer.

    check_instructions.py --program build/release/tests/kernels/kernel_instructions --kernel gemm

Runs the program under valgrind's callgrind with two numbers of repetitions: what the larger one executes more
is the kernel's alone. valgrind knows no AVX-512, so it is the AVX2 kernel that is counted; the longest loop of
the other is counted by check_vector_loops.py. Ends with 77, and says why, where valgrind or AVX2 is missing,
or another compiler made the code.

Both kernels work in register tiles of 6 rows × 16 columns. A step of the sum's index does 2·6·16 = 192
operations and takes

    2 loads of a row of B    6 broadcasts of A    12 multiply-adds    1 prefetch of B          21

`gemm` goes four steps a turn of its loop, with 16 steps (a block) and 128 steps (a chain) around it:

    a turn    6 for pointers, compare, jump       8 /   4  = 2
    a block   6 prefetches of A; 2 of the next B, in a loop of 5; 14 for loop and pointers
                                                 30 /  16  = 1.9
    a chain   12 zeros; load, add and store of 12 sums; call, pointers and addresses of C's rows
                                                100 / 128  = 0.8                        in all 25.7

`dense_forward` has no chain, and a line of 16 steps in place of the block:

    a turn    pointers, compare, jump             8 /   4  = 2
    a line    two pointers, compare, jump, the count of the turns
                                                 10 /  16  = 0.6
    a tile    12 zeros, 12 stores; addresses     80 / 256  = 0.3                        in all 23.9

The bounds are 4 % above.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from check_vector_loops import SKIPPED, add_build_arguments, why_skipped

REPETITIONS = (2, 12)
OPERATIONS_A_STEP = 2 * 6 * 16
INSTRUCTIONS_A_STEP = {"gemm": 25.7, "dense_forward": 23.9}
MARGIN = 1.04


class Skip(Exception):
    """Why nothing can be counted here."""


def count(valgrind: str, program: str, kernel: str, repetitions: int) -> tuple[int, int]:
    """Instructions of the complete run, and operations of one repetition."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "callgrind.out"
        done = subprocess.run([valgrind, "--tool=callgrind", f"--callgrind-out-file={profile}", program, kernel,
                               str(repetitions)], capture_output=True, text=True)
        if done.returncode == SKIPPED:
            raise Skip(f"{done.stdout.strip()} under valgrind")
        if done.returncode != 0:
            raise SystemExit(f"{program} failed under valgrind:\n{done.stdout}{done.stderr}")
        total = re.search(r"^(?:summary|totals): (\d+)$", profile.read_text(), re.MULTILINE)
    if total is None:
        raise SystemExit("callgrind's profile has no line of totals")
    return int(total.group(1)), int(done.stdout)


def check(program: str, kernel: str) -> str:
    """A sentence with the count. Raises SystemExit when it is above the bound."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Skip("valgrind is not installed (tools/install_deps.sh installs it)")
    few, operations = count(valgrind, program, kernel, REPETITIONS[0])
    many, _ = count(valgrind, program, kernel, REPETITIONS[1])
    per_operation = (many - few) / (REPETITIONS[1] - REPETITIONS[0]) / operations
    bound = INSTRUCTIONS_A_STEP[kernel] / OPERATIONS_A_STEP * MARGIN
    sentence = (f"{kernel}: {per_operation:.4f} instructions per operation, "
                f"{per_operation * OPERATIONS_A_STEP:.1f} a step; the bound is {bound:.4f}")
    # Fewer than the multiply-adds alone: then not the kernel was counted.
    if not 12 / OPERATIONS_A_STEP < per_operation <= bound:
        raise SystemExit(sentence)
    return sentence


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts a kernel's instructions under callgrind.")
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True, choices=sorted(INSTRUCTIONS_A_STEP))
    add_build_arguments(parser)
    arguments = parser.parse_args()
    try:
        if why := why_skipped(arguments.compiler, arguments.sanitizers):
            raise Skip(why)
        print(check(arguments.program, arguments.kernel))
    except Skip as why:
        print(f"skipped: {why}")
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
