"""`python -m trainer.bench.gpu`: SINet's training steps on one device, for `make bench-gpu`; a CPU runs it, too.

Images per second at SIZE_PX, on synthetic samples: trainer.fit's step with its cache in host memory and with the cache
on the device, both augmented; and steps on one batch that stays on the device, in several precisions, compiled, and as
a CUDA graph.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import cycle
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam

from manifests.bench.rates import Call, Candidate, add_rate_options, machine_name, measure_rates
from manifests.cli.arguments import run_command
from manifests.cli.converters import positive
from manifests.files.blobs import BlobStore
from trainer.bench.data import made_up_data
from trainer.data.augmentation import Augmenter
from trainer.data.augmentation_presets import AUGMENTATIONS
from trainer.data.cache import cached_samples
from trainer.data.preprocessing import imagenet
from trainer.data.samples import Samples, batches
from trainer.device import pick_device
from trainer.fit.ema import MovingAverage
from trainer.fit.losses import EVEN
from trainer.fit.objective import COMPILE_OPTIONS, Objective, objective
from trainer.fit.options import SIZE_PX
from trainer.fit.recipe import default, parameter_groups
from trainer.fit.steps import Step, odd_px, stages, targets, train_on_batch
from trainer.models import create_model

WARM_UP_STEPS = 3  # before a capture, as PyTorch's documentation has it
RECIPE = default()
STAGE_KERNEL_PX = odd_px(RECIPE.boundary_px)

Batch = tuple[Tensor, Tensor]  # images 0..255 float (N, 3, S, S), labels float (N, S, S)


class Training:
    """A new SINet on `device`, its loss and optimizer."""

    def __init__(self, device: torch.device, *, bf16: bool = False, channels_last: bool = True) -> None:
        self._device = device
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._network: nn.Module = create_model("sinet").train().to(device, memory_format=self._format)  # type: ignore[call-overload]
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext
        if bf16:
            autocast = partial(torch.autocast, device.type, torch.bfloat16)
        self._loss_of: Objective = objective(
            self._network, RECIPE, weights=EVEN, kernel_px=STAGE_KERNEL_PX, preprocessing=imagenet(SIZE_PX),
            autocast=autocast,
        )  # fmt: skip

    def compiled(self) -> "Training":
        self._loss_of = torch.compile(self._loss_of, options=COMPILE_OPTIONS, dynamic=False)
        return self

    def fit_step(self, next_batch: Callable[[], Batch]) -> Call:
        """trainer.fit's step, with its moving average."""
        stage = stages(self._network, RECIPE)[1]
        average = MovingAverage(self._network, RECIPE.ema_decay)
        step = Step(self._loss_of, self._optimizer(), average, imagenet(SIZE_PX), self._device, side_px=SIZE_PX)

        def train() -> Tensor:
            images, labels = next_batch()
            return train_on_batch(stage, step, images, labels, rate=1e-3, clip_norm=RECIPE.clip_norm)

        return train

    def bare_step(self, batch: Batch, *, capturable: bool = False) -> Call:
        """A step without a moving average, always on the same batch."""
        images, labels = batch
        optimizer = self._optimizer(capturable=capturable)

        def train() -> None:
            inputs = imagenet(SIZE_PX).normalise(images).contiguous(memory_format=self._format)
            optimizer.zero_grad(set_to_none=True)
            self._loss_of(inputs, labels).backward()
            nn.utils.clip_grad_norm_(self._network.parameters(), RECIPE.clip_norm)
            optimizer.step()

        return train

    def graph(self, batch: Batch) -> Call:
        """The bare step captured as a CUDA graph."""
        if self._device.type != "cuda":
            raise RuntimeError(f"a CUDA graph needs a CUDA device, found {self._device.type}")
        train = self.bare_step(batch, capturable=True)
        side = torch.cuda.Stream(self._device)
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                train()
        torch.cuda.current_stream(self._device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            train()
        return graph.replay

    def _optimizer(self, *, capturable: bool = False) -> Adam:
        return Adam(parameter_groups(self._network, RECIPE), lr=1e-3, fused=True, capturable=capturable)


def candidates(device: torch.device, samples: Samples, batch_size: int) -> list[Candidate]:
    generator = Generator().manual_seed(0)
    shape = batch_size, 3, SIZE_PX, SIZE_PX
    images = torch.rand(shape, generator=generator).mul(255).to(device)
    batch = images, (images[:, 0] > 128).float()
    new = partial(Training, device)

    def fit(batches_of: Callable[[], Iterator[Batch]]) -> Call:
        return new().fit_step(partial(next, batches_of()))

    ways: dict[str, Callable[[], Call]] = {
        "trainer.fit's step, cache in host memory": lambda: fit(lambda: _from_host(samples, batch_size, device)),
        "the same, cache on the device": lambda: fit(lambda: _on_device(samples, batch_size, device)),
        "bare step, fp32, contiguous": lambda: new(channels_last=False).bare_step(batch),
        "bare step, fp32": lambda: new().bare_step(batch),
        "bare step, bf16": lambda: new(bf16=True).bare_step(batch),
        "bare step, fp32, compiled": lambda: new().compiled().bare_step(batch),
        "bare step, bf16, compiled": lambda: new(bf16=True).compiled().bare_step(batch),
        "bare step, fp32, CUDA graph": lambda: new().graph(batch),
        "bare step, bf16, CUDA graph": lambda: new(bf16=True).graph(batch),
    }
    return [Candidate(f"train: {way}, batch {batch_size}", batch_size, prepare) for way, prepare in ways.items()]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        "python -m trainer.bench.gpu", description="Measure SINet's training steps on one device."
    )
    add_rate_options(parser)
    default_size = RECIPE.batch_size
    parser.add_argument("--batch-size", type=positive, default=default_size, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    cuda = device.type == "cuda"
    machine = machine_name(torch.cuda.get_device_name(device) if cuda else "")
    print(f"SINet training, {SIZE_PX} px, on {machine}")
    with tempfile.TemporaryDirectory() as directory:
        data = made_up_data(Path(directory))
        samples = cached_samples(data.rows, BlobStore(data.root), imagenet(SIZE_PX), data.root / "cache")
        measure_rates(
            candidates(device, samples, options.batch_size),
            seconds=options.minutes * 60,
            synchronise=partial(torch.cuda.synchronize, device) if cuda else bool,  # a CPU's calls end when done
            machine=machine,
            file=options.figures,
        )


def _from_host(samples: Samples, batch_size: int, device: torch.device) -> Iterator[Batch]:
    """Batches as trainer.fit's: from the cache to the device, augmented there."""
    generator = Generator().manual_seed(0)
    augmenter = Augmenter(AUGMENTATIONS[RECIPE.augmentation](), generator, device)
    for _ in cycle([None]):
        for images, labels in batches(samples, batch_size, generator):
            changed, shares = augmenter(images.to(device), labels.to(device), side_px=SIZE_PX)
            yield changed, targets(shares, 1)


def _on_device(samples: Samples, batch_size: int, device: torch.device) -> Iterator[Batch]:
    """The same from a cache that is copied to the device once."""
    generator = Generator().manual_seed(0)
    augmenter = Augmenter(AUGMENTATIONS[RECIPE.augmentation](), generator, device)
    all_images, all_labels = samples.images.to(device), samples.labels.to(device)
    while True:
        rows = torch.randperm(len(all_images), generator=generator)[:batch_size].to(device)
        changed, shares = augmenter(all_images[rows], all_labels[rows], side_px=SIZE_PX)
        yield changed, targets(shares, 1)


if __name__ == "__main__":
    run_command(main)
