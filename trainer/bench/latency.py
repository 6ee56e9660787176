"""`python -m trainer.bench --part latency`: one image through each network in each runtime that runs here.

Each checkpoint is timed at the size that it was fitted at, where its accuracy holds. Beside it stand alternatives at
that size, exported by the same code: LR-ASPP with MobileNetV3-small (torchvision) and a U-Net with MobileNetV2
(segmentation-models-pytorch), both with random weights, which take as long as any. A `--rival` is a third-party ONNX
file, at its own size, in ONNX Runtime and OpenVINO. Only the network is timed, uint8 or floats in, probabilities out;
resizing the image is the same for all. The candidates take turns.

`--part profile` sums the starter's time in ONNX Runtime and OpenVINO by kind of operation.
"""

import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import NodeProto, shape_inference
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.segmentation import LRASPP

from manifests.bench.headline import Figure
from manifests.errors import UserError
from manifests.pixels.onnx_segmenter import UINT8, OnnxSegmenter, open_session
from trainer.bench.timing import Candidate, interleaved_medians
from trainer.data.preprocessing import Preprocessing, imagenet
from trainer.export.deployable import Deployable, LogitDifference, deployable
from trainer.export.folding import freeze
from trainer.export.ncnn_network import write_ncnn
from trainer.export.onnx_graph import write_onnx
from trainer.export.onnx_prelu import rewrite_prelus
from trainer.export.openvino_model import write_openvino
from trainer.export.operation_counts import operation_counts
from trainer.export.tflite.model import tflite_graph, write_tflite
from trainer.inference.runtimes.metadata import INPUT, Metadata
from trainer.inference.runtimes.ncnn_file import NcnnFile
from trainer.inference.runtimes.openvino_file import OpenvinoFile, infer_request
from trainer.inference.runtimes.packages import optional
from trainer.inference.runtimes.tflite_file import TfliteFile
from trainer.models import create_model
from trainer.weights.checkpoint import Checkpoint, load_checkpoint
from trainer.weights.checkpoint_files import STARTER, STARTER_PATH

THREADS = (1, 2)
PROFILED_RUNS = 50
UNET = "U-Net MobileNetV2"


@dataclass(frozen=True, slots=True)
class Entrant:
    """A network at one size: its eager module, its exported files, its multiply-accumulates.

    None stands for a format that can't hold the network.
    """

    name: str
    side_px: int
    eager: nn.Module
    onnx: Path
    openvino: Path
    ncnn: Path | None
    tflite: Path | None
    macs: int

    def candidates(self, threads: int) -> dict[str, Candidate]:
        """One run on noise in each runtime, opened with that many threads."""
        pixels = np.random.default_rng(0).integers(0, 256, (1, 3, self.side_px, self.side_px), np.uint8)
        tensor, eager = torch.from_numpy(pixels), self.eager
        in_onnxruntime = OnnxSegmenter(self.onnx, threads=threads)
        in_openvino = OpenvinoFile(self.openvino, threads=threads)
        candidates: dict[str, Candidate] = {
            "PyTorch, eager": torch.inference_mode()(lambda: eager(tensor)),
            "ONNX Runtime": lambda: in_onnxruntime.run(pixels),
            "OpenVINO": lambda: in_openvino.run(pixels),
        }
        if self.ncnn is not None:
            in_ncnn = NcnnFile(self.ncnn, threads=threads)
            candidates["ncnn"] = lambda: in_ncnn.run(pixels)
        if self.tflite is not None:
            in_tflite = TfliteFile(self.tflite, threads=threads)
            floats = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1), np.float32)
            candidates["TFLite"] = lambda: in_tflite.run_pixels(floats)
        return candidates

    def operations(self) -> dict[str, dict[str, int]]:
        """Format -> the file's operations by kind."""
        graph = self.onnx.with_name("graph.onnx")
        files = {"ONNX": graph, "ONNX as exported": self.onnx, "ncnn": self.ncnn, "TFLite": self.tflite}
        return {name: operation_counts(path) for name, path in files.items() if path is not None}


class TimedCheckpoint(nn.Module):
    """As trainer.predict runs it: uint8 (N, 3, H, W) -> person probability (N, H, W)."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network, self.preprocessing = network, preprocessing

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(self.preprocessing.normalise(pixels)).softmax(dim=1)[:, 1]


def measure(checkpoints: Sequence[Path], *, seconds: float, rivals: Sequence[Path]) -> list[Figure]:
    """Print a table for each size of the checkpoints and each number of threads; return the checkpoints' figures."""
    headline: list[Figure] = []
    by_side: dict[int, dict[str, Checkpoint]] = defaultdict(dict)
    for path in checkpoints:
        checkpoint = load_checkpoint(path)
        name = STARTER if path == STARTER_PATH else str(path)  # whole paths: two runs may share their last part
        by_side[checkpoint.info.preprocessing.size_px][name] = checkpoint
    with tempfile.TemporaryDirectory() as directory:
        for side_px, networks in sorted(by_side.items()):
            home = Path(directory) / str(side_px)
            entrants = [_entrant(name, checkpoint, home) for name, checkpoint in networks.items()]
            entrants += [_random_entrant(name, side_px, home) for name in ALTERNATIVES]
            print(f"\n{side_px} px: " + "; ".join(_weight(entrant) for entrant in entrants))
            _print_operations(entrants, rivals)
            for threads in THREADS:
                torch.set_num_threads(threads)
                candidates = {
                    f"{entrant.name}, {runtime}": run
                    for entrant in entrants
                    for runtime, run in entrant.candidates(threads).items()
                }
                for path in rivals:
                    candidates |= _rival(path, threads)
                medians = interleaved_medians(candidates, seconds=seconds / len(by_side) / len(THREADS))
                _print_table(f"{side_px} px, batch 1, {threads} thread{'s' * (threads > 1)}", medians)
                if threads == 1:
                    headline += [_figure(name, side_px, medians) for name in networks]
    return headline


def profile() -> None:
    """Print the starter's time by kind of operation, one thread, at its own size."""
    with tempfile.TemporaryDirectory() as directory:
        entrant = _entrant(STARTER, load_checkpoint(STARTER_PATH), Path(directory))
        pixels = np.zeros((1, 3, entrant.side_px, entrant.side_px), np.uint8)
        graph = entrant.onnx.with_name("graph.onnx")
        for title, times in (
            ("ONNX Runtime, with PRelu", _onnxruntime_profile(graph, pixels)),
            ("ONNX Runtime, as exported", _onnxruntime_profile(entrant.onnx, pixels)),
            ("OpenVINO", _openvino_profile(entrant.openvino, pixels)),
        ):
            total = sum(ms for _, ms in times.values())
            print(f"\n{title}, {entrant.side_px} px: {total:.2f} ms in operations")
            for kind, (count, ms) in sorted(times.items(), key=lambda entry: -entry[1][1]):
                print(f"  {kind:<40}{count:>4}{ms:>9.3f} ms")


def lraspp_mobilenetv3_small() -> nn.Module:
    """LR-ASPP as torchvision builds it on the large network, on the small one: logits of two classes, 1/8 and 1/16."""
    features = create_feature_extractor(mobilenet_v3_small(dilated=True), {"features.2": "low", "features.12": "high"})
    return _OutOnly(LRASPP(features, low_channels=24, high_channels=576, num_classes=2))


def macs(path: Path) -> int:
    """Multiply-accumulates of the convolutions and matrix products in an ONNX file of fixed shapes."""
    graph = shape_inference.infer_shapes(onnx.load(path)).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output, *graph.input)
    } | {constant.name: list(constant.dims) for constant in graph.initializer}
    return sum(_macs_of(node, shapes) for node in graph.node)


class _OutOnly(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)["out"]
        return logits


ALTERNATIVES: dict[str, Callable[[], nn.Module]] = {
    "LR-ASPP MobileNetV3-small": lraspp_mobilenetv3_small,
    UNET: lambda: create_model("smp:unet:mobilenet_v2"),
}


def _entrant(name: str, checkpoint: Checkpoint, home: Path) -> Entrant:
    """Export a checkpoint at its own size."""
    return _exported(name, checkpoint.model, checkpoint.info.preprocessing, deployable(checkpoint), home)


def _random_entrant(name: str, side_px: int, home: Path) -> Entrant:
    """Export an alternative with random weights."""
    torch.manual_seed(0)
    network, preprocessing = ALTERNATIVES[name]().eval(), imagenet(side_px)
    mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
    deployed = Deployable(freeze(LogitDifference(network)), mean, std, reverse_colours=False).eval()
    return _exported(name, network, preprocessing, deployed, home)


def _exported(
    name: str, network: nn.Module, preprocessing: Preprocessing, deployed: Deployable, parent: Path
) -> Entrant:
    """Write the network's exports into its own folder under `parent`."""
    parent.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(dir=parent))
    side_px = preprocessing.size_px
    metadata = Metadata(side_px, name, "0" * 64, name, 0, "0" * 64, "not stated", "0")
    graph, openvino = home / "graph.onnx", home / "network.xml"
    write_onnx(deployed, graph, metadata)
    rewrite_prelus(graph, home / "network.onnx")
    write_openvino(graph, openvino, metadata)
    ncnn, tflite = home / "network.ncnn.param", home / "network.tflite"
    return Entrant(
        name,
        side_px,
        TimedCheckpoint(network, preprocessing),
        home / "network.onnx",
        openvino,
        _written(ncnn, lambda: write_ncnn(deployed, ncnn, metadata)),
        _written(tflite, lambda: write_tflite(tflite_graph(graph), tflite, metadata)),
        macs(graph),
    )


def _written(path: Path, write: Callable[[], None]) -> Path | None:
    """Write the file and return its path; print the reason and return None when the format can't hold the network."""
    try:
        write()
    except UserError as error:
        print(error)
        return None
    return path


def _rival(path: Path, threads: int) -> dict[str, Candidate]:
    """One run on noise at the file's input size, free sides as 1, by its path and that size, in two runtimes."""
    session = open_session(path, threads=threads)
    tensor = session.get_inputs()[0]
    shape = [side if isinstance(side, int) else 1 for side in tensor.shape]
    noise = np.random.default_rng(0).random(shape, np.float32)
    image = (noise * 255).astype(np.uint8) if tensor.type == UINT8 else noise
    size = "x".join(str(side) for side in shape)
    request = _openvino_request(path, shape, threads)
    return {
        f"{path} ({size}), ONNX Runtime": lambda: session.run(None, {tensor.name: image}),
        f"{path} ({size}), OpenVINO": lambda: request.infer([image]),
    }


def _openvino_request(path: Path, shape: list[int], threads: int) -> Any:
    """Open an ONNX file in OpenVINO, with the settings of OpenvinoFile."""
    core = optional("openvino").Core()
    model = core.read_model(path)
    model.reshape(shape)
    return infer_request(core, model, threads=threads)


def _figure(name: str, side_px: int, medians: dict[str, float]) -> Figure:
    """A checkpoint in ONNX Runtime beside the U-Net there."""
    ours, theirs = (medians[f"{network}, ONNX Runtime"] for network in (name, UNET))
    what = f"{name}, one portrait of {side_px} px, ONNX Runtime, 1 thread"
    return Figure(what, ours * 1000, "ms", "python -m trainer.bench latency", f"{UNET}, exported alike", theirs / ours)


def _weight(entrant: Entrant) -> str:
    return f"{entrant.name} {entrant.macs / 1e6:.1f} M MACs, {entrant.onnx.stat().st_size:,} bytes of ONNX"


def _print_operations(entrants: Sequence[Entrant], rivals: Sequence[Path]) -> None:
    """Print the number of operations of each file, and of each kind: accelerators pay for each one."""
    counts = {f"{entrant.name}, {name}": kinds for entrant in entrants for name, kinds in entrant.operations().items()}
    counts |= {f"{path}, ONNX": operation_counts(path) for path in rivals}
    print("\noperations")
    for name, kinds in counts.items():
        by_kind = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda entry: -entry[1]))
        print(f"  {name:<44}{sum(kinds.values()):>5}: {by_kind}")


def _print_table(title: str, medians: dict[str, float]) -> None:
    """Print times in ms; the first is the baseline."""
    print(f"\n{title}")
    baseline = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"  {name:<44}{median * 1000:>8.2f} ms {baseline / median:>6.2f}x", flush=True)


def _macs_of(node: NodeProto, shapes: dict[str, list[int]]) -> int:
    if node.op_type == "Conv":
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    return 0


def _onnxruntime_profile(path: Path, pixels: np.ndarray) -> dict[str, tuple[int, float]]:
    """Kind -> number of operations, and the sum of their median ms."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = 1, True
    options.profile_file_prefix = str(path.with_suffix(""))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for _ in range(PROFILED_RUNS):
        session.run(None, {INPUT: pixels})
    events = json.loads(Path(session.end_profiling()).read_text())
    durations: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            durations[event["args"]["op_name"], event["name"]].append(event["dur"] / 1000)
    return _by_kind(durations)


def _openvino_profile(path: Path, pixels: np.ndarray) -> dict[str, tuple[int, float]]:
    openvino = optional("openvino")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "PERF_COUNT": True}
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    durations: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(PROFILED_RUNS):
        request.infer([pixels])
        for entry in request.profiling_info:
            if entry.status == entry.Status.EXECUTED:
                kind = f"{entry.node_type} ({entry.exec_type})"
                durations[kind, entry.node_name].append(entry.real_time.total_seconds() * 1000)
    return _by_kind(durations)


def _by_kind(durations: dict[tuple[str, str], list[float]]) -> dict[str, tuple[int, float]]:
    """(kind, operation) -> ms of each run becomes kind -> number of operations, and the sum of their medians."""
    kinds: dict[str, tuple[int, float]] = {}
    for (kind, _), times in durations.items():
        count, ms = kinds.get(kind, (0, 0.0))
        kinds[kind] = count + 1, ms + float(np.median(times))
    return kinds
