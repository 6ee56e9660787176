"""`python -m trainer.bench`: SINet's speed on this machine's CPU, as ratios against named baselines.

The candidates take turns, round after round, so that a busy moment of the machine hits them all; the median
counts. Training is measured three ways: as SINet's authors do it (eager, fp32, up-sampling by interpolation, every
picture decoded and augmented by itself with OpenCV and Pillow), as trainer.fit does it, and as trainer.fit would
on tensors that are in memory already. The authors' way and ours have a process each, as they would have in use.
Where the preset's first epochs see smaller pictures, its rate is that of the whole schedule, and both parts are shown.
`--part latency` and `--part profile` are of exported networks in other runtimes: see latency.py.
"""

import argparse
import random
import resource
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Generator, Tensor, nn
from torch.optim import Adam

from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg
from manifests.pixels.masks import encode_mask
from manifests.store.training_rows import AcceptedRow
from trainer.bench import latency
from trainer.bench.timing import Candidate, interleaved_medians
from trainer.data.augmentation import AUGMENTATIONS, Augmenter
from trainer.data.cache import cached_samples
from trainer.data.preprocessing import imagenet
from trainer.data.samples import batches
from trainer.fit.ema import MovingAverage
from trainer.fit.losses import EVEN, segmentation_loss
from trainer.fit.malloc import keep_freed_memory
from trainer.fit.objective import compiled, objective
from trainer.fit.options import SIZE_PX
from trainer.fit.recipe import Recipe, default, parameter_groups
from trainer.fit.steps import Stage, Step, odd_px, side_px_of, stages, targets, train_on_batch
from trainer.models import create_model
from trainer.models.surgery import replace_modules
from trainer.models.upsample import BilinearUpsample

EAGER = "eager, contiguous (baseline)"
AUTHORS = "the authors' way (baseline)"
FIT = "trainer.fit, preset default"
SYNTHETIC = "the same on synthetic tensors in memory"
BARE = "the same without augmentation"
PEAK_BYTES = "peak bytes"

SAMPLES = 96
WIDTH, HEIGHT = 480, 640  # a portrait from a telephone, made small


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    if options.part == "latency":
        latency.measure(seconds=options.seconds, rivals=options.rival)
    elif options.part == "profile":
        latency.profile()
    else:
        measure_training(options)


def measure_training(options: argparse.Namespace) -> None:
    """Inference as it is in training, and training three ways."""
    generator = torch.Generator().manual_seed(0)
    torch.set_num_threads(1)
    inference = interleaved_medians(inference_candidates(generator), seconds=options.seconds / 4)
    report(f"SINet inference, {SIZE_PX} px, batch 1, 1 thread", inference, "ms", lambda median: median * 1000)
    recipe = default()
    with tempfile.TemporaryDirectory() as directory:
        blobs = BlobStore(Path(directory))
        data = Data(Path(directory), [_made_up_sample(blobs, seed) for seed in range(SAMPLES)])
        with (
            in_own_process(authors_candidates, recipe, data, options.threads) as (authors, authors_peak_bytes),
            in_own_process(fit_candidates, recipe, data, options.threads, options.compile) as (fit, fit_peak_bytes),
        ):
            training = interleaved_medians(authors | fit, seconds=options.seconds * 3 / 4)
            peaks = authors_peak_bytes() / 1e9, fit_peak_bytes() / 1e9
    whole = over_schedule(training, recipe)
    title = f"SINet training, {SIZE_PX} px, batch {recipe.batch_size}, {options.threads} threads"
    report(title, whole | training, "images/s", lambda median: recipe.batch_size / median)
    print(f"of the rate on synthetic tensors trainer.fit reaches {whole[SYNTHETIC] / whole[FIT]:.0%}")
    compiler = "with its compiler" if options.compile else "without a compiler"
    print(f"peak memory: the authors' way {peaks[0]:.2f} GB, trainer.fit {compiler} {peaks[1]:.2f} GB")


def inference_candidates(generator: Generator) -> dict[str, Candidate]:
    images = torch.rand(1, 3, SIZE_PX, SIZE_PX, generator=generator)
    return {EAGER: _inference(images), "channels_last": _inference(_channels_last(images))}


@dataclass(frozen=True, slots=True)
class Data:
    """Made-up samples in the blob store at `root`."""

    root: Path
    rows: list[AcceptedRow]


def authors_candidates(recipe: Recipe, data: Data, threads: int) -> dict[str, Candidate]:
    """One step, files and all."""
    torch.set_num_threads(threads)
    return {AUTHORS: _authors_way(recipe, data.rows, BlobStore(data.root))}


def fit_candidates(recipe: Recipe, data: Data, threads: int, compile_network: bool) -> dict[str, Candidate]:
    """One step of each with pictures of each side, from the cache as from the second epoch on."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    samples = cached_samples(data.rows, BlobStore(data.root), imagenet(SIZE_PX), data.root / "cache")
    network = create_model("sinet").to(memory_format=torch.channels_last).train()
    augmenter = Augmenter(AUGMENTATIONS[recipe.augmentation](), generator, torch.device("cpu"))
    shape = recipe.batch_size, 3, SIZE_PX, SIZE_PX
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = samples.labels[: recipe.batch_size].clone()
    dealt = (batch for _ in cycle([None]) for batch in batches(samples, recipe.batch_size, generator))
    stage = stages(network, recipe)[1]

    def fit(batch: Callable[[], tuple[Tensor, Tensor]], step: Step) -> Candidate:
        def train() -> None:
            changed, shares = batch()
            train_on_batch(stage, step, changed, targets(shares, 1), rate=1e-3, clip_norm=recipe.clip_norm)

        return train

    def of_side(side_px: int) -> dict[str, Candidate]:
        step = _step(network, stage, recipe, side_px, compile_network=compile_network)
        small_images, small_labels = images[..., :side_px, :side_px].float(), labels[..., :side_px, :side_px] / 255
        return {
            _named(FIT, side_px): fit(lambda: augmenter(*next(dealt), side_px=side_px), step),
            _named(SYNTHETIC, side_px): fit(lambda: augmenter(images, labels, side_px=side_px), step),
            _named(BARE, side_px): fit(lambda: (small_images, small_labels), step),
        }

    return {name: train for side_px in side_shares(recipe) for name, train in of_side(side_px).items()}


def side_shares(recipe: Recipe) -> dict[int, float]:
    """Side of the pictures in px -> share of the recipe's epochs that see them so large, in the epochs' order."""
    stage = stages(create_model("sinet"), recipe)[1]
    epochs = Counter(side_px_of(recipe, stage, epoch, SIZE_PX) for epoch in range(1, stage.epochs + 1))
    return {side_px: count / stage.epochs for side_px, count in epochs.items()}


def over_schedule(medians: dict[str, float], recipe: Recipe) -> dict[str, float]:
    """The baseline's median, and of each of our ways the mean over the recipe's epochs."""
    shares = side_shares(recipe)
    ways = {
        way: sum(share * medians[_named(way, side_px)] for side_px, share in shares.items())
        for way in (FIT, SYNTHETIC, BARE)
    }
    return {AUTHORS: medians[AUTHORS]} | ways


@contextmanager
def in_own_process(
    build: Callable[..., dict[str, Candidate]], *choices: object
) -> Iterator[tuple[dict[str, Candidate], Callable[[], int]]]:
    """The candidates that `build(*choices)` makes in a new process, and what gives that process's peak memory."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, build, choices), daemon=True)
    process.start()
    theirs.close()

    def ask(name: str) -> Any:
        ours.send(name)
        return ours.recv()

    try:
        names = ours.recv()
        yield {name: partial(ask, name) for name in names}, partial(ask, PEAK_BYTES)
    finally:
        ours.close()  # which is what ends the process
        process.join()


def _serve(connection: Connection, build: Callable[..., dict[str, Candidate]], choices: tuple[object, ...]) -> None:
    candidates = build(*choices)
    connection.send(list(candidates))
    while True:
        try:
            name = connection.recv()
        except EOFError:  # nobody asks any more
            return
        if name == PEAK_BYTES:
            connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        else:
            candidates[name]()
            connection.send(None)


def report(title: str, medians: dict[str, float], unit: str, convert: Callable[[float], float]) -> None:
    """One line each; the first is the baseline."""
    print(title)
    baseline = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"  {name:<50}{convert(median):>9.1f} {unit:<10}{baseline / median:>5.2f}x", flush=True)


def authors_augmentation(rgb: Pixels, mask: Pixels, rng: random.Random) -> tuple[Pixels, Pixels]:
    """RGB (H, W, 3), mask (H, W) -> both at SIZE_PX: PortraitNet's set on one picture, with OpenCV and Pillow."""
    height, width = mask.shape
    scale = rng.uniform(0.5, 1.5) * (SIZE_PX / (width - 1) + SIZE_PX / (height - 1)) / 2
    pivot = width / 2 + rng.uniform(-56, 56), height / 2 + rng.uniform(-56, 56)
    affine = cv2.getRotationMatrix2D(pivot, rng.uniform(-45, 45), scale)
    affine[:, 2] += SIZE_PX / 2 - width / 2, SIZE_PX / 2 - height / 2
    size = SIZE_PX, SIZE_PX
    rgb = np.asarray(cv2.warpAffine(rgb, affine, size, borderValue=(128, 128, 128)), np.uint8)
    mask = np.asarray(cv2.warpAffine(mask, affine, size, flags=cv2.INTER_NEAREST), np.uint8)
    if rng.random() < 0.5:
        rgb, mask = rgb[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.5:
        picture = Image.fromarray(np.ascontiguousarray(rgb))
        for enhancer, low, high in (
            (ImageEnhance.Color, 4, 16),
            (ImageEnhance.Brightness, 4, 16),
            (ImageEnhance.Contrast, 6, 14),
            (ImageEnhance.Sharpness, 8, 12),
        ):
            picture = enhancer(picture).enhance(rng.randint(low, high) / 10)
        rgb = np.asarray(picture)
    if rng.random() < 0.5:
        kind, side_px = rng.random(), rng.choice((3, 5))
        if kind < 0.3:
            rgb = np.asarray(cv2.GaussianBlur(rgb, (side_px, side_px), 0), np.uint8)
        elif kind < 0.6:
            rgb = np.asarray(cv2.medianBlur(np.ascontiguousarray(rgb), side_px), np.uint8)
        else:
            rgb = np.asarray(cv2.blur(rgb, (side_px, side_px)), np.uint8)
    if rng.random() < 0.5:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 10), rgb.shape)
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    return rgb, mask


def _authors_way(recipe: Recipe, rows: Sequence[AcceptedRow], blobs: BlobStore) -> Candidate:
    """Eager, fp32, contiguous; a pool of threads, as many as torch has, decodes and augments picture by picture."""
    network = create_model("sinet").train()
    replace_modules(
        network, lambda m: nn.UpsamplingBilinear2d(scale_factor=m.factor) if isinstance(m, BilinearUpsample) else m
    )
    optimizer = Adam(network.parameters(), lr=1e-3)
    preprocessing, rng = imagenet(SIZE_PX), random.Random(0)
    threads = ThreadPoolExecutor(torch.get_num_threads())

    def load(job: tuple[AcceptedRow, int]) -> tuple[Pixels, Pixels]:
        row, seed = job
        data = np.frombuffer((blobs.root / row.image).read_bytes(), np.uint8)
        rgb = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        mask = cv2.imdecode(np.frombuffer((blobs.root / row.mask).read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
        return authors_augmentation(np.asarray(rgb, np.uint8), np.asarray(mask, np.uint8), random.Random(seed))

    def step() -> None:
        jobs = [(row, rng.getrandbits(32)) for row in rng.sample(list(rows), recipe.batch_size)]
        loaded = list(threads.map(load, jobs))
        images = torch.from_numpy(np.stack([rgb for rgb, _ in loaded])).permute(0, 3, 1, 2).contiguous()
        labels = torch.from_numpy(np.stack([mask for _, mask in loaded])).ge(128).long()
        loss = segmentation_loss(network(preprocessing.normalise(images)), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def _step(network: nn.Module, stage: Stage, recipe: Recipe, side_px: int, *, compile_network: bool) -> Step:
    """What trainer.fit trains with, on pictures of that side."""
    kernel_px = odd_px(stage.kernel_px * side_px / SIZE_PX)
    loss_of = objective(network, recipe, weights=EVEN, kernel_px=kernel_px)
    if compile_network:
        images = _channels_last(torch.zeros(recipe.batch_size, 3, side_px, side_px))
        loss_of = compiled(loss_of, network, images, torch.zeros(recipe.batch_size, side_px, side_px))
    optimizer = Adam(parameter_groups(network, recipe), lr=1e-3, fused=True)
    average = MovingAverage(network, recipe.ema_decay) if recipe.ema_decay else None
    return Step(loss_of, optimizer, average, imagenet(SIZE_PX), torch.device("cpu"), side_px=side_px)


def _named(way: str, side_px: int) -> str:
    return f"{way}: {side_px} px"


def _inference(images: Tensor) -> Candidate:
    model = create_model("sinet").eval()
    if images.is_contiguous(memory_format=torch.channels_last):
        model = model.to(memory_format=torch.channels_last)
    return torch.inference_mode()(lambda: model(images))


def _made_up_sample(blobs: BlobStore, seed: int) -> AcceptedRow:
    """A bright disc on coloured clouds, as a JPEG and a mask."""
    rng = np.random.default_rng(seed)
    clouds = cv2.resize(rng.integers(0, 256, (12, 9, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (WIDTH // 2, HEIGHT * 2 // 3), int(rng.integers(100, 240)), 255, -1)
    rgb = np.where(mask[..., None] > 0, 255 - clouds // 3, clouds).astype(np.uint8)
    image, mask_blob = blobs.put(encode_jpeg(rgb), ".jpg"), blobs.put(encode_mask(mask), ".png")
    return AcceptedRow(image.path, image.sha256, mask_blob.path, mask_blob.sha256)


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.bench", description="Measure SINet on this machine's CPU.")
    parser.add_argument(
        "--part", choices=("training", "latency", "profile"), default="training",
        help="training, exported networks in each runtime, or where their time goes (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rival", type=Path, nargs="+", default=[], metavar="ONNX", help="somebody's network, for --part latency"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long (default: %(default)s)")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of training (default: %(default)s)"
    )
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile (default: yes)"
    )
    return parser.parse_args(arguments)
