"""How much masks of a video flicker, and what smoothing takes away of it and costs.

    python docs/experiments/flicker.py --checkpoint starter --manifest manifests/v1.parquet [--photographs 8]

Over each photograph a window of three quarters of its sides pans 300 frames along a slow curve in whole pixels, with a
camera's noise of its own in every frame. As the pan is known, each mask can be laid over the one before: flicker is
their mean absolute difference, in percent of full scale, over the pixels that both frames show. The three metrics are
against the photograph's mask under the window.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.cli.arguments import run_command
from manifests.cli.converters import positive
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels, crop
from manifests.pixels.masks import PERSON_LEVEL, PERSON_PROB, Mask
from manifests.pixels.metrics import MetricsAccumulator
from manifests.pixels.onnx_segmenter import Prob
from manifests.progress import progress
from manifests.samples.pair import read_pair
from manifests.store.manifest import Manifest
from manifests.store.training_rows import require_rows
from trainer.device import pick_device
from trainer.inference.predictors import Predictor, open_predictor
from trainer.predict.video.smoothing import SMOOTHERS
from trainer.weights.checkpoint_files import checkpoint_path

FRAMES = 300
WINDOW_FRACTION = 0.75
NOISE_LEVELS = 4.0  # grey levels, standard deviation: a telephone's camera in a room


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a pan: pixels, true mask, and the window they are seen through."""

    rgb: Pixels
    truth: Mask
    window: Box


def pan(rgb: Pixels, truth: Mask, *, frames: int, rng: np.random.Generator) -> Iterator[Frame]:
    """RGB (H, W, 3), bool (H, W) -> frames whose window goes once around in a figure of eight."""
    height, width = truth.shape
    w, h = round(WINDOW_FRACTION * width), round(WINDOW_FRACTION * height)
    for number in range(frames):
        turn = 2 * np.pi * number / FRAMES
        x = round((width - w) * (0.5 + 0.5 * np.sin(turn)))
        y = round((height - h) * (0.5 + 0.5 * np.sin(2 * turn)))
        window = Box(x, y, w, h)
        noisy = crop(rgb, window) + rng.normal(0, NOISE_LEVELS, (h, w, 3))
        yield Frame(
            np.clip(np.rint(noisy), 0, 255).astype(np.uint8),
            truth[window.y : window.bottom, window.x : window.right],
            window,
        )


def difference(now: Prob, window: Box, before: Prob, window_before: Box) -> float:
    """Mean absolute difference of two masks over the part of the photograph that both windows show."""
    shared = window.clamped(window_before)
    inside, inside_before = (shared.shifted(-box.x, -box.y) for box in (window, window_before))
    shown = now[inside.y : inside.bottom, inside.x : inside.right]
    shown_before = before[inside_before.y : inside_before.bottom, inside_before.x : inside_before.right]
    return float(np.abs(shown - shown_before).mean())


@dataclass(slots=True)
class Arm:
    """One smoothing over all pans: differences between frames, and metrics of every frame."""

    differences: list[float]
    metrics: MetricsAccumulator


def measure(predictor: Predictor, photographs: list[tuple[Pixels, Mask]], *, frames: int) -> dict[str, Arm]:
    """Every smoothing sees the very same frames and the same masks of the network."""
    arms = {name: Arm([], MetricsAccumulator()) for name in SMOOTHERS}
    for number, (rgb, truth) in enumerate(progress(photographs, "panning", total=len(photographs))):
        smoothers = {name: start() for name, start in SMOOTHERS.items()}
        before: dict[str, tuple[Prob, Box]] = {}
        for frame in pan(rgb, truth, frames=frames, rng=np.random.default_rng(number)):
            prob = predictor.person_prob(frame.rgb)
            for name, smoother in smoothers.items():
                shown = smoother(frame.rgb, prob)
                arms[name].metrics.add(shown >= PERSON_PROB, frame.truth)
                if name in before:
                    arms[name].differences.append(difference(shown, frame.window, *before[name]))
                before[name] = shown, frame.window
    return arms


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    predictor = open_predictor(options.checkpoint, pick_device(options.device))
    manifest = Manifest.open(options.manifest, data_root=options.data)
    rows, blobs = require_rows(manifest, "all"), BlobStore(manifest.data_root)
    chosen = [rows[i] for i in np.linspace(0, len(rows) - 1, min(options.photographs, len(rows))).round().astype(int)]
    photographs = [(rgb, mask >= PERSON_LEVEL) for rgb, mask in (read_pair(blobs, row) for row in chosen)]
    arms = measure(predictor, photographs, frames=options.frames)
    print(f"{options.checkpoint.name}, {len(photographs)} photographs, {options.frames} frames each")
    print(f"{'smoothing':<14}{'flicker %':>10}" + "".join(f"{name:>22}" for name in MetricsAccumulator.NAMES))
    for name, arm in arms.items():
        found = arm.metrics.result()
        values = "".join(f"{getattr(found, metric):>22.4f}" for metric in MetricsAccumulator.NAMES)
        print(f"{name:<14}{100 * np.mean(arm.differences):>10.3f}{values}")
    kept = np.mean(arms["exponential"].differences) / np.mean(arms["none"].differences)
    print(f"flicker falls by {1 - kept:.0%}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python docs/experiments/flicker.py", description=__doc__)
    parser.add_argument("--checkpoint", type=checkpoint_path, required=True, metavar="PATH")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="data root (default: the one the manifest records)")
    parser.add_argument("--photographs", type=positive, default=8, help="evenly spaced (default: %(default)s)")
    parser.add_argument("--frames", type=positive, default=FRAMES, help="of each pan (default: %(default)s)")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
