#!/usr/bin/env python3
"""check_sass.py finds what it is there to find. Needs no tool and no GPU."""

import os
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check_sass  # noqa: E402

NAME = "_ZN5graft4cuda43_GLOBAL__N__08578dec_10_rmsprop_cu_386472db14rmsprop_kernelILb0EEEvNS1_5TableE"
KERNEL = "rmsprop_kernel<false>"


def usage_text(registers=30, stack=0, local=0):
    return (f"arch = sm_90\nResource usage:\n Function {NAME}:\n"
            f"  REG:{registers} STACK:{stack} SHARED:0 LOCAL:{local} CONSTANT[0]:2924 TEXTURE:0\n")


def sass_text(load="LDG.E.EF.128", store="STG.E.128", more=""):
    return (f"arch = sm_90\n\t\tFunction : {NAME}\n        /*0300*/   {load} R8, desc[UR4][R4.64] ;\n"
            f"        /*0310*/   @P0 {store} desc[UR4][R4.64], R8 ;\n{more}")


def check(usage, sass, table=None):
    threads = check_sass.parse_threads(f".visible .entry {NAME}(\n.param .u64 p\n)\n.maxntid 256\n")
    rows, wrong = check_sass.rows_of(check_sass.parse_usage(usage), check_sass.parse_sass(sass), threads)
    return wrong + (check_sass.differences(rows, table) if table is not None else [])


class CheckSass(unittest.TestCase):
    TABLE = {KERNEL: {"sm_90": {"registers": 30, "shared": 0, "threads": 256, "occupancy": 100}}}

    def test_names(self):
        self.assertEqual(check_sass.readable(NAME), KERNEL)
        self.assertEqual(
            check_sass.readable("x_1637217preprocess_kernelI13__nv_bfloat16Lj8EEEvNS1_6PixelsIT_EE"),
            "preprocess_kernel<bf16, 8>")
        self.assertEqual(check_sass.readable("x18column_sums_kernelEPfPKfmm"), "column_sums_kernel")

    def test_what_is_right_passes(self):
        self.assertEqual(check(usage_text(), sass_text(), self.TABLE), [])
        self.assertEqual(check(usage_text(registers=28), sass_text(), self.TABLE), [])

    def test_spills(self):
        self.assertIn("spills", check(usage_text(stack=8), sass_text())[0])
        self.assertIn("spills", check(usage_text(local=8), sass_text())[0])
        self.assertIn("spills", check(usage_text(), sass_text(more="  STL [R1], R2 ;"))[0])

    def test_narrow_accesses(self):
        self.assertIn("no LDG.E.128", check(usage_text(), sass_text(load="LDG.E"))[0])
        self.assertIn("no STG.E.128", check(usage_text(), sass_text(store="STG.E.64"))[0])

    def test_arithmetic_that_the_compiler_found_a_way_around(self):
        def measured(instruction, count):
            names = ("14rmsprop_kernel", "24multiply_add_peak_kernel")
            sass = sass_text(more=f"  {instruction} R1, R2, R3, R1 ;\n" * count).replace(*names)
            usage = usage_text().replace(*names)
            threads = {"multiply_add_peak_kernel<false>": 256}
            return check_sass.rows_of(check_sass.parse_usage(usage), check_sass.parse_sass(sass), threads)[1]
        self.assertEqual(measured("FFMA", 128), [])
        self.assertIn("127 FFMA", measured("FFMA", 127)[0])
        self.assertIn("0 FFMA", measured("UFFMA", 128)[0])  # once for a warp, not for each thread

    def test_more_registers_and_less_occupancy(self):
        wrong = check(usage_text(registers=40), sass_text(), self.TABLE)
        self.assertEqual(wrong, [f"{KERNEL} on sm_90: 40 registers, the table allows 30",
                                 f"{KERNEL} on sm_90: occupancy 75 %, the table wants 100 %"])

    def test_rows_that_one_side_lacks(self):
        self.assertIn("not in the table", check(usage_text(), sass_text(), {})[0])
        more = dict(self.TABLE, other_kernel=self.TABLE[KERNEL])
        self.assertIn("not in the objects", check(usage_text(), sass_text(), more)[0])

    def test_a_kernel_that_nobody_promised_anything_about(self):
        usage = usage_text().replace("14rmsprop_kernel", "14unknown_kernel")
        self.assertIn("does not know", check(usage, sass_text())[0])

    def test_occupancy(self):
        self.assertEqual(check_sass.occupancy("sm_90", 32, 0, 256), 100)
        self.assertEqual(check_sass.occupancy("sm_90", 64, 0, 256), 50)
        self.assertEqual(check_sass.occupancy("sm_75", 64, 0, 256), 100)
        self.assertEqual(check_sass.occupancy("sm_90", 255, 0, 256), 12)
        self.assertEqual(check_sass.occupancy("sm_80", 16, 49152, 256), 37)  # 3 blocks of 49 KiB
        self.assertEqual(check_sass.occupancy("sm_90", 16, 0, 32), 50)  # 32 blocks

    def test_no_tool_is_skipped_by_code(self):
        with mock.patch.object(check_sass, "find_tool", return_value=None), \
             mock.patch.object(sys, "argv", ["check_sass.py", "--table", "t", "o"]):
            self.assertEqual(check_sass.main(), 77)


if __name__ == "__main__":
    unittest.main()
