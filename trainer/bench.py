"""`python -m trainer.bench`: SINet's speed on this machine's CPU, as ratios against a named baseline.

The candidates take turns, round after round, so that a busy moment of the machine hits them all; the median
counts. Eager mode with contiguous tensors is the baseline.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor
from torch.optim import Adam

from manifests.command import run_command
from trainer.augmentation import augment
from trainer.fit import BATCH_SIZE, SIZE_PX, parameter_groups
from trainer.losses import segmentation_loss
from trainer.models import create_model
from trainer.preprocessing import imagenet

Candidate = Callable[[], object]

BASELINE = "eager, contiguous (baseline)"


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    generator = torch.Generator().manual_seed(0)
    torch.set_num_threads(1)
    inference = interleaved_medians(inference_candidates(generator), seconds=options.seconds / 4)
    torch.set_num_threads(options.threads)
    training = interleaved_medians(training_candidates(generator), seconds=options.seconds * 3 / 4)
    report(f"SINet inference, {SIZE_PX} px, batch 1, 1 thread", inference, "ms", lambda median: median * 1000)
    title = f"SINet training step, {SIZE_PX} px, batch {BATCH_SIZE}, {options.threads} threads"
    report(title, training, "images/s", lambda median: BATCH_SIZE / median)


def inference_candidates(generator: Generator) -> dict[str, Candidate]:
    images = torch.rand(1, 3, SIZE_PX, SIZE_PX, generator=generator)
    return {BASELINE: _inference(images), "channels_last": _inference(_channels_last(images))}


def training_candidates(generator: Generator) -> dict[str, Candidate]:
    """A step on ready tensors, and one with what trainer.fit does before it."""
    images = torch.randint(0, 256, (BATCH_SIZE, 3, SIZE_PX, SIZE_PX), dtype=torch.uint8, generator=generator)
    labels = torch.zeros(BATCH_SIZE, SIZE_PX, SIZE_PX, dtype=torch.uint8)
    labels[:, SIZE_PX // 4 :, SIZE_PX // 4 : -SIZE_PX // 4] = 1
    preprocessing = imagenet(SIZE_PX)
    ready, targets = preprocessing.normalise(images), labels.long()

    def augmented() -> tuple[Tensor, Tensor]:
        changed, changed_labels = augment(images, labels, generator)
        return _channels_last(preprocessing.normalise(changed)), changed_labels

    return {
        BASELINE: _training(lambda: (ready, targets), torch.contiguous_format),
        "channels_last": _training(lambda: (_channels_last(ready), targets), torch.channels_last),
        "channels_last, augmented (trainer.fit)": _training(augmented, torch.channels_last),
    }


def interleaved_medians(candidates: dict[str, Candidate], *, seconds: float) -> dict[str, float]:
    """Median seconds of one call to each; rounds go on until `seconds` are over, three at least."""
    for candidate in candidates.values():
        candidate()  # warm-up
    times: dict[str, list[float]] = {name: [] for name in candidates}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[BASELINE]) < 3:
        for name, candidate in candidates.items():
            started = time.perf_counter()
            candidate()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(measured) for name, measured in times.items()}


def report(title: str, medians: dict[str, float], unit: str, convert: Callable[[float], float]) -> None:
    print(title)
    for name, median in medians.items():
        print(f"  {name:<40}{convert(median):>9.1f} {unit:<10}{medians[BASELINE] / median:>5.2f}x")


def _inference(images: Tensor) -> Candidate:
    model = create_model("sinet").eval()
    if images.is_contiguous(memory_format=torch.channels_last):
        model = model.to(memory_format=torch.channels_last)
    return torch.inference_mode()(lambda: model(images))


def _training(batch: Callable[[], tuple[Tensor, Tensor]], memory_format: torch.memory_format) -> Candidate:
    model = create_model("sinet").to(memory_format=memory_format).train()
    optimizer = Adam(parameter_groups(model), lr=1e-3)

    def step() -> None:
        images, labels = batch()
        loss = segmentation_loss(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.bench", description="Measure SINet on this machine's CPU.")
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long (default: %(default)s)")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of training (default: %(default)s)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
