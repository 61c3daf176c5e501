"""Holds what a kernel's hot loop must be, by reading the code that the compiler made of it. It needs no
processor that could run that code.

    check_vector_loops.py --objdump objdump --object gemm.cpp.o --register zmm --rows 14 --vectors 2 --others 6

The hot loop of a register tile of rows × vectors sums does, for each step of the sum's index,

    vectors loads, rows broadcasts, rows·vectors multiply-adds, and a few others: prefetches, the loop

and nothing goes to memory: a store, or a load from the stack, is a value that found no register. Checked:

  * the object's loops with the most sums have rows·vectors of them, all in registers of that width,
  * each sum gets one multiply-add a step, and there are at most --others other instructions a step,
  * no loop with multiply-adds, a tail's neither, writes memory or reads the stack.

Where the compiler is not the one whose code it was written for, or a sanitizer adds code of its own, it says
so and ends with 77.
"""

import argparse
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

SKIPPED = 77
CHECKED_COMPILER = "GNU 12"

INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(\S+)(?:\s+(\S.*?))?\s*$")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
TARGET = re.compile(r"^([0-9a-f]+)\b")
MULTIPLY_ADD = re.compile(r"^vfn?m(?:add|sub)(?:132|213|231)ps$")
# A memory operand that these name last is read, or only asked for.
READS_LAST = re.compile(r"^(?:cmp|test|prefetch|nop|cs|data16|j|call)")


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--compiler", default=CHECKED_COMPILER, help="as CMake names it: \"GNU 12.2.0\"")
    parser.add_argument("--sanitizers", default="", help="whose code the build adds, if any's")


def why_skipped(compiler: str, sanitizers: str) -> str:
    """Why this build's code cannot be judged; empty when it can."""
    if sanitizers:
        return f"code of the sanitizers ({sanitizers}) is in every loop"
    if not re.match(rf"{CHECKED_COMPILER}\b", compiler):
        return f"the code of {CHECKED_COMPILER} is known; this is {compiler}"
    return ""


@dataclass(frozen=True)
class Instruction:
    address: int
    name: str
    operands: tuple[str, ...]

    def is_jump(self) -> bool:
        return self.name.startswith("j")

    def target(self) -> int | None:
        found = TARGET.match(self.operands[0]) if self.is_jump() and self.operands else None
        return int(found.group(1), 16) if found else None

    def writes_memory(self) -> bool:
        return bool(self.operands) and "(" in self.operands[-1] and not READS_LAST.match(self.name)

    def uses_stack(self, frame_pointer: bool) -> bool:
        bases = ("%rsp", "%rbp") if frame_pointer else ("%rsp",)
        return any(f"({base}" in operand for operand in self.operands for base in bases)

    def sum_register(self) -> str | None:
        return self.operands[-1] if MULTIPLY_ADD.match(self.name) else None


@dataclass(frozen=True)
class Loop:
    function: str
    instructions: tuple[Instruction, ...]
    frame_pointer: bool  # rbp points into the stack, and holds nothing else

    def sums(self) -> Counter[str]:
        registers = (instruction.sum_register() for instruction in self.instructions)
        return Counter(register for register in registers if register)


def split_operands(text: str) -> tuple[str, ...]:
    """AT&T's operands: commas inside brackets part nothing, and what follows # is a comment."""
    operands, depth, operand = [], 0, ""
    for character in text.split("#")[0]:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            operands.append(operand.strip())
            operand = ""
        else:
            operand += character
    return tuple(operands) + ((operand.strip(),) if operand.strip() else ())


def read_functions(listing: str) -> dict[str, list[Instruction]]:
    functions: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for line in listing.splitlines():
        if function := FUNCTION.match(line):
            current = functions.setdefault(function.group(1), [])
        elif found := INSTRUCTION.match(line):
            address, name, operands = found.groups()
            current.append(Instruction(int(address, 16), name, split_operands(operands or "")))
    return functions


def predecessors(code: list[Instruction]) -> dict[int, set[int]]:
    """By index: the instructions that may run just before one."""
    index = {instruction.address: i for i, instruction in enumerate(code)}
    before: dict[int, set[int]] = {i: set() for i in range(len(code))}
    for i, instruction in enumerate(code):
        if (target := instruction.target()) is not None and target in index:
            before[index[target]].add(i)
        if not instruction.name.startswith(("jmp", "ret", "ud2")) and i + 1 < len(code):
            before[i + 1].add(i)
    return before


def loop_of(first: int, last: int, before: dict[int, set[int]]) -> frozenset[int]:
    """What may run between `first` and the jump `last` back to it: the natural loop. Empty when one can
    come to that jump without `first`: then it only returns from a piece that the compiler moved away."""
    body = {first, last}
    to_visit = [last] if last != first else []
    while to_visit:
        for i in before[to_visit.pop()] - body:
            body.add(i)
            to_visit.append(i)
    return frozenset() if 0 in body and first != 0 else frozenset(body)


def innermost_loops(function: str, code: list[Instruction]) -> list[Loop]:
    frame_pointer = any(i.name == "mov" and i.operands == ("%rsp", "%rbp") for i in code)
    index = {instruction.address: i for i, instruction in enumerate(code)}
    before = predecessors(code)
    bodies = {loop_of(index[target], i, before) for i, instruction in enumerate(code)
              if (target := instruction.target()) in index and index[target] <= i} - {frozenset()}
    return [Loop(function, tuple(code[i] for i in sorted(body)), frame_pointer)
            for body in bodies if not any(other < body for other in bodies)]


def faults_of_loop(loop: Loop) -> list[str]:
    def described(what: str, instruction: Instruction) -> str:
        return f"{loop.function}: {what}: {instruction.address:x}: {instruction.name} {','.join(instruction.operands)}"

    return [described("writes memory in its loop", i) for i in loop.instructions if i.writes_memory()] + [
        described("reads the stack in its loop", i) for i in loop.instructions
        if i.uses_stack(loop.frame_pointer) and not i.writes_memory()]


@dataclass(frozen=True)
class Tile:
    register: str
    rows: int
    vectors: int
    others: int

    def instructions_a_step(self) -> int:
        return self.vectors + self.rows + self.rows * self.vectors + self.others


def faults_of_tile(loop: Loop, tile: Tile) -> list[str]:
    sums = loop.sums()
    faults = []
    if len(sums) != tile.rows * tile.vectors:
        faults.append(f"{loop.function}: {len(sums)} sums, not the {tile.rows}×{tile.vectors} of the register tile")
    if others := [name for name in sums if not re.fullmatch(rf"%{tile.register}\d+", name)]:
        faults.append(f"{loop.function}: sums in {', '.join(others)}, which are not {tile.register} registers")
    if len(set(sums.values())) != 1:
        faults.append(f"{loop.function}: some sums get more multiply-adds than others: {dict(sums)}")
    most = max(sums.values()) * tile.instructions_a_step()
    if len(loop.instructions) > most:
        faults.append(f"{loop.function}: {len(loop.instructions)} instructions in its loop, more than {most}")
    return faults


def check(listing: str, tile: Tile) -> tuple[list[str], str]:
    """The faults, and a sentence about what was looked at."""
    loops = [loop for name, code in read_functions(listing).items() for loop in innermost_loops(name, code)]
    with_sums = [loop for loop in loops if loop.sums()]
    if not with_sums:
        return ["no loop with multiply-adds in the object"], ""
    most = max(len(loop.sums()) for loop in with_sums)
    hot = [loop for loop in with_sums if len(loop.sums()) == most]
    faults = [fault for loop in hot for fault in faults_of_tile(loop, tile)]
    faults += [fault for loop in with_sums for fault in faults_of_loop(loop)]
    longest = max(hot, key=lambda loop: len(loop.instructions))
    return faults, (f"{sum(longest.sums().values())} multiply-adds on {tile.register} in "
                    f"{max(longest.sums().values())} step(s) of {tile.rows}×{tile.vectors}, among "
                    f"{len(longest.instructions)} instructions; {len(with_sums)} loops without a spill")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads the hot loop of a kernel's object.")
    parser.add_argument("--objdump", required=True)
    parser.add_argument("--object", required=True)
    parser.add_argument("--register", required=True, choices=("ymm", "zmm"))
    parser.add_argument("--rows", required=True, type=int)
    parser.add_argument("--vectors", required=True, type=int)
    parser.add_argument("--others", required=True, type=int)
    add_build_arguments(parser)
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    if why := why_skipped(arguments.compiler, arguments.sanitizers):
        print(f"skipped: {why}")
        return SKIPPED
    listing = subprocess.run([arguments.objdump, "--disassemble", "--demangle", "--no-show-raw-insn", arguments.object],
                             check=True, capture_output=True, text=True).stdout
    faults, seen = check(listing, Tile(arguments.register, arguments.rows, arguments.vectors, arguments.others))
    print("\n".join(faults) if faults else seen)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
