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
    def setUp(self) -> None:
        super().setUp()
        self.log = self.folder / "log.txt"
        self.worker = Worker("adder", [sys.executable, "-c", ADDER], self.log, dict(os.environ))
        self.addCleanup(self.worker.quit)

    def test_answers_are_not_disturbed_by_what_a_library_prints(self) -> None:
        for a in range(3):
            self.assertEqual(self.worker.ask({"command": "add", "a": a, "b": 40})["sum"], a + 40)
        self.worker.quit()
        self.assertIn("hello from C", self.log.read_text())

    def test_a_failure_is_a_sentence_with_the_workers_name_and_the_worker_lives(self) -> None:
        with self.assertRaisesRegex(WorkerError, "adder: TypeError: .*log"):
            self.worker.ask({"command": "add", "a": 1, "b": "one"})
        self.assertEqual(self.worker.ask({"command": "add", "a": 1, "b": 1})["sum"], 2)

    def test_a_death_is_told_with_its_code_and_its_last_words(self) -> None:
        with self.assertRaisesRegex(WorkerError, "adder ended with code 3: the last words"):
            self.worker.ask({"command": "die"})

    def test_a_worker_that_hangs_is_killed_and_told_of(self) -> None:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        sleeper = Worker("sleeper", command, self.log, dict(os.environ), limit=0.2)
        self.addCleanup(sleeper.quit)
        with self.assertRaisesRegex(WorkerError, "sleeper gave no answer within 0.2 s"):
            sleeper.ask({"command": "add"})
        sleeper.quit()
        self.assertEqual(sleeper.exit_code, -signal.SIGKILL)

    def test_a_worker_asked_to_quit_goes_without_being_waited_for(self) -> None:
        self.worker.ask_to_quit()
        self.worker.quit()
        self.assertEqual(self.worker.exit_code, 0)

    def test_quit_ends_the_process(self) -> None:
        self.assertIsNone(self.worker.exit_code)
        self.worker.quit()
        self.assertEqual(self.worker.exit_code, 0)


if __name__ == "__main__":
    unittest.main()
