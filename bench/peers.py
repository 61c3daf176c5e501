#!/usr/bin/env python3
"""graft beside the engines that people use, in one run: features, head steps, the whole job.

    bench/peers.py                                   everything; the first start installs the peers
    bench/peers.py --work features --peers mnn,ncnn  a part of it
    bench/peers.py --photos data/cats_and_dogs       the job on photos of your own: train/ and validation/

Every engine is a process of its own, computes fp32 with one thread a core that this process may run on,
and agrees with graft on the same input before its time counts. Rounds are interleaved. A peer's clock
begins with float32 input in the layout that it likes best; graft's includes the step from bytes to floats.
Ends with 1, and a sentence, when an engine disagrees or fails; targets missed are in the table, not in the
exit code.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from peer_engines import comparison, environment, inputs, job, machine, report
from peer_engines.comparison import Disagreement, Setup
from peer_engines.engines import HEAD_PEERS, chosen
from peer_engines.protocol import WorkerError
from peer_engines.results import Work
from peer_engines.vgg16 import direct_operations
from peer_engines.work import FeaturesWork, HeadWork

PROJECT = Path(__file__).resolve().parents[1]
# Side, batch, and batches a round: a round of the slowest engine lasts about a second.
SHAPES = ((150, 16, 1), (224, 8, 1), (150, 1, 10))
HEAD_STEPS = 60
FEATURES_CLOCK = "float32 input in memory to features in memory; graft: from the pictures' bytes"
HEAD_CLOCK = "forward, backward, RMSprop on rows in memory; graft: gathers the rows too"
JOB_CLOCK = "one process from its start to its end: imports, listing, decoding, features to .npy, 20 epochs"

# What ends with one sentence; anything else is a fault of this program and shows where it is.
FAILURES = (
    Disagreement, WorkerError, environment.SetupError, RuntimeError, ValueError, OSError, subprocess.SubprocessError,
)

Peaks = dict[str, dict[str, float]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu"], default="cpu")
    parser.add_argument("--work", default="features,head,job", help="of features, head, job (default: all)")
    parser.add_argument("--peers", help="of onnxruntime, openvino, pytorch, keras, mnn, ncnn (default: all)")
    parser.add_argument("--rounds", type=int, default=7, help="of features and head (default 7)")
    parser.add_argument("--job-rounds", type=int, default=1, help="of the job, minutes each (default 1)")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="default: one a core")
    parser.add_argument("--photos", type=Path, help="folder with train/ and validation/ (default: made photos)")
    parser.add_argument("--json", type=Path, help="writes every sample there")
    parser.add_argument("--build", type=Path, default=PROJECT / "build/release", help="graft's build folder")
    found = parser.parse_args()
    found.work = found.work.split(",")
    if set(found.work) - {"features", "head", "job"}:
        parser.error("--work takes features, head and job, with commas between")
    if min(found.rounds, found.job_rounds, found.threads) < 1:
        parser.error("--rounds, --job-rounds and --threads are at least 1")
    try:
        found.peers = chosen(found.peers)
    except ValueError as error:
        parser.error(str(error))
    return found


def need(path: Path, hint: str) -> Path:
    if not path.exists():
        raise environment.SetupError(f"{path} is missing; {hint}")
    return path


def features(setup: Setup, weights: Path, peaks: Peaks) -> list[Work]:
    found = []
    for side, batch, times in SHAPES:
        name = f"features, {side}×{side}, batch {batch}"
        work = Work(name, "images", batch * times, direct_operations(side), FEATURES_CLOCK)
        pictures = setup.scratch / "pictures"
        inputs.write_pictures(pictures, batch, side)
        asked = FeaturesWork(side, batch, str(pictures), str(weights), setup.threads, "")
        found.append(comparison.run(setup, work, asked, times, setup.peers, peaks))
    return found


def head(setup: Setup, peaks: Peaks) -> Work:
    data = setup.scratch / "head"
    asked = HeadWork(8192, 256, 16, 512, 0.5, 1e-4, str(data), setup.threads, "")
    inputs.write_head_data(data, asked)
    # Forward and the weight gradient; the frozen features need no gradient.
    operations = 4.0 * asked.batch * asked.inputs * asked.units
    work = Work("training step, 8192→256→1, batch 16", "steps", HEAD_STEPS, operations, HEAD_CLOCK)
    peers = [peer for peer in setup.peers if peer.key in HEAD_PEERS]
    return comparison.run(setup, work, asked, HEAD_STEPS, peers, peaks)


def whole_job(setup: Setup, options: argparse.Namespace, weights: Path) -> Work:
    graft = need(options.build / "graft", "build the program graft")
    photos = options.photos or made_photos(setup)
    count = job.photos_below(photos)
    work = Work("job, photos to a trained head", "photos", count, None, f"{JOB_CLOCK}; {count} photos")
    return job.run(setup, work, graft, photos.resolve(), weights, options.job_rounds)


def made_photos(setup: Setup) -> Path:
    folder = environment.cache_folder() / "peers/photos"
    if not (folder / "complete").exists():
        comparison.say("making 2,800 photos, once")
        command = [str(setup.python), "-m", "peer_engines.make_photos", str(folder)]
        subprocess.run(command, check=True, env=environment.worker_environment())
    return folder


def run(options: argparse.Namespace, scratch: Path) -> None:
    cache = environment.cache_folder()
    weights = need(cache / "vgg16_imagenet.safetensors", "tools/fetch_weights.sh fetches it")
    bench_rounds = need(options.build / "bench/bench_rounds", "build the target bench_rounds")
    here = machine.describe()
    python = environment.ensure(cache)
    setup = Setup(python, bench_rounds, here["isas"], options.peers, options.threads, options.rounds, scratch)
    works: list[Work] = []
    peaks: Peaks = {}
    if "features" in options.work:
        works += features(setup, weights, peaks)
    if "head" in options.work:
        works.append(head(setup, peaks))
    if "job" in options.work:
        works.append(whole_job(setup, options, weights))
    show(options, here, peaks, works)


def show(options: argparse.Namespace, here: dict[str, object], peaks: Peaks, works: list[Work]) -> None:
    best = max((found["multiply_add"] for found in peaks.values()), default=None)
    texts = [report.machine_text(here, best, options.threads)]
    print("\n\n".join(texts + [report.work_text(work, best) for work in works]))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        content = report.as_json(here, peaks, options.threads, works)
        options.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    options = arguments()
    scratch = Path(tempfile.mkdtemp(prefix="graft-peers-"))
    try:
        run(options, scratch)
    except FAILURES as error:
        print(f"peers.py: {error}", file=sys.stderr)
        with contextlib.suppress(OSError):
            scratch.rmdir()  # it goes when it is empty; the logs of workers stay
        return 1
    shutil.rmtree(scratch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
