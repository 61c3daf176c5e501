"""tools/profile_summary.py: the files of the tools that it reads, and its summary."""

import contextlib
import io
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import profile_summary as summary

FILES = Path(__file__).parent / "profile"
TEMPORARY = tempfile.TemporaryDirectory()


def changed(name: str, old: str, new: str) -> Path:
    """A file of FILES with one text replaced."""
    text = (FILES / name).read_text()
    assert old in text
    path = Path(tempfile.mkdtemp(dir=TEMPORARY.name)) / name
    path.write_text(text.replace(old, new))
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    out, error = io.StringIO(), io.StringIO()
    with mock.patch("sys.argv", ["profile_summary.py", *arguments]):
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            return summary.main(), out.getvalue(), error.getvalue()


class Intervals(unittest.TestCase):
    def test_a_union_merges_what_touches(self):
        self.assertEqual(summary.union([(5, 6), (1, 2), (2, 3), (1.5, 2.5)]), [(1, 3), (5, 6)])

    def test_an_overlap_is_counted_once(self):
        self.assertEqual(summary.overlap([(0, 4), (1, 3)], [(2, 6), (3, 5)]), 2)
        self.assertEqual(summary.overlap([(0, 1)], [(1, 2)]), 0)
        self.assertEqual(summary.overlap([], [(1, 2)]), 0)

    def test_gaps_come_longest_first_and_not_from_the_ends(self):
        self.assertEqual(summary.gaps([(1, 2), (3, 4), (8, 9), (1, 2.5)]), [(4, 8), (2.5, 3)])
        self.assertEqual(summary.gaps([]), [])


class Nsys(unittest.TestCase):
    def test_kernels_come_longest_first_in_seconds(self):
        kernels = summary.nsys_kernels(FILES / "cuda_gpu_kern_sum.csv")
        self.assertEqual([(count, round(seconds, 9)) for _, count, seconds in kernels],
                         [(1, 2.5e-3), (2, 1e-3), (1, 5e-4)])  # fmt: skip
        self.assertTrue(kernels[0][0].startswith("sm80_xmma"))

    def test_copies_and_kernels_are_told_apart(self):
        work = summary.nsys_work(FILES / "cuda_gpu_trace.csv")
        self.assertEqual([item.is_copy for item in work], [True, False, False, True, False, False, True])

    def test_overlap_and_gaps(self):
        # Kernels: 2.0–5.4 and 6.5–7.1, 4.0 ms. Copies: 1–2, 4–6, 9.1–10, 3.9 ms; during kernels 4.0–5.4, 1.4 ms.
        # Nothing: 6.0–6.5 and 7.1–9.1.
        text = "\n".join(summary.side_by_side(summary.nsys_work(FILES / "cuda_gpu_trace.csv")))
        self.assertIn("Of 9.000 ms from the first", text)
        self.assertIn("4.000 ms kernels ran", text)
        self.assertIn("3.900 ms copies ran, 35.9% of that during kernels", text)
        self.assertIn("2.500 ms nothing ran, in 2 gaps", text)
        self.assertIn("the longest: 2.000 ms, 0.500 ms", text)

    def test_units_are_those_of_the_heading(self):
        file = changed("cuda_gpu_kern_sum.csv", "Total Time (ns)", "Total Time (us)")
        self.assertAlmostEqual(summary.nsys_kernels(file)[0][2], 2.5)

    def test_lines_before_the_table_are_passed_over(self):
        file = changed("cuda_gpu_kern_sum.csv", "Time (%)", "Processing [report.sqlite] with [kern_sum.py]...\n\nTime (%)")
        self.assertEqual(len(summary.nsys_kernels(file)), 3)

    def test_what_is_missing_or_unknown_is_a_sentence(self):
        for old, new, sentence in [("Total Time (ns)", "Total", 'there is no column "Total Time (unit)"'),
                                   ("Total Time (ns)", "Total Time (weeks)", 'the unit "weeks" is not known'),
                                   ("Instances", "Often", 'there is no column "Instances"; is this the right report'),
                                   ("2500000,1,", "many,1,", '"many" is no number')]:  # fmt: skip
            with self.subTest(new), self.assertRaisesRegex(summary.Unreadable, re.escape(sentence)):
                summary.nsys_kernels(changed("cuda_gpu_kern_sum.csv", old, new))

    def test_the_whole_summary(self):
        code, out, _ = run("nsys", "--kernels", str(FILES / "cuda_gpu_kern_sum.csv"),
                           "--work", str(FILES / "cuda_gpu_trace.csv"), "--trace", str(FILES / "trace.json"))  # fmt: skip
        self.assertEqual(code, 0)
        self.assertIn("The 3 longest of 3 kernels, 4.000 ms in total", out)
        self.assertRegex(out, r"2\.500 +62\.5% +1 +sm80_xmma")
        # 37.5 MB in 1 ms, 8 MB in 0.5 ms.
        self.assertRegex(out, r"37\.500 +1\.000 +37\.5 +2 +bias_relu_max_pool")
        self.assertRegex(out, r"8\.000 +0\.500 +16\.0 +1 +preprocess")


class Ncu(unittest.TestCase):
    def test_units_and_thousands_are_read(self):
        work = summary.ncu_work(FILES / "ncu_raw.csv")
        self.assertEqual([round(item.seconds, 9) for item in work], [1e-3, 3e-3, 5e-4, 5e-4])
        self.assertEqual([item.read for item in work], [2e6, 1.5e9, 2e7, 1e7])
        self.assertEqual([item.written for item in work], [6e6, 5e8, 5e6, 2.5e6])

    def test_a_column_that_is_missing_is_named(self):
        with self.assertRaisesRegex(summary.Unreadable, 'there is no column "dram__bytes_read.sum"'):
            summary.ncu_work(changed("ncu_raw.csv", "dram__bytes_read.sum", "dram__bytes"))

    def test_another_page_is_refused(self):
        with self.assertRaisesRegex(summary.Unreadable, "there is no row of units"):
            summary.ncu_work(changed("ncu_raw.csv", '"","","","","","","","","","","","Mbyte","Kbyte","%","us"\n', ""))

    def test_no_kernel_is_said(self):
        rows = "\n".join((FILES / "ncu_raw.csv").read_text().splitlines()[3:])
        code, _, error = run("ncu", "--kernels", str(changed("ncu_raw.csv", rows, "")))
        self.assertEqual(code, 1)
        self.assertIn("no kernel was profiled", error)

    def test_the_whole_summary(self):
        code, out, _ = run("ncu", "--kernels", str(FILES / "ncu_raw.csv"), "--trace", str(FILES / "trace.json"))
        self.assertEqual(code, 0)
        self.assertIn("The 3 longest of 3 kernels, 5.000 ms in total", out)
        # (40·1 + 10·3 + 90·0.5 + 80·0.5) / 5
        self.assertIn("Device memory: 2045.5 MB moved, 31.0 % of its peak", out)
        self.assertRegex(out, r"37\.500 +37\.500 +100\.0% +2 +bias_relu_max_pool")
        self.assertRegex(out, r"8\.000 +8\.000 +100\.0% +1 +preprocess")


class Promises(unittest.TestCase):
    def test_only_those_started_inside_the_range_count_in_their_order(self):
        found = [(promise.kernel, promise.layer, promise.bytes) for promise in summary.promises(FILES / "trace.json")]
        self.assertEqual(found, [("preprocess", "", 8000000), ("bias_relu_max_pool", "block1_conv2", 25000000),
                                 ("bias_relu_max_pool", "block2_conv2", 12500000)])  # fmt: skip

    def test_the_heads_kernels_count_and_products_do_not(self):
        def span(name: str, args: str) -> str:
            return f'{{"ph":"X","pid":1,"tid":1,"name":"{name}","ts":1,"dur":1,"args":{{"number":0,"enqueued":1{args}}}}},'

        spans = span("relu_dropout_backward", ',"layer":"dense","bytes":12') + span("input_gradient", "") + span("copy", ',"bytes":3')
        trace = changed("trace.json", '"traceEvents":[', '"traceEvents":[' + spans)
        trace.write_text(trace.read_text().replace('"profiled"', '"other"'))
        found = [promise for promise in summary.promises(trace) if promise.bytes in (12, 3)]
        self.assertEqual(found, [summary.Promise("relu_dropout_backward", "dense", 12)])
        work = [summary.Work(f"void graft::cuda::<unnamed>::{name}_kernel(float *)", 1.0)
                for name in ("relu_dropout", "relu_dropout_backward", "add_row_losses")]  # fmt: skip
        pairs, warnings = summary.matched(work, found)
        self.assertEqual(list(pairs), ["relu_dropout_backward"])
        self.assertEqual(warnings, ["relu_dropout: 1 were measured, the trace has 0: not compared"])

    def test_without_a_range_all_count(self):
        self.assertEqual(len(summary.promises(changed("trace.json", '"profiled"', '"other"'))), 5)

    def test_numbers_that_differ_are_not_compared(self):
        work = summary.ncu_work(FILES / "ncu_raw.csv")
        pairs, warnings = summary.matched(work[:-1], summary.promises(FILES / "trace.json"))
        self.assertEqual(list(pairs), ["preprocess"])
        self.assertEqual(warnings, ["bias_relu_max_pool: 1 were measured, the trace has 2: not compared"])

    def test_another_file_is_no_trace(self):
        code, _, error = run("ncu", "--kernels", str(FILES / "ncu_raw.csv"), "--trace", str(FILES / "ncu_raw.csv"))
        self.assertEqual(code, 1)
        self.assertIn("this is not a trace", error)
        for old, new in [('"traceEvents":[', '"traceEvents":[1,'), ('"args":{"number":0}', '"arguments":{}')]:
            with self.subTest(new), self.assertRaisesRegex(summary.Unreadable, "this is not a trace"):
                summary.promises(changed("trace.json", old, new))

    def test_a_run_without_them_says_so(self):
        text = "\n".join(summary.against_promises(*summary.matched([], []), True))
        self.assertIn("None of graft's own kernels ran here", text)


if __name__ == "__main__":
    unittest.main()
