"""Latency and training rate of several networks on the CPU, all in turn, so that other load affects them all alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import Adam

from manifests.pixels.onnx_segmenter import OnnxSegmenter
from trainer.bench.timing import Candidate, interleaved_medians
from trainer.data.preprocessing import imagenet
from trainer.fit.losses import EVEN
from trainer.fit.objective import objective
from trainer.fit.recipe import default, parameter_groups
from trainer.fit.steps import Step, stages, train_on_batch
from trainer.models import create_model

THREADS = (1, 2)
TRAINING_BATCH = 8


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians. `eager_ms` is of PyTorch, by number of threads; ONNX Runtime has one thread."""

    eager_ms: dict[int, float]
    onnxruntime_ms: float
    training_images_per_second: float


def speeds(
    networks: Mapping[str, nn.Module], exports: Mapping[str, Path], *, side_px: int, seconds: float, threads: int
) -> dict[str, Speed]:
    """Time every network on one image, and on training steps with `threads` threads, half of `seconds` each."""
    latencies = interleaved_medians(_inference(networks, exports, side_px), seconds=seconds / 2)
    torch.set_num_threads(threads)
    steps = interleaved_medians({name: _training(name, side_px) for name in networks}, seconds=seconds / 2)
    return {
        name: Speed(
            {count: 1000 * latencies[_eager(name, count)] for count in THREADS},
            1000 * latencies[_onnxruntime(name)],
            TRAINING_BATCH / steps[name],
        )
        for name in networks
    }


def _inference(networks: Mapping[str, nn.Module], exports: Mapping[str, Path], side_px: int) -> dict[str, Candidate]:
    """One run of each network with each number of threads, then of each export on one thread."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, side_px, side_px), np.uint8)
    image = imagenet(side_px).normalise(torch.from_numpy(pixels).float())
    candidates: dict[str, Candidate] = {}
    for count in THREADS:
        candidates[f"switch to {count}"] = _switch(count)
        for name, network in networks.items():
            candidates[_eager(name, count)] = _eager_run(network, image)
    for name, path in exports.items():
        candidates[_onnxruntime(name)] = _onnxruntime_run(path, pixels)
    return candidates


def _eager(name: str, threads: int) -> str:
    return f"{name}, eager, {threads}"


def _onnxruntime(name: str) -> str:
    return f"{name}, ONNX Runtime"


def _switch(threads: int) -> Candidate:
    """Set torch's number of threads, and start them outside the time of the networks that follow."""
    image, convolution = torch.zeros(1, 16, 64, 64), nn.Conv2d(16, 16, 3)

    def switch() -> None:
        torch.set_num_threads(threads)
        convolution(image)

    return torch.inference_mode()(switch)


def _eager_run(network: nn.Module, image: torch.Tensor) -> Candidate:
    return torch.inference_mode()(lambda: network(image))


def _onnxruntime_run(path: Path, pixels: np.ndarray) -> Candidate:
    segmenter = OnnxSegmenter(path, threads=1)
    return lambda: segmenter.run(pixels)


def _training(name: str, side_px: int) -> Candidate:
    """One step of the default recipe on a batch in memory, eager, without augmentation and moving average."""
    generator = torch.manual_seed(0)
    network, recipe = create_model(name).to(memory_format=torch.channels_last).train(), default()
    images = torch.rand(TRAINING_BATCH, 3, side_px, side_px, generator=generator) * 255
    labels = (images[:, 0] > 128).float()
    preprocessing = imagenet(side_px)
    loss_of = objective(network, recipe, weights=EVEN, kernel_px=recipe.boundary_px, preprocessing=preprocessing)
    optimizer = Adam(parameter_groups(network, recipe), lr=recipe.learning_rate)
    step = Step(loss_of, optimizer, None, preprocessing, torch.device("cpu"))
    stage = stages(network, recipe)[1]

    def train() -> None:
        train_on_batch(stage, step, images, labels, rate=recipe.learning_rate, clip_norm=recipe.clip_norm)

    return train
