"""`python -m pipeline.bench`: the pipeline's rate on this machine, as ratios against named baselines.

The baseline is the bare loop: decode a picture, ask the teacher, in as many threads. The pipeline also finds faces,
cuts portraits out, scores masks and writes blobs and rows. Both take turns on the same pictures, so that a busy moment
of the machine hits both; the median counts. Pictures are `--images`, or variants of a portrait that scikit-image has.
"""

import argparse
import copy
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from skimage import data
from torch import Tensor, nn

from manifests.cli.arguments import run_command
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import label_all
from pipeline.ordered_map import in_batches, one_thread_an_item
from pipeline.sources import Origins, Picture, find_pictures
from pipeline.teachers import Portrait, Teacher, load_teacher
from pipeline.teachers.network import NetworkTeacher, use_bf16
from pipeline.teachers.options import DEFAULT_INPUT_PX, add_teacher_options, teacher_options
from pipeline.teachers.smp_weights import PAPER_CONFIG

P = ParamSpec("P")
Result = TypeVar("Result")

ROUND = 8  # pictures of one turn for each thread
VARIANTS = 64


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    look = teacher_options(options)
    one_thread_an_item()
    with tempfile.TemporaryDirectory() as directory:
        pictures = _pictures(options.images, Path(directory), options.limit)
        if options.memory:
            _report_memory(pictures, options.memory, options.teacher or "grabcut", options.threads)
            return
        if not options.pipeline_alone:
            _report_precision(options.seconds / 4)
        teacher = load_teacher(options.teacher, look) if options.teacher else untrained_teacher()
        _report_pipeline(teacher, pictures, Path(directory), options.seconds, options.threads)


def untrained_teacher() -> Teacher:
    """The paper's DeepLabv3+ with random weights: as slow as one that was fitted."""
    cpu = torch.device("cpu")
    return NetworkTeacher(
        _untrained_network(),
        name="deeplabv3plus with random weights",
        person_class=0,
        input_px=DEFAULT_INPUT_PX,
        device=cpu,
        bf16=use_bf16("auto", cpu),
    )


def _untrained_network() -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = smp.DeepLabV3Plus(PAPER_CONFIG["encoder_name"], encoder_weights=None, classes=1)
    return network


def _report_pipeline(teacher: Teacher, pictures: list[Picture], directory: Path, seconds: float, threads: int) -> None:
    labeller = Labeller(LabelWork(Origins("bench")), default_detector(), teacher, BlobStore(directory / "data"))
    bare, whole = [], []  # seconds a picture, and of the pipeline a mask
    masks = []
    rounds = in_batches(pictures, ROUND * threads)
    _bare_loop(teacher, pictures[:threads], threads)  # warm-up
    end = time.perf_counter() + seconds
    for some in rounds:
        bare.append(_timed(_bare_loop, teacher, some, threads)[0] / len(some))
        took, made = _timed(_run_pipeline, labeller, some, threads)
        whole.append(took / len(some))
        masks.append(sum(made) / len(some))
        if time.perf_counter() > end:
            break
    print(
        f"labelling with {teacher.name}, {teacher.settings}: {len(bare) * ROUND * threads} pictures, {threads} threads"
    )
    baseline, ours, masks_each = (statistics.median(found) for found in (bare, whole, masks))
    _print_line("decode -> teacher (baseline)", 1 / baseline, "images/s", 1.0)
    _print_line("the pipeline", 1 / ours, "images/s", baseline / ours)
    _print_line("the pipeline, by the masks it makes", masks_each / ours, "masks/s", baseline * masks_each / ours)


def _bare_loop(teacher: Teacher, pictures: Iterable[Picture], threads: int) -> None:
    def one(batch: list[Picture]) -> None:
        teacher.predict([Portrait(decode_image(picture.read()), []) for picture in batch])

    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(one, in_batches(pictures, teacher.batch_size)))


def _run_pipeline(labeller: Labeller[Picture], pictures: list[Picture], threads: int) -> list[int]:
    """How many masks were made of each picture."""
    outcomes = label_all(labeller, pictures, threads=threads)
    return [len(outcome) if isinstance(outcome, list) else 0 for outcome in outcomes]


def _report_precision(seconds: float) -> None:
    """The paper's network on one portrait of DEFAULT_INPUT_PX, one thread; random weights, so many pixels near 0.5."""
    network = _untrained_network().eval()
    rgb = torch.tensor(data.astronaut()).permute(2, 0, 1)[None].float() / 255  # (1, 3, 512, 512)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    images = rgb.contiguous(memory_format=torch.channels_last)
    ways: dict[str, Callable[[], Tensor]] = {
        "eager fp32, contiguous (baseline)": lambda: network(rgb),
        "channels_last": lambda: last(images),
        "bf16 + channels_last": lambda: _in_bf16(last, images),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        masks = {name: way() >= 0 for name, way in ways.items()}  # warm-up
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times["channels_last"]) < 3:
            for name, way in ways.items():
                times[name].append(_timed(way)[0])
    baseline, *_ = times
    fast = "" if use_bf16("auto", torch.device("cpu")) else ", which this CPU has no instructions for"
    print(f"DeepLabv3+ SE-ResNeXt-50, {DEFAULT_INPUT_PX} px, batch 1, 1 thread; bf16{fast}")
    for name, found in times.items():
        median, equal = statistics.median(found), (masks[name] == masks[baseline]).float().mean().item()
        _print_line(name, median * 1000, "ms", statistics.median(times[baseline]) / median, f"{equal:.2%} equal pixels")


def _in_bf16(network: nn.Module, images: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits: Tensor = network(images)
    return logits


def _report_memory(pictures: list[Picture], counts: list[int], teacher: str, threads: int) -> None:
    """Peak memory of a process of its own for each count; the pictures are repeated."""
    print(f"peak memory of labelling with {teacher}, {len(pictures)} pictures in turn, {threads} threads")
    peaks = []
    for count in counts:
        with get_context("spawn").Pool(1) as pool:
            peaks.append(pool.apply(_peak_bytes, (list(islice(cycle(pictures), count)), teacher, threads)))
        _print_line(f"{count} pictures", peaks[-1] / 1e6, "MB", peaks[-1] / peaks[0])


def _peak_bytes(pictures: list[Picture], teacher: str, threads: int) -> int:
    one_thread_an_item()
    with tempfile.TemporaryDirectory() as directory:
        labeller = Labeller(
            LabelWork(Origins("bench")), default_detector(), load_teacher(teacher), BlobStore(Path(directory))
        )
        for _ in label_all(labeller, pictures, threads=threads):
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _pictures(images: str | None, directory: Path, limit: int | None) -> list[Picture]:
    if images:
        return find_pictures(images)[:limit]
    return [Picture(_variant(directory, number)) for number in range(limit or VARIANTS)]


def _variant(directory: Path, number: int) -> Path:
    """The portrait at another size, mirrored every second time."""
    rng = np.random.default_rng(number)
    picture = Image.fromarray(_mirrored(data.astronaut(), number % 2 == 1))
    width = int(rng.integers(480, 960))
    path = directory / f"{number:04}.jpg"
    picture.resize((width, int(width * rng.uniform(1.0, 1.4)))).save(path, quality=90)
    return path


def _mirrored(rgb: Pixels, mirrored: bool) -> Pixels:
    return np.ascontiguousarray(rgb[:, ::-1]) if mirrored else rgb


def _timed(work: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> tuple[float, Result]:
    """Seconds, and what came of it."""
    started = time.perf_counter()
    result = work(*arguments, **options)
    return time.perf_counter() - started, result


def _print_line(what: str, value: float, unit: str, ratio: float, more: str = "") -> None:
    print(f"  {what:<42}{value:>9.1f} {unit:<10}{ratio:>5.2f}x  {more}".rstrip(), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pipeline.bench", description="Measure the pipeline on this machine.")
    parser.add_argument("--seconds", type=float, default=120.0, help="about how long (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="(default: %(default)s)")
    parser.add_argument("--images", help="as in pipeline.generate (default: variants of one portrait)")
    parser.add_argument("--limit", type=int, help=f"the first N pictures (default: all, or {VARIANTS} variants)")
    parser.add_argument("--teacher", help="as in pipeline.generate (default: the paper's network, random weights)")
    parser.add_argument("--pipeline-alone", action="store_true", help="leave the network's precisions out")
    parser.add_argument(
        "--memory", type=int, nargs="+", metavar="N", help="measure peak memory with N pictures instead; several"
    )
    add_teacher_options(parser)
    return parser


if __name__ == "__main__":
    run_command(main)
