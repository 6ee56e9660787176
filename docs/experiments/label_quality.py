"""Does a label-quality score find wrong masks? Plants some in a set of good ones and says where they rank.

    python docs/experiments/label_quality.py --images 'DIR/valid_*.jpg' --masks DIR --checkpoint PATH [--seeds 20]

5 % of the masks are made wrong, each in one of four ways: moved, grown, another picture's, inverted. Every score of
trainer.suspects then ranks all masks. Printed: which share of the wrong ones lies among the worst 5 % and 10 % of all
(recall), which share of these is wrong (precision), as means over the seeds with the range of single draws, and the
recall of each kind. The checkpoint must not have been fitted on these pictures.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from manifests.cli.arguments import run_command
from manifests.cli.converters import positive
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import list_pictures
from manifests.pixels.images import decode_image
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import PERSON_LEVEL, Mask
from manifests.pixels.onnx_segmenter import Prob
from manifests.progress import progress
from trainer.device import pick_device
from trainer.inference.predictors import open_predictor
from trainer.suspects.label_quality import SCORES
from trainer.weights.checkpoint_files import checkpoint_path

PLANTED = 0.05
WORST = (0.05, 0.10)
MOVED = (0.04, 0.12)  # of the shorter side
GROWN = (0.03, 0.07)  # likewise

Damage = Callable[[Mask, Mask, np.random.Generator], Mask]


def moved(mask: Mask, _other: Mask, generator: np.random.Generator) -> Mask:
    """By 4 to 12 % of the shorter side, in any direction."""
    angle = generator.uniform(0, 2 * np.pi)
    length = generator.uniform(*MOVED) * min(mask.shape)
    matrix = np.array([[1, 0, length * np.cos(angle)], [0, 1, length * np.sin(angle)]])
    return _warped(mask, matrix)


def grown(mask: Mask, _other: Mask, generator: np.random.Generator) -> Mask:
    """All around, by 3 to 7 % of the shorter side."""
    radius = max(1, round(generator.uniform(*GROWN) * min(mask.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def anothers(mask: Mask, other: Mask, _generator: np.random.Generator) -> Mask:
    """The mask of another picture, at this one's size."""
    return cv2.resize(other.astype(np.uint8), mask.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def inverted(mask: Mask, _other: Mask, _generator: np.random.Generator) -> Mask:
    return ~mask


DAMAGES: dict[str, Damage] = {"moved": moved, "grown": grown, "another's": anothers, "inverted": inverted}


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    probs, masks = _opinions(options)
    good = {name: [score(*pair) for pair in zip(probs, masks, strict=True)] for name, score in SCORES.items()}
    count = round(PLANTED * len(masks))
    print(f"{len(masks)} masks, {count} of them made wrong, {options.seeds} draws; {options.checkpoint}")
    draws = [_draw(probs, masks, good, count, seed) for seed in progress(range(options.seeds), "drawing")]
    ranks = pd.concat(draws, ignore_index=True)
    for worst in WORST:
        print(f"\namong the worst {worst:.0%}, {round(worst * len(masks))} masks")
        print(_table(ranks, round(worst * len(masks)), count))


def _draw(
    probs: Sequence[Prob], masks: Sequence[Mask], good: dict[str, list[float]], count: int, seed: int
) -> pd.DataFrame:
    """Where the planted masks of one draw rank, 0 for the worst: a line for each, a column for each score."""
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(masks))[:count]
    kinds = [list(DAMAGES)[at % len(DAMAGES)] for at in generator.permutation(count)]
    wrong = [
        DAMAGES[kind](masks[at], masks[(at + generator.integers(1, len(masks))) % len(masks)], generator)
        for at, kind in zip(chosen, kinds, strict=True)
    ]
    lines = pd.DataFrame({"seed": seed, "kind": kinds})
    for name, score in SCORES.items():
        values = np.array(good[name])
        values[chosen] = [score(probs[at], mask) for at, mask in zip(chosen, wrong, strict=True)]
        lines[name] = np.argsort(np.argsort(values, kind="stable"))[chosen]
    return lines


def _table(ranks: pd.DataFrame, looked_at: int, planted: int) -> str:
    lines = {}
    for name in SCORES:
        found = ranks[name] < looked_at
        by_draw = found.groupby(ranks["seed"]).sum()
        lowest, mean, highest = (value / planted for value in (by_draw.min(), by_draw.mean(), by_draw.max()))
        lines[name] = {
            "recall": f"{mean:.2f} ({lowest:.2f} to {highest:.2f})",
            "precision": f"{by_draw.mean() / looked_at:.2f}",
        } | {kind: f"{share:.2f}" for kind, share in found.groupby(ranks["kind"]).mean().items()}
    return str(pd.DataFrame(lines).T.to_string())


def _opinions(options: argparse.Namespace) -> tuple[list[Prob], list[Mask]]:
    predictor = open_predictor(options.checkpoint, pick_device("cpu"))
    probs, masks = [], []
    for path in progress(list_pictures(options.images), "predicting"):
        rgb: Pixels = decode_image(path.read_bytes())
        probs.append(predictor.person_prob(rgb))
        masks.append(read_mask_values(options.masks / f"{path.stem}.png") >= PERSON_LEVEL)
    return probs, masks


def _warped(mask: Mask, matrix: np.ndarray) -> Mask:
    size = mask.shape[::-1]
    return cv2.warpAffine(
        mask.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    ).astype(bool)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Plant wrong masks and see whether label-quality scores find them.")
    parser.add_argument("--images", type=Path, required=True, help="a directory or a glob")
    parser.add_argument("--masks", type=Path, required=True, help="directory of PNGs of the same stems, 0 and 255")
    parser.add_argument("--checkpoint", type=checkpoint_path, required=True, help="not fitted on these pictures")
    parser.add_argument("--seeds", type=positive, default=20, help="draws (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
