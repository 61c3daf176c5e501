import argparse
import contextlib
import io
import itertools
import math
import os
import tempfile
import time
import unittest
from array import array
from pathlib import Path
from unittest import mock

import support
from peers import engines, environment, job, program, report
from peers.comparison import Disagreement
from peers.report import Engine
from peers.work import HeadWork, write_head_data, write_pictures


class Cache(support.InFolder):
    def test_graft_cache_comes_first_then_xdg_then_the_home(self) -> None:
        home = {"HOME": "/home/one"}
        for given, expected in (
            ({**home, "GRAFT_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
            ({**home, "XDG_CACHE_HOME": "/b"}, "/b/graft"),
            (home, "/home/one/.cache/graft"),
        ):
            with mock.patch.dict(os.environ, given, clear=True):
                self.assertEqual(environment.cache_folder(), Path(expected))

    def ready(self, mark: str, version: str = environment.PYTHON) -> Path:
        python = self.folder / "peers/venv/bin/python"
        python.parent.mkdir(parents=True)
        python.touch()
        (self.folder / "peers/venv/pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}.1\n")
        (self.folder / "peers/venv/graft.stamp").write_text(mark)
        return python

    def commands(self, *codes: int) -> list[str]:
        """What ensure() runs, when its commands end with these codes, and the others with the last of them."""
        done = itertools.chain(codes, itertools.repeat(codes[-1]))
        error = io.StringIO()
        with mock.patch("subprocess.run", side_effect=lambda *_, **__: mock.Mock(returncode=next(done))) as run:
            with contextlib.redirect_stderr(error):
                environment.ensure(self.folder)
        self.skipped = [line.split()[1] for line in error.getvalue().splitlines()[1:]]
        return [" ".join(call.args[0][1:4]) for call in run.call_args_list]

    def test_an_environment_with_the_right_stamp_is_taken_as_it_is(self) -> None:
        python = self.ready(environment.stamp())
        self.assertEqual(self.commands(1), [])
        self.assertEqual(environment.ensure(self.folder), python)

    def test_other_requirements_are_installed_into_it(self) -> None:
        self.ready("old")
        self.assertEqual(self.commands(0), ["-m pip install"])
        self.assertEqual(self.commands(1), [])

    def test_what_is_installed_is_pinned_by_hash_and_runs_nothing(self) -> None:
        self.ready("old")
        with mock.patch("subprocess.run", return_value=mock.Mock(returncode=0)) as run:
            with contextlib.redirect_stderr(io.StringIO()):
                environment.ensure(self.folder)
        words = run.call_args.args[0]
        self.assertLessEqual({"--require-hashes", "--no-deps", "--only-binary=:all:"}, set(words))
        self.assertEqual(words[-2:], ["--requirement", str(environment.CPU.pins)])

    def test_none_or_one_of_another_python_is_made_anew(self) -> None:
        self.ready("old", version="2.7")
        self.assertEqual(self.commands(0)[:2], ["-m venv --clear", "-m pip install"])

    def test_a_package_that_cannot_be_installed_keeps_none_of_the_others_away(self) -> None:
        self.ready("old")
        commands = self.commands(1, 0, 1, 0)
        lines = [line.split() for line in environment.CPU.pins.read_text().splitlines() if not line.startswith("#")]
        self.assertEqual(len(commands), 1 + len(lines))
        self.assertEqual(self.skipped, [lines[1][0]])

    def test_a_failure_of_all_is_a_sentence_and_leaves_no_stamp(self) -> None:
        self.ready("old")
        with self.assertRaisesRegex(environment.SetupError, "pip install.*7 GB.*network.*this Python.*install.log"):
            self.commands(1)
        self.assertFalse((self.folder / "peers/venv/graft.stamp").exists())

    def test_peers_without_their_packages_are_named_with_the_command_that_installs_them(self) -> None:
        python = self.ready(environment.stamp(environment.CPU))
        for name in ("numpy-2.4.6", "tensorflow_cpu-2.21.0", "mnn-3.6.1"):
            (self.folder / f"peers/venv/lib/python3/site-packages/{name}.dist-info").mkdir(parents=True)
        options = argparse.Namespace(device="cpu", build=Path(), threads=1, rounds=1)
        options.peers = engines.chosen("mnn,keras", "cpu")
        setup = program.prepared(options, self.folder, self.folder)
        self.assertEqual([peer.name for peer in setup.peers], ["MNN"])
        expected = f"Keras: {python} -m pip install keras=="
        self.assertRegex(report.machine_text(setup).splitlines()[1], f"^not installed: {expected}[0-9.]+$")

    def test_every_package_is_pinned_by_hash(self) -> None:
        for kind in (environment.CPU, environment.CUDA):
            pins = kind.pins.read_text().splitlines()[1:]
            for line in pins:
                self.assertRegex(line, r"^[\w-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}$")
            pinned = {line.split()[0].replace("_", "-").lower() for line in pins}
            self.assertLessEqual({package.lower() for package in kind.packages}, pinned)
        self.assertNotIn(engines.TENSORRT, environment.CUDA.packages)

    def test_threads_and_vector_units_that_someone_set_do_not_reach_a_worker(self) -> None:
        left = (
            "OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "DNNL_VERBOSE", "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS",
            "NVIDIA_TF32_OVERRIDE",
        )
        with mock.patch.dict(os.environ, {name: "1" for name in left} | {"LANG": "C"}):
            found = environment.worker_environment()
        for name in left:
            self.assertNotIn(name, found)
        self.assertEqual(found["LANG"], "C")

    def test_nobody_takes_tf32_where_fp32_is_asked_for(self) -> None:
        with mock.patch.dict(os.environ, {"CUDA_VISIBLE_DEVICES": "3"}):
            exact = environment.worker_environment("cuda:0", "fp32")
            self.assertEqual((exact["NVIDIA_TF32_OVERRIDE"], exact["CUDA_VISIBLE_DEVICES"]), ("0", "3"))
            self.assertNotIn("NVIDIA_TF32_OVERRIDE", environment.worker_environment("cuda:0", "tf32"))
            self.assertEqual(environment.worker_environment()["CUDA_VISIBLE_DEVICES"], "")


class Machine(unittest.TestCase):
    def test_vector_units_follow_the_processors_flags(self) -> None:
        both = "fpu avx2 fma avx512f avx512bw avx512dq avx512vl"
        self.assertEqual(environment.isas(both), ["avx512", "avx2"])
        self.assertEqual(environment.isas("fpu avx2 fma avx512f"), ["avx2"])
        self.assertEqual(environment.isas("fpu sse2"), ["portable"])

    def test_busy_time_grows_with_our_own_work(self) -> None:
        before, end = environment.busy_seconds(), time.process_time() + 0.1
        while time.process_time() < end:
            pass
        self.assertGreaterEqual(environment.busy_seconds() - before, 0.05)

    def test_the_driver_is_the_kernels_word_or_unknown(self) -> None:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("580.65.06\n")
            file.flush()
            self.assertEqual(environment.driver_version(Path(file.name)), "580.65.06")
        self.assertEqual(environment.driver_version(Path(file.name)), "unknown")


class Chosen(unittest.TestCase):
    def test_takes_a_list_in_its_order_and_refuses_strangers(self) -> None:
        self.assertEqual([peer.name for peer in engines.chosen("ncnn,mnn", "cpu")], ["ncnn", "MNN"])
        with self.assertRaisesRegex(ValueError, "no peer is called caffe"):
            engines.chosen("mnn,caffe", "cpu")

    def test_an_engine_alone_is_its_usual_way_on_the_cpu_and_all_of_its_ways_on_a_gpu(self) -> None:
        for given, device, ways in (
            ("pytorch", "cpu", ["pytorch"]),
            ("pytorch", "cuda:0", [f"pytorch:{way}" for way in ("eager", "channels_last", "compiled", "amp")]),
            ("pytorch:compiled", "cpu", ["pytorch:compiled"]),
        ):
            self.assertEqual([peer.key for peer in engines.chosen(given, device)], ways)

    def test_what_runs_on_the_cpu_alone_is_refused_on_a_gpu(self) -> None:
        with self.assertRaisesRegex(ValueError, "no peer is called openvino on cuda:0"):
            engines.chosen("openvino", "cuda:0")

    def test_a_head_is_trained_once_by_an_engine(self) -> None:
        peers = engines.head_peers(engines.chosen(None, "cuda:0"))
        self.assertEqual([peer.name for peer in peers], ["PyTorch"])


class Inputs(support.InFolder):
    def test_are_the_same_every_time(self) -> None:
        one, two = self.folder / "one", self.folder / "two"
        work = HeadWork(32, 4, 2, 6, 0.5, 1e-4, "", 1, "")
        for path in (one, two):
            write_head_data(path, work)
        self.assertEqual(one.read_bytes(), two.read_bytes())
        self.assertEqual(one.stat().st_size, 4 * (6 * 32 + 6 + 32 * 4 + 4 + 4 + 1))
        for path in (one, two):
            write_pictures(path, 2, 32)
        self.assertEqual(one.read_bytes(), two.read_bytes())
        self.assertEqual(one.stat().st_size, 2 * 32 * 32 * 3)


class Job(support.InFolder):
    def leave_features(self, place: str, values: list[float]) -> None:
        path = self.folder / place / "validation.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(values)}, 1), }}"
        support.write_npy(path, header, array("f", values))

    def test_features_may_differ_a_little_but_not_in_their_order(self) -> None:
        keras = Engine("Keras")
        self.leave_features("graft-job/features", [1.0, 0.0, 2.0])
        self.leave_features("keras-job", [1.25, 0.0, 2.0])
        job.compare_features(keras, self.folder)
        self.assertAlmostEqual(keras.difference, 0.25 / 3, delta=1e-6)
        self.leave_features("keras-job", [0.0, 2.0, 1.0])
        with self.assertRaisesRegex(Disagreement, "features of the validation photos"):
            job.compare_features(keras, self.folder)

    def test_accuracies_far_apart_are_not_the_same_job(self) -> None:
        job.compare(0.9, 0.85)
        for wrong in (0.7, math.nan):
            with self.assertRaisesRegex(Disagreement, "not the same job"):
                job.compare(0.9, wrong)

    def test_counts_photos_of_every_class(self) -> None:
        for name in ("train/a/1.jpg", "train/b/2.JPEG", "train/b/notes.txt", "validation/a/3.png"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()
        self.assertEqual(job.photos_below(self.folder), 3)


if __name__ == "__main__":
    unittest.main()
