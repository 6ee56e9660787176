"""SINet's speed on this machine's CPU, in inference and in training, as ratios against named baselines.

The candidates take turns, so that other load affects them all alike; the median is reported. Training is measured in
three ways: as SINet's authors do it (eager, fp32, up-sampling by interpolation, each image decoded and augmented by
itself with OpenCV and Pillow), as trainer.fit does it, and as trainer.fit would on tensors in memory. The authors' way
and ours have a process each, as in use. Where the preset's first epochs use smaller images, its rate is that of the
whole schedule, and both parts are printed.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam

from manifests.bench.headline import Figure
from manifests.files.blobs import BlobStore
from trainer.bench.data import Data, made_up_data
from trainer.bench.own_process import in_own_process
from trainer.bench.timing import Candidate, interleaved_medians
from trainer.data.augmentation import Augmenter
from trainer.data.augmentation_presets import AUGMENTATIONS
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


def measure(seconds: float, threads: int | None, *, compile_network: bool) -> Figure:
    """Print the rates of inference, and of training three ways; return trainer.fit's."""
    threads = threads or torch.get_num_threads()
    generator = torch.Generator().manual_seed(0)
    torch.set_num_threads(1)
    inference = interleaved_medians(inference_candidates(generator), seconds=seconds / 4)
    report(f"SINet inference, {SIZE_PX} px, batch 1, 1 thread", inference, "ms", lambda median: median * 1000)
    recipe = default()
    with tempfile.TemporaryDirectory() as directory:
        data = made_up_data(Path(directory))
        with (
            in_own_process(authors_candidates, recipe, data, threads) as (authors, authors_peak_bytes),
            in_own_process(fit_candidates, recipe, data, threads, compile_network) as (fit, fit_peak_bytes),
        ):
            training = interleaved_medians(authors | fit, seconds=seconds * 3 / 4)
            peaks = authors_peak_bytes() / 1e9, fit_peak_bytes() / 1e9
    whole = over_schedule(training, recipe)
    title = f"SINet training, {SIZE_PX} px, batch {recipe.batch_size}, {threads} threads"
    report(title, whole | training, "images/s", lambda median: recipe.batch_size / median)
    print(f"of the rate on synthetic tensors trainer.fit reaches {whole[SYNTHETIC] / whole[FIT]:.0%}")
    compiler = "with its compiler" if compile_network else "without a compiler"
    print(f"peak memory: the authors' way {peaks[0]:.2f} GB, trainer.fit {compiler} {peaks[1]:.2f} GB")
    rate, ratio = recipe.batch_size / whole[FIT], whole[AUTHORS] / whole[FIT]
    what = f"fit SINet, {SIZE_PX} px, batch {recipe.batch_size}, {threads} threads"
    return Figure(what, rate, "images/s", "python -m trainer.bench", "the authors' way", ratio)


def inference_candidates(generator: Generator) -> dict[str, Candidate]:
    images = torch.rand(1, 3, SIZE_PX, SIZE_PX, generator=generator)
    return {EAGER: _inference(images), "channels_last": _inference(_channels_last(images))}


def authors_candidates(recipe: Recipe, data: Data, threads: int) -> dict[str, Candidate]:
    """One training step, file reading included."""
    torch.set_num_threads(threads)
    return {AUTHORS: _authors_way(recipe, data)}


def fit_candidates(recipe: Recipe, data: Data, threads: int, compile_network: bool) -> dict[str, Candidate]:
    """One training step of each way and image side, from the cache as from the second epoch on."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    samples = cached_samples(data.rows, BlobStore(data.root), imagenet(SIZE_PX), data.root / "cache")
    network = create_model("sinet").to(memory_format=torch.channels_last).train()
    augmenter = Augmenter(AUGMENTATIONS[recipe.augmentation](), generator, torch.device("cpu"))
    shape = recipe.batch_size, 3, SIZE_PX, SIZE_PX
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = samples.labels[: recipe.batch_size].clone()
    cached = (batch for _ in cycle([None]) for batch in batches(samples, recipe.batch_size, generator))
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
            _named(FIT, side_px): fit(lambda: augmenter(*next(cached), side_px=side_px), step),
            _named(SYNTHETIC, side_px): fit(lambda: augmenter(images, labels, side_px=side_px), step),
            _named(BARE, side_px): fit(lambda: (small_images, small_labels), step),
        }

    return {name: train for side_px in side_shares(recipe) for name, train in of_side(side_px).items()}


def side_shares(recipe: Recipe) -> dict[int, float]:
    """Image side in px -> share of the recipe's epochs at that side, in the epochs' order."""
    stage = stages(create_model("sinet"), recipe)[1]
    epochs = Counter(side_px_of(recipe, stage, epoch, SIZE_PX) for epoch in range(1, stage.epochs + 1))
    return {side_px: count / stage.epochs for side_px, count in epochs.items()}


def over_schedule(medians: dict[str, float], recipe: Recipe) -> dict[str, float]:
    """The baseline's median, and the mean of each of our ways over the recipe's epochs."""
    shares = side_shares(recipe)
    ways = {
        way: sum(share * medians[_named(way, side_px)] for side_px, share in shares.items())
        for way in (FIT, SYNTHETIC, BARE)
    }
    return {AUTHORS: medians[AUTHORS]} | ways


def report(title: str, medians: dict[str, float], unit: str, convert: Callable[[float], float]) -> None:
    """Print one line each; the first is the baseline."""
    print(title)
    baseline = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"  {name:<50}{convert(median):>9.1f} {unit:<10}{baseline / median:>5.2f}x", flush=True)


def _authors_way(recipe: Recipe, data: Data) -> Candidate:
    """Eager, fp32, contiguous; a pool of threads, as many as torch has, decodes and augments image by image."""
    network = create_model("sinet").train()
    replace_modules(
        network, lambda m: nn.UpsamplingBilinear2d(scale_factor=m.factor) if isinstance(m, BilinearUpsample) else m
    )
    optimizer = Adam(network.parameters(), lr=1e-3)
    preprocessing, rng = imagenet(SIZE_PX), random.Random(0)  # noqa: S311 - it chooses samples, no secret
    threads = ThreadPoolExecutor(torch.get_num_threads())

    def step() -> None:
        rows = rng.sample(data.rows, recipe.batch_size)
        seeds = [rng.getrandbits(32) for _ in rows]
        loaded = list(threads.map(data.load_as_authors, rows, seeds))
        images = torch.from_numpy(np.stack([rgb for rgb, _ in loaded])).permute(0, 3, 1, 2).contiguous()
        labels = torch.from_numpy(np.stack([mask for _, mask in loaded])).ge(128).long()
        loss = segmentation_loss(network(preprocessing.normalise(images)), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def _step(network: nn.Module, stage: Stage, recipe: Recipe, side_px: int, *, compile_network: bool) -> Step:
    """A training step as trainer.fit's, on images of that side."""
    kernel_px = odd_px(stage.kernel_px * side_px / SIZE_PX)
    preprocessing = imagenet(SIZE_PX)
    loss_of = objective(network, recipe, weights=EVEN, kernel_px=kernel_px, preprocessing=preprocessing)
    if compile_network:
        images = _channels_last(torch.zeros(recipe.batch_size, 3, side_px, side_px))
        loss_of = compiled(loss_of, network, images, torch.zeros(recipe.batch_size, side_px, side_px))
    optimizer = Adam(parameter_groups(network, recipe), lr=1e-3, fused=True)
    average = MovingAverage(network, recipe.ema_decay) if recipe.ema_decay else None
    return Step(loss_of, optimizer, average, preprocessing, torch.device("cpu"), side_px=side_px)


def _named(way: str, side_px: int) -> str:
    return f"{way}: {side_px} px"


def _inference(images: Tensor) -> Candidate:
    model = create_model("sinet").eval()
    if images.is_contiguous(memory_format=torch.channels_last):
        model = model.to(memory_format=torch.channels_last)
    return torch.inference_mode()(lambda: model(images))


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
