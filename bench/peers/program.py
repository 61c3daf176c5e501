"""graft next to the engines that people use, in one run: features, head steps, the complete job.

    bench/peers.py                                   everything; the first start installs the peers
    bench/peers.py --work features --peers mnn,ncnn  a part of it
    bench/peers.py --photos data/cats_and_dogs       the job on photos of your own: train/ and validation/
    bench/peers.py --device cuda --json gpu.json     features and head steps on a GPU, by precision

Every engine is a process of its own. On the CPU it computes fp32 with one thread for each logical processor that
this process may run on. It must agree with graft on the same input before its time counts. Rounds are interleaved.
A peer's clock begins with float32 input in the layout that its interface takes. What it changes of that inside
counts, as when MNN copies the input. graft's clock includes the step from bytes to floats.
ncnn takes the pictures of a batch one after the other. Peers use the widest vector unit of the processor:
with AVX-512, the column of graft/AVX2 is graft in AVX2 against peers in AVX-512.

On a GPU every engine, graft too, begins with the pictures' bytes in host memory and ends with float32 features
in host memory: the copies count. Batches come one after the other, each awaited. All compute in the same
precision, and all, graft too, must agree with graft on the CPU.

An engine that is not installed is named, with the command that installs it. One that disagrees or fails is skipped
in a work and named. A table is printed, and the JSON is written anew, after each work; bench/compare.py and
bench/plot.py read it. Exit codes: 1 when an engine was skipped for that
or graft failed, 5 when there is no GPU to measure, 130 after Ctrl-C. Missed targets are in the table, not in the
exit code.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from . import comparison, environment, job, report
from .comparison import Disagreement
from .engines import LIMITS, Setup, chosen, head_peers
from .protocol import WorkerError
from .report import Work
from .vgg16 import direct_operations
from .work import FeaturesWork, HeadWork, write_head_data, write_pictures

PROJECT = Path(__file__).resolve().parents[2]
WORKER = "graft-bench-worker"  # graft's, in the build folder
# Side, batch, and batches a round. A round of the slowest engine lasts about three seconds, because the first
# batch after the others' rounds finds every cache and page cold.
SHAPES = ((150, 16, 3), (224, 8, 3), (150, 1, 24))
# On a GPU a round has as many batches as fill a set time.
GPU_SHAPES = ((150, 128, 1), (224, 32, 1), (150, 1, 1))
HEAD_STEPS = 60
FEATURES_CLOCK = "float32 input in memory to features in memory; graft: from the pictures' bytes"
GPU_FEATURES_CLOCK = "the pictures' bytes in host memory to float32 features in host memory, batch by batch"
HEAD_CLOCK = "forward, backward, RMSprop on rows in memory; graft: gathers the rows too"
JOB_CLOCK = "one process from its start to its end: imports, listing, decoding, features to .npy, 20 epochs"

NO_GPU = 5  # the exit code, as that of `graft`


class NoGpu(Exception):
    """Why no GPU can be measured, in a sentence."""


# What ends with one sentence; anything else is a bug of this program and shows its traceback.
FAILURES = (
    Disagreement, WorkerError, environment.SetupError, RuntimeError, ValueError, OSError, subprocess.SubprocessError,
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--precision", default=",".join(LIMITS), help="on a GPU: of fp32, tf32, fp16 (default: all)")
    parser.add_argument("--work", help="of features, head, job (default: all; the job is the CPU's alone)")
    parser.add_argument("--peers", help="engines, with commas between, or one way of an engine: pytorch:compiled")
    parser.add_argument("--rounds", type=int, default=7, help="of features and head (default 7)")
    parser.add_argument("--job-rounds", type=int, default=1, help="of the job, minutes each (default 1)")
    parser.add_argument("--threads", type=int, default=environment.cores(), help="default: one a logical processor")
    parser.add_argument("--photos", type=Path, help="folder with train/ and validation/ (default: made photos)")
    parser.add_argument("--json", type=Path, help="the result with every sample")
    parser.add_argument("--build", type=Path, default=PROJECT / "build/release", help="graft's build folder")
    found = parser.parse_args()
    if not re.fullmatch(r"cpu|cuda(:\d+)?", found.device):
        parser.error(f"--device {found.device}: there are cpu, cuda and cuda:N")
    found.device = "cuda:0" if found.device == "cuda" else found.device
    found.precision = found.precision.split(",")
    if set(found.precision) - set(LIMITS):
        parser.error(f"--precision takes {', '.join(LIMITS)}, with commas between")
    works = ["features", "head", "job"] if found.device == "cpu" else ["features", "head"]
    found.work = found.work.split(",") if found.work else works
    if set(found.work) - set(works):
        parser.error(f"--work takes {', '.join(works)} on {found.device}, with commas between")
    if min(found.rounds, found.job_rounds, found.threads) < 1:
        parser.error("--rounds, --job-rounds and --threads are at least 1")
    try:
        found.peers = chosen(found.peers, found.device)
    except ValueError as error:
        parser.error(str(error))
    return found


def need(path: Path, hint: str) -> None:
    if not path.exists():
        raise environment.SetupError(f"{path} does not exist; {hint}")


def check_start(options: argparse.Namespace, cache: Path) -> None:
    """Finds whatever can be wrong before anything is installed or measured."""
    need(cache / "vgg16_imagenet.safetensors", "tools/fetch_weights.sh fetches it")
    need(options.build / WORKER, f"build the target {WORKER}")
    if "job" in options.work:
        need(options.build / "graft", "build the program graft")
        for folder in (options.photos / part for part in ("train", "validation")) if options.photos else ():
            if job.photos_below(folder) == 0:
                hint = "--photos takes a folder with train/ and validation/"
                raise environment.SetupError(f"there is no photo below {folder}; {hint}")
    if options.json:
        if options.json.is_dir():
            raise environment.SetupError(f"--json {options.json} is a folder; give the name of a file")
        options.json.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.json.parent):
            pass  # the folder takes files: else this is an OSError with its name


def find_gpu(worker: Path, device: str, precision: str) -> str:
    """graft's own words for the GPU. Raises NoGpu with its sentence when it cannot be used so or has no timer."""
    command = [str(worker), device, precision]
    done = subprocess.run(command, input='{"command": "device"}\n', capture_output=True, text=True)
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise NoGpu(f"{worker.name} ended with code {done.returncode}: {said[-1]}") from None
    if not answer["ok"]:
        raise NoGpu(answer["error"])
    return answer["device"]


def usable_precisions(worker: Path, options: argparse.Namespace, here: dict[str, object]) -> list[str]:
    """Those that the GPU computes in; why it does not in others, and its name, go into `here`."""
    refused: dict[str, str] = {}
    for precision in options.precision:
        try:
            here["gpu"] = find_gpu(worker, options.device, precision)
        except NoGpu as failure:
            refused[precision] = str(failure)
    if "gpu" not in here:
        raise NoGpu(refused[options.precision[0]])
    here["driver"], here["not_computed"] = environment.driver_version(), refused
    return [precision for precision in options.precision if precision not in refused]


def features(setup: Setup, weights: Path) -> Iterator[Work]:
    for side, batch, batches in GPU_SHAPES if setup.on_gpu else SHAPES:
        name = f"features, {side}×{side}, batch {batch}"
        source, clock, peers = "floats", FEATURES_CLOCK, setup.peers
        if setup.on_gpu:
            name, source, clock = f"{name}, {setup.precision}", "bytes", GPU_FEATURES_CLOCK
            peers = [peer for peer in peers if setup.precision in peer.precisions]
        work = Work(name, "images", batch, batches, direct_operations(side), clock)
        pictures = setup.scratch / "pictures"
        write_pictures(pictures, batch, side)
        asked = FeaturesWork(
            side, batch, str(pictures), str(weights), setup.threads, "", setup.device, setup.precision, source=source
        )
        yield comparison.run(setup, work, asked, peers)


def head(setup: Setup) -> Work:
    data = setup.scratch / "head"
    asked = HeadWork(8192, 256, 16, 512, 0.5, 1e-4, str(data), setup.threads, "", setup.device)
    write_head_data(data, asked)
    # Forward and the weight gradient; the frozen features need no gradient.
    operations = 4.0 * asked.batch * asked.inputs * asked.units
    work = Work("training step, 8192→256→1, batch 16", "steps", 1, HEAD_STEPS, operations, HEAD_CLOCK)
    return comparison.run(setup, work, asked, head_peers(setup.peers))


def complete_job(setup: Setup, options: argparse.Namespace, weights: Path) -> Work:
    photos, whose = options.photos, "of your own"
    if photos is None:
        photos, whose = environment.cache_folder() / "peers/photos", "made by peers.py"
        if not (photos / "complete").exists():
            comparison.say("making 2,800 photos, once")
            command = [str(setup.python), "-m", f"{__package__}.pictures", str(photos)]
            subprocess.run(command, check=True, env=environment.worker_environment())
    count = job.photos_below(photos)
    covers = f"{JOB_CLOCK}; {count} photos {whose}, read once before"
    work = Work("job, photos to a trained head", "photos", count, 1, None, covers)
    return job.run(setup, work, options.build / "graft", photos.resolve(), weights, options.job_rounds)


def measured(setup: Setup, options: argparse.Namespace, weights: Path) -> Iterator[Work]:
    if "features" in options.work:
        for precision in options.precision if setup.on_gpu else ["fp32"]:
            yield from features(replace(setup, precision=precision), weights)
    if "head" in options.work:
        yield head(setup)
    if "job" in options.work:
        yield complete_job(setup, options, weights)


def prepared(options: argparse.Namespace, cache: Path, scratch: Path) -> Setup:
    """Finds the GPU before anything is installed. Peers that are not installed are named, with how to get them."""
    here = environment.machine()
    worker, on_gpu = options.build / WORKER, options.device != "cpu"
    if on_gpu:
        options.precision = usable_precisions(worker, options, here)
    python = environment.ensure(cache, environment.CUDA if on_gpu else environment.CPU)
    missing = {peer: environment.missing_packages(python, peer) for peer in options.peers}
    here["not_installed"] = {
        peer.name: f"{python} -m pip install {' '.join(packages)}" for peer, packages in missing.items() if packages
    }
    peers = [peer for peer, packages in missing.items() if not packages]
    return Setup(
        python, worker, here, here["isas"], peers, options.threads, options.rounds, scratch, options.device
    )


def measure(options: argparse.Namespace, scratch: Path) -> list[str]:
    """Returns the names of those that were skipped in a work."""
    cache = environment.cache_folder()
    check_start(options, cache)
    setup, build = prepared(options, cache, scratch), environment.build(PROJECT)
    print(report.machine_text(setup), flush=True)
    works: list[Work] = []

    def write(complete: bool) -> None:
        if options.json:
            write_json(options.json, report.as_result(setup, build, works, complete))

    shown = None
    for work in measured(setup, options, cache / "vgg16_imagenet.safetensors"):
        works.append(work)
        if setup.peak != shown:
            print(report.peak_text(setup.peak))
            shown = setup.peak
        print(f"\n{report.work_text(work, setup.peak)}", flush=True)
        write(complete=False)
    write(complete=True)
    return sorted({name for work in works for name in work.skipped})


def write_json(path: Path, content: dict) -> None:
    """Under another name first, so that there is never half a file."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)


def clean_up(scratch: Path, failed: bool) -> None:
    """Removes the folder; after a failure, all but the logs that hold something."""
    logs = [path for path in scratch.rglob("*.log") if failed and path.stat().st_size > 0]
    if not logs:
        return shutil.rmtree(scratch, ignore_errors=True)
    for path in scratch.rglob("*"):
        if path.is_file() and path not in logs:
            path.unlink()
    print(f"peers.py: the logs of the engines are in {scratch}", file=sys.stderr)


def end_by_signal(number: int, _: object) -> None:
    """As an exception, so that the workers end too."""
    raise SystemExit(128 + number)


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, end_by_signal)
    scratch = Path(tempfile.mkdtemp(prefix="graft-peers-"))
    failed = False
    try:
        skipped = measure(options, scratch)
        if skipped:
            raise Disagreement(f"skipped in a work, which gives the reason: {', '.join(skipped)}")
    except NoGpu as error:
        print(f"peers.py: {error}", file=sys.stderr)
        return NO_GPU
    except FAILURES as error:
        failed = True
        print(f"peers.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        clean_up(scratch, failed)
    return 0
