import json
import unittest

from peer_engines import report
from peer_engines.results import Engine, Work
from peer_engines.targets import FRAMEWORKS, WINOGRAD

MACHINE = {
    "processor": "a processor", "cores": 2, "isas": ["avx2"], "system": "a system", "python": "3.11",
    "date": "2026-01-02T03:04:05+00:00", "load_at_start": 0.1,
}


def work() -> Work:
    found = Work("features, 150×150, batch 16", "images", 16, 10e9, "this and that")
    found.others = 0.25
    found.engines = [Engine("graft/AVX2", "1", "", [0.25, 0.5, 0.25])]
    found.engines += [Engine(n, "2", "s", [1.0, 1.6, 1.2], 1e-6, 1e-4) for n in FRAMEWORKS]
    found.engines += [Engine(n, "2", "s", [0.3, 0.6, 0.3], 2e-5, 1e-3) for n in WINOGRAD]
    return found


class Table(unittest.TestCase):
    def setUp(self) -> None:
        self.lines = report.work_text(work(), 200e9).splitlines()

    def row(self, name: str) -> list[str]:
        return next(line for line in self.lines if line.strip().startswith(name)).split()

    def test_says_unit_rounds_and_what_the_clock_covers(self) -> None:
        self.assertIn("images/s, 3 rounds of 16 images", self.lines[0])
        self.assertIn("other programs used 0.2 cores", self.lines[0])
        self.assertIn("this and that", self.lines[1])

    def test_shows_median_minimum_and_maximum_of_the_figure(self) -> None:
        self.assertEqual(self.row("graft/AVX2")[1:4], ["64.00", "32.00", "64.00"])

    def test_shows_the_ratio_with_its_spread_and_the_share_of_the_peak(self) -> None:
        row = self.row("Keras")
        self.assertEqual(row[4:6], ["4.00", "(3.20–4.80)"])
        self.assertEqual(row[6], f"{10e9 * 16 / 1.2 / 200e9:.2f}")

    def test_shows_whether_the_targets_are_reached(self) -> None:
        verdicts = [line.split()[0] for line in self.lines if "≥" in line]
        self.assertEqual(verdicts, ["reached", "missed"])

    def test_columns_stand_under_their_titles(self) -> None:
        title, *rows = self.lines[2 : 4 + len(FRAMEWORKS) + len(WINOGRAD)]
        end = title.index("median") + len("median")
        self.assertEqual(len(rows), 1 + len(FRAMEWORKS) + len(WINOGRAD))
        for row in rows:
            self.assertRegex(row[:end], r"\d\.\d\d$")

    def test_a_work_without_operations_has_no_share_of_the_peak(self) -> None:
        job = Work("job", "photos", 10, None, "", [Engine("graft", "1", "", [1.0])])
        self.assertNotIn("of peak", report.work_text(job, 200e9))


class Json(unittest.TestCase):
    def setUp(self) -> None:
        found = report.as_json(MACHINE, {"graft/AVX2": {"multiply_add": 2e11, "memory_read": 2e10}}, 2, [work()])
        self.report = json.loads(json.dumps(found))

    def test_names_its_schema_and_keeps_every_sample(self) -> None:
        self.assertEqual(self.report["schema"], "graft-peers/1")
        engines = self.report["works"][0]["engines"]
        self.assertEqual(engines[0]["seconds"], [0.25, 0.5, 0.25])
        self.assertEqual(engines[1]["figure"]["median"], 16 / 1.2)

    def test_has_ratios_differences_and_verdicts(self) -> None:
        peer = self.report["works"][0]["engines"][1]
        self.assertEqual(peer["graft_is_times_as_fast"]["graft/AVX2"]["median"], 4.0)
        self.assertEqual((peer["difference"], peer["limit"]), (1e-6, 1e-4))
        self.assertEqual([t["reached"] for t in self.report["works"][0]["targets"]], [True, False])


if __name__ == "__main__":
    unittest.main()
