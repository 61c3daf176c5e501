"""What check_vector_loops.py finds in code that is as it must be, and in code that is not."""

import unittest

from check_vector_loops import Tile, check, why_skipped

TILE = Tile("ymm", 2, 1, 3)
GOOD = """
0000000000000000 <tile>:
   0:\tpush   %rbp
   1:\tmov    %rsp,%rbp
   4:\tvmovups (%rdx),%ymm2
   8:\tvbroadcastss (%rax),%ymm3
   c:\tvfmadd231ps %ymm2,%ymm3,%ymm0
  10:\tvbroadcastss 0x40(%rax),%ymm3
  14:\tvfmadd231ps %ymm2,%ymm3,%ymm1
  18:\tcmp    %rdx,%rcx
  1c:\tjne    4 <tile+0x4>
  20:\tvmovups %ymm0,(%r8)
  24:\tret
"""


def with_line(address: int, line: str) -> str:
    """GOOD with another instruction at that address."""
    return "\n".join(f"{address:4x}:\t{line}" if text.strip().startswith(f"{address:x}:") else text
                     for text in GOOD.splitlines())


class CheckVectorLoops(unittest.TestCase):
    def faults(self, listing: str, tile: Tile = TILE) -> str:
        return "\n".join(check(listing, tile)[0])

    def test_a_loop_of_sums_in_registers_is_good(self) -> None:
        self.assertEqual(self.faults(GOOD), "")

    def test_a_store_in_the_loop_is_a_fault(self) -> None:
        self.assertIn("writes memory in its loop: 18", self.faults(with_line(0x18, "vmovaps %ymm1,0x20(%rsp)")))

    def test_a_load_from_the_stack_is_a_fault(self) -> None:
        self.assertIn("reads the stack in its loop: 10", self.faults(with_line(0x10, "vbroadcastss 0x8(%rsp),%ymm3")))
        self.assertIn("reads the stack in its loop: 10", self.faults(with_line(0x10, "vbroadcastss -8(%rbp),%ymm3")))

    def test_rbp_is_a_register_like_others_without_a_frame(self) -> None:
        listing = with_line(0x10, "vbroadcastss -8(%rbp),%ymm3").replace("mov    %rsp,%rbp", "xor    %ebp,%ebp")
        self.assertEqual(self.faults(listing), "")

    def test_a_piece_that_the_compiler_moved_away_is_no_loop(self) -> None:
        # It is after the rest, is rarely needed, and jumps back to where it came from.
        moved = GOOD.replace("   1:\tmov    %rsp,%rbp", "   1:\tje     28 <tile+0x28>")
        moved += "  28:\tvfmadd231ps (%r9),%ymm3,%ymm0\n  2a:\tvmovups %ymm0,(%r9)\n  2c:\tjmp    20 <tile+0x20>\n"
        self.assertEqual(self.faults(moved), "")

    def test_a_missing_multiply_add_is_a_fault(self) -> None:
        self.assertIn("1 sums, not the 2×1", self.faults(with_line(0x14, "vaddps %ymm2,%ymm3,%ymm1")))

    def test_narrow_registers_are_a_fault(self) -> None:
        self.assertIn("not ymm registers", self.faults(GOOD.replace("ymm", "xmm")))

    def test_instructions_beyond_the_steps_are_a_fault(self) -> None:
        self.assertIn("7 instructions in its loop, more than 6", self.faults(GOOD, Tile("ymm", 2, 1, 1)))

    def test_an_object_without_such_a_loop_is_a_fault(self) -> None:
        self.assertIn("no loop", self.faults(GOOD.replace("vfmadd231ps", "vmulps")))

    def test_code_of_another_compiler_is_not_judged(self) -> None:
        self.assertEqual(why_skipped("GNU 12.2.0", ""), "")
        self.assertIn("Clang 14.0.6", why_skipped("Clang 14.0.6", ""))
        self.assertIn("GNU 120", why_skipped("GNU 120", ""))
        self.assertIn("address", why_skipped("GNU 12.2.0", "address"))


if __name__ == "__main__":
    unittest.main()
