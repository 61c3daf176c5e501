import os
import signal
import sys
import unittest

import support
from peers.protocol import Worker, WorkerError

# A worker that adds, and whose library prints to stdout from Python and from below it.
ADDER = """
import os, sys
from peers.protocol import serve
def answer(request):
    print("hello from a library")
    os.write(1, b"hello from C\\n")
    if request["command"] == "die":
        print("the last words", file=sys.stderr, flush=True)
        os._exit(3)
    return {"sum": request["a"] + request["b"]}
serve(answer)
"""


class Protocol(support.InFolder):
    def worker(self, code: str, limit: float = 60.0) -> Worker:
        worker = Worker("adder", [sys.executable, "-c", code], self.folder / "log", dict(os.environ), limit)
        self.addCleanup(worker.quit)
        return worker

    def test_answers_are_not_disturbed_by_what_a_library_prints(self) -> None:
        worker = self.worker(ADDER)
        for a in range(3):
            self.assertEqual(worker.ask({"command": "add", "a": a, "b": 40})["sum"], a + 40)
        self.assertEqual(worker.quit(), 0)
        self.assertIn("hello from C", (self.folder / "log").read_text())

    def test_a_failure_is_a_sentence_with_the_workers_name_and_the_worker_lives(self) -> None:
        worker = self.worker(ADDER)
        with self.assertRaisesRegex(WorkerError, "adder: TypeError: .*log"):
            worker.ask({"command": "add", "a": 1, "b": "one"})
        self.assertEqual(worker.ask({"command": "add", "a": 1, "b": 1})["sum"], 2)

    def test_a_death_has_its_code_and_its_last_words(self) -> None:
        with self.assertRaisesRegex(WorkerError, "adder ended with code 3: the last words"):
            self.worker(ADDER).ask({"command": "die"})

    def test_a_worker_that_hangs_is_killed_and_named(self) -> None:
        worker = self.worker("import time; time.sleep(60)", limit=0.2)
        with self.assertRaisesRegex(WorkerError, "adder gave no answer within 0.2 s"):
            worker.ask({"command": "add"})
        self.assertEqual(worker.quit(), -signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
