"""ONNX Runtime: every optimisation of the graph, one pool of threads; on a GPU by CUDA or by TensorRT.

A GPU that does not take all of the graph is an error here: what it skips would run on the CPU.
"""

import ctypes
from pathlib import Path

import numpy
import onnxruntime

from .pictures import channels_first, channels_last
from .protocol import Message
from .vgg16 import INPUT, OUTPUT, Weights, feature_side, write_onnx
from .work import FeaturesWork

VERSION = onnxruntime.__version__
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
# Those that the provider of onnxruntime-gpu 1.31 is linked with, in the order in which they need each other.
TENSORRT_LIBRARIES = ("libnvinfer.so.10", "libnvonnxparser.so.10")


def providers(work: FeaturesWork) -> list[tuple[str, dict[str, str]]]:
    """What may run the graph, the wanted one first. TF32 is on by default in both, and TensorRT's provider has
    no option for it: peers.py sets NVIDIA_TF32_OVERRIDE where fp32 is asked for."""
    if work.device == "cpu":
        return [(CPU, {})]
    device = {"device_id": work.device.partition(":")[2]}
    exact = "0" if work.precision == "fp32" else "1"
    cuda = (CUDA, {**device, "use_tf32": exact, "cudnn_conv_algo_search": "EXHAUSTIVE"})
    if work.variant == "cuda":
        return [cuda]
    half = "1" if work.precision == "fp16" else "0"
    return [(TENSORRT, {**device, "trt_fp16_enable": half}), cuda]


def load_libraries(tensorrt: bool) -> None:
    """CUDA's and TensorRT's are in packages, where the system's loader does not look for them."""
    onnxruntime.preload_dlls()
    if tensorrt:
        import tensorrt_libs

        for name in TENSORRT_LIBRARIES:
            ctypes.CDLL(str(Path(tensorrt_libs.__path__[0], name)), ctypes.RTLD_GLOBAL)


def host_memory(values: numpy.ndarray, device: str) -> numpy.ndarray:
    """Pinned where a GPU copies from it or to it."""
    if device == "cpu":
        return values
    import torch

    return torch.from_numpy(values).pin_memory().numpy()


class Features:
    def __init__(self, work: FeaturesWork, pictures: numpy.ndarray, weights: Weights) -> None:
        model = work.folder() / "vgg16.onnx"
        write_onnx(model, weights, work)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = work.threads
        options.inter_op_num_threads = 1
        found = providers(work)
        wanted = found[0][0]
        if wanted != CPU:
            load_libraries(tensorrt=wanted == TENSORRT)
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        self._session = onnxruntime.InferenceSession(model, options, providers=found)
        if self._session.get_providers()[0] != wanted:
            raise RuntimeError(f"ONNX Runtime could not load its {wanted}; its log says why")
        self.setting = f"{wanted}, ORT_ENABLE_ALL, intra_op_num_threads"
        values = pictures if work.source == "bytes" else channels_first(pictures)
        side = feature_side(work.side)
        results = numpy.empty((work.batch, 512, side, side), "f4")
        self._input, self._results = (host_memory(memory, work.device) for memory in (values, results))
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input(INPUT, self._input)
        output = onnxruntime.OrtValue.ortvalue_from_numpy(self._results)
        self._binding.bind_ortvalue_output(OUTPUT, output)

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()

    def check(self, _: Message) -> numpy.ndarray:
        self.run()
        return channels_last(self._results)
