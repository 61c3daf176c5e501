"""Shards that Open MPI starts: whatever is killed, and whenever, the bytes are those of one process."""

import os
import signal
import time

import small_recipe
from shards import PHOTOS, ShardsTest, main, opened_photos, rows_in_journals

MPIRUN = ("mpirun", "--oversubscribe", "--allow-run-as-root", "-n")
# Writes the rank's process into a file.
REMEMBERED = ("sh", "-c", 'echo $$ >"$0.$OMPI_COMM_WORLD_RANK"; exec "$@"')


class MpiTest(ShardsTest):
    def start_ranks(self, name, count, *more):
        self.output(name).parent.mkdir(exist_ok=True)
        extract = self.command("extract", name, "--shard", "auto")
        return self.start([*MPIRUN, str(count), *more, *REMEMBERED, str(self.folder / name / "rank"), *extract])

    def kill(self, name, *ranks):
        for rank in ranks:
            os.kill(int((self.folder / name / f"rank.{rank}").read_text()), signal.SIGKILL)

    def test_four_processes_read_each_photo_once(self):
        with opened_photos(self.folder / "photos") as opened:
            messages = self.end(self.start_ranks("four", 4))
        self.assertEqual(messages.computed, PHOTOS)
        self.assertEqual(len(opened), PHOTOS)
        self.assertEqual(set(opened.values()), {1})
        with opened_photos(self.folder / "photos") as opened:
            self.assertEqual(self.collect("four", command="extract").computed, 0)
        self.assertEqual(opened, {})
        self.collect("four")  # the report shows a few photos
        self.assert_same_bytes("four")

    def test_one_rank_is_killed_and_started_again(self):
        ranks = self.start_ranks("killed", 4, "--enable-recovery")
        self.wait_for_rows("killed", (2,), 4, ranks)
        self.kill("killed", 2)
        self.end(ranks, *range(256))
        self.assert_incomplete("killed", (2,), 4)
        rows = rows_in_journals(self.shard("killed", 2, 4))
        self.assertEqual(self.extract("killed", "2/4").resumed, rows)
        self.assertEqual(self.collect("killed").computed, 0)
        self.assert_same_bytes("killed")

    def test_mpirun_ends_all_when_one_is_killed(self):
        ranks = self.start_ranks("ended", 4)
        self.wait_for_rows("ended", range(4), 4, ranks)
        self.kill("ended", 1)
        self.end(ranks, *range(1, 256))
        self.assert_incomplete("ended", range(4), 4)
        self.assertLess(self.end(self.start_ranks("ended", 4)).computed, PHOTOS)
        self.assertEqual(self.collect("ended").computed, 0)
        self.assert_same_bytes("ended")

    def test_two_ranks_are_killed_and_the_collecting_run_computes_the_rest(self):
        ranks = self.start_ranks("two", 4, "--enable-recovery")
        self.wait_for_rows("two", (0, 3), 4, ranks)
        self.kill("two", 0, 3)
        complete = self.end(ranks, *range(256)).computed
        self.assert_incomplete("two", (0, 3), 4)
        rows = sum(rows_in_journals(self.shard("two", i, 4)) for i in (0, 3))
        messages = self.collect("two")
        for shard in ("0/4", "3/4"):
            self.assertIn(f"photos of shard {shard}", messages)
        self.assertNotRegex(messages, "of shard [12]/4")
        self.assertEqual(messages.computed, PHOTOS - complete - rows)
        self.assert_same_bytes("two")

    def test_four_become_three(self):
        ranks = self.start_ranks("fewer", 4)
        self.wait_for_rows("fewer", range(4), 4, ranks)
        self.kill("fewer", *range(4))
        self.end(ranks, *range(1, 256))
        self.assert_incomplete("fewer", range(4), 4)
        rows = sum(rows_in_journals(self.shard("fewer", i, 4)) for i in range(4))
        self.assertEqual(self.end(self.start_ranks("fewer", 3)).computed, PHOTOS - rows)
        self.assertEqual(self.collect("fewer").computed, 0)
        self.assert_same_bytes("fewer")

    def test_ranks_start_at_different_times(self):
        computed = self.extract("times", "3/4").computed
        ranks = []
        for shard in ("1/4", "0/4", "2/4"):
            ranks.append(self.start(self.command("extract", "times", "--shard", shard)))
            time.sleep(0.5)
        self.assertEqual(computed + sum(self.end(rank).computed for rank in ranks), PHOTOS)
        self.assertEqual(self.collect("times").computed, 0)
        self.assert_same_bytes("times")

    def test_only_what_changed_is_read_again(self):
        photos = self.folder / "photos"
        removed, replaced = photos / "train/grey/photo 3.png", photos / "validation/grey/photo 4.png"
        added = photos / "train/brown/new.png"
        kept = {path: (path.read_bytes(), path.stat()) for path in (removed, replaced)}
        self.end(self.start_ranks("changed", 4))
        added.write_bytes(small_recipe.png(100, 90, 80, seed=7))
        replaced.write_bytes(small_recipe.png(80, 90, 100, seed=8))
        removed.unlink()
        try:
            with opened_photos(photos) as opened:
                self.assertEqual(self.collect("changed", command="extract").computed, 2)
            self.assertEqual(opened, {str(path.relative_to(photos)): 1 for path in (added, replaced)})
            with opened_photos(photos) as opened:
                self.assertEqual(self.collect("changed", "--verify", command="extract").computed, 0)
            self.assertEqual(len(opened), PHOTOS)
            self.collect("changed")
            self.assertEqual(self.collect("one changed").computed, PHOTOS)
            self.assert_same_bytes("changed", "one changed")
        finally:
            added.unlink()
            for path, (content, stat) in kept.items():
                path.write_bytes(content)
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


if __name__ == "__main__":
    main("mpirun")
