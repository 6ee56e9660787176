"""`python -m pipeline.bench.gpu`: the pipeline's parts and the whole on one device, for `make bench-gpu`.

A CPU runs it, too. The parts decode, find faces, run the teacher and store, one after the other; their times say where
an image's time goes. The whole runs them side by side in threads. The teacher is the paper's network with random
weights, which runs as fast as a fitted one. The pipeline finds faces on the CPU; on the device that is measured alone.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from facenet_pytorch import MTCNN
from torch import nn
from torchvision.io import ImageReadMode, decode_jpeg

from manifests.bench.rates import Call, Candidate, Rate, add_rate_options, machine_name, measure_rates
from manifests.cli.arguments import run_command
from manifests.cli.converters import positive
from manifests.files.blobs import BlobStore
from manifests.pixels.images import decode_image
from pipeline.bench.precision import untrained_network
from pipeline.bench.rate import untrained_teacher
from pipeline.bench.variants import make_variants
from pipeline.faces.face import MIN_FACE_PX
from pipeline.faces.mtcnn import MTCNNDetector, default_detector
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import label_all
from pipeline.ordered_map import one_thread_an_item
from pipeline.sources import Origins, Picture, find_pictures
from pipeline.teachers import pick_device
from pipeline.teachers.options import CPU_BATCH_SIZE, DEFAULT_INPUT_PX, GPU_BATCH_SIZE, TeacherOptions

IMAGES = 16  # of a call
DECODE, FACES, STORE = "decode, 1 thread", "faces, image by image on the CPU", "encode and write, 1 thread"
TEACHER = "teacher in the pipeline"


def teacher_candidates(device: torch.device, batch_size: int) -> list[Candidate]:
    """The network alone, on images that stay on the device."""

    def prepare(size: int, *, bf16: bool = False, channels_last: bool = True, compile_network: bool = False) -> Call:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        network: nn.Module = untrained_network().eval().to(device, memory_format=layout)  # type: ignore[call-overload]
        shape = size, 3, DEFAULT_INPUT_PX, DEFAULT_INPUT_PX
        images = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device, memory_format=layout)
        run = torch.compile(network, dynamic=False) if compile_network else network

        @torch.inference_mode()
        def call() -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                run(images)

        return call

    ways: dict[str, Callable[[int], Call]] = {
        "fp32, contiguous": partial(prepare, channels_last=False),
        "fp32": prepare,
        "bf16": partial(prepare, bf16=True),
        "fp32, compiled": partial(prepare, compile_network=True),
        "bf16, compiled": partial(prepare, bf16=True, compile_network=True),
    }
    return [
        Candidate(f"teacher alone: {way}, batch {size}", size, partial(prepare_way, size))
        for way, prepare_way in ways.items()
        for size in sorted({1, batch_size})
    ]


def decode_candidates(pictures: list[Picture], device: torch.device) -> list[Candidate]:
    """JPEG bytes -> pixels, on one thread, on all, and by torchvision on the device."""
    encoded = [picture.read() for picture in pictures]

    def in_threads() -> Call:
        executor = ThreadPoolExecutor(os.cpu_count())
        return lambda: list(executor.map(decode_image, encoded))

    def on_device() -> Call:
        if device.type != "cuda":
            raise RuntimeError(f"decoding on the device needs CUDA, found {device.type}")
        data = [torch.frombuffer(bytearray(image), dtype=torch.uint8) for image in encoded]
        return lambda: decode_jpeg(data, mode=ImageReadMode.RGB, device=device)

    return [
        Candidate(DECODE, len(encoded), lambda: lambda: [decode_image(image) for image in encoded]),
        Candidate(f"decode, {os.cpu_count()} threads", len(encoded), in_threads),
        Candidate("decode on the device", len(encoded), on_device),
    ]


def face_candidates(pictures: list[Picture], device: torch.device, batch_size: int) -> list[Candidate]:
    """MTCNN as in the pipeline, on the CPU and on the device, and on a batch of images of one size."""
    images = [decode_image(picture.read()) for picture in pictures]
    batch = np.stack([images[0]] * batch_size)

    def one_by_one(name: str) -> Call:
        detector = MTCNNDetector(name)
        return lambda: [detector.detect(image) for image in images]

    def batched() -> Call:
        network = MTCNN(keep_all=True, min_face_size=MIN_FACE_PX, device=device)
        return torch.inference_mode()(lambda: network.detect(batch))

    found = [Candidate(FACES, len(images), partial(one_by_one, "cpu"))]
    if device.type != "cpu":
        found.append(Candidate("faces, image by image on the device", len(images), partial(one_by_one, str(device))))
    return [*found, Candidate(f"faces, batch {batch_size} on the device", batch_size, batched)]


def pipeline_candidates(
    pictures: list[Picture], device: torch.device, batch_size: int, directory: Path
) -> list[Candidate]:
    """Teacher and storing as parts of the pipeline, then the whole; each call stores at a new place."""
    teacher = untrained_teacher(TeacherOptions(device=str(device), batch_size=batch_size))
    places = (BlobStore(directory / str(number)) for number in count())

    def new_labeller() -> Labeller[Picture]:
        return Labeller(LabelWork(Origins("bench")), default_detector(), teacher, next(places))

    def propose() -> Call:
        labeller = new_labeller()
        prepared = [labeller.prepare(labeller.read(picture)) for picture in pictures]
        return lambda: labeller.propose(prepared)

    def store() -> Call:
        labeller = new_labeller()
        proposed = labeller.propose([labeller.prepare(labeller.read(picture)) for picture in pictures])

        def call() -> None:
            fresh = new_labeller()
            for item in proposed:
                fresh.store(item)

        return call

    def whole() -> Call:
        return lambda: list(label_all(new_labeller(), pictures, threads=os.cpu_count() or 1))

    return [
        Candidate(f"{TEACHER}, {teacher.settings}, batch {batch_size}", len(pictures), propose),
        Candidate(STORE, len(pictures), store),
        Candidate(f"the whole pipeline, {os.cpu_count()} threads", len(pictures), whole),
    ]


def shares(rates: Sequence[Rate]) -> dict[str, float]:
    """Part -> share of the time of an image that passes all parts one after the other; none where one has no rate."""
    seconds = {
        part: 1 / rate.per_second
        for part in (DECODE, FACES, TEACHER, STORE)
        for rate in rates
        if rate.what.startswith(part) and rate.per_second
    }
    return {part: each / sum(seconds.values()) for part, each in seconds.items()} if len(seconds) == 4 else {}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        "python -m pipeline.bench.gpu", description="Measure the pipeline's parts and the whole on one device."
    )
    add_rate_options(parser)
    parser.add_argument("--images", help="as in pipeline.generate (default: variants of one portrait)")
    parser.add_argument("--limit", type=positive, default=IMAGES, help="images of a call (default: %(default)s)")
    sizes = f"(default: {CPU_BATCH_SIZE}, on a GPU {GPU_BATCH_SIZE})"
    parser.add_argument("--batch-size", type=positive, help=f"portraits at a time {sizes}")
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    cuda = device.type == "cuda"
    batch_size = options.batch_size or (GPU_BATCH_SIZE if cuda else CPU_BATCH_SIZE)
    machine = machine_name(torch.cuda.get_device_name(device) if cuda else "")
    one_thread_an_item()
    print(f"the pipeline, on {machine}")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        chosen = find_pictures(options.images)[: options.limit] if options.images else None
        pictures = chosen or make_variants(directory, options.limit)
        rates = measure_rates(
            [
                *decode_candidates(pictures, device),
                *face_candidates(pictures, device, batch_size),
                *pipeline_candidates(pictures, device, batch_size, directory / "stores"),
                *teacher_candidates(device, batch_size),
            ],
            seconds=options.minutes * 60,
            synchronise=partial(torch.cuda.synchronize, device) if cuda else bool,  # a CPU's calls end when done
            machine=machine,
            file=options.figures,
        )
    print("an image's time: " + ", ".join(f"{part} {share:.0%}" for part, share in shares(rates).items()))


if __name__ == "__main__":
    run_command(main)
