"""Runs a test under Python with packages of PyPI: python3 packages.py TEST.py ARGUMENT...

Exit code 77, a skip, where system tests were not asked for or the packages cannot be fetched. They are installed once,
into graft's cache folder. `python3 packages.py --pin` writes requirements.txt anew.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "bench"))
from peers.environment import Peers, SetupError, cache_folder, ensure  # noqa: E402
from peers.pin import write_pins  # noqa: E402

PACKAGES = Peers(
    folder="tests/venv",
    size="about 1 GB",
    packages=(
        "h5py==3.14.0",
        "jax==0.10.2",  # Keras' backend here: the smallest
        "jsonschema==4.26.0",
        "keras==3.15.1",
        "numpy==2.4.6",
        "onnx==1.23.2",
        "onnxruntime==1.32.0",
        "openvino==2026.4.1",
        "pillow==13.0.0",
        "safetensors==0.8.0",
    ),
    pins=HERE / "requirements.txt",
)


def main() -> None:
    if sys.argv[1:] == ["--pin"]:
        write_pins(PACKAGES)
        return
    if not os.environ.get("GRAFT_SYSTEM_TESTS"):
        print("skipped: needs packages of PyPI; run tools/test.sh system")
        sys.exit(77)
    try:
        python = ensure(cache_folder(), PACKAGES)
    except SetupError as failure:
        print(f"skipped: {failure}")
        sys.exit(77)
    settings = {"KERAS_BACKEND": "jax", "PYTHONDONTWRITEBYTECODE": "1"}
    os.execve(python, [str(python), *sys.argv[1:]], os.environ | settings)


if __name__ == "__main__":
    main()
