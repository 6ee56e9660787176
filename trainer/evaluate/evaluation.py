"""`python -m trainer.evaluate`: three metrics of checkpoints and ONNX files on the accepted rows of a manifest.

The network sees the picture as it wants it; its person probability is resized to the mask's own size, and pixels
of at least one half are person. Each number comes with a 95 % bootstrap interval over the pictures.
"""

import argparse
import dataclasses
import heapq
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import nn

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.files.storage import place
from manifests.pixels.contact_sheet import contact_sheet
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image
from manifests.pixels.masks import PERSON, PERSON_LEVEL, PERSON_PROB, Mask, decode_mask
from manifests.pixels.metrics import Interval, Metrics, MetricsAccumulator
from manifests.progress import progress
from manifests.store.manifest import Manifest
from manifests.store.training_rows import SPLITS, AcceptedRow, require_rows
from trainer.data.augmentation import BORDER_GREY
from trainer.data.preprocessing import Preprocessing
from trainer.data.samples import Samples
from trainer.device import pick_device
from trainer.evaluate.negatives import (
    false_person_shares,
    mean_interval,
    pictures_without_people,
    pieces_without_people,
)
from trainer.inference.predictors import Predictor, open_predictor, person_prob, resize_prob
from trainer.weights.checkpoint import STARTER, checkpoint_path

BATCH_SIZE = 16
WORST = 40  # pictures on the sheet of --output
SHEET = "worst.png"
ROTATION_SEED = 0
CUT_OUT = ""  # --person-free without a folder


def evaluate(model: nn.Module, samples: Samples, preprocessing: Preprocessing, *, device: torch.device) -> Metrics:
    """Metrics of `model`, which is on `device`, over decoded samples: what trainer.fit looks at between epochs."""
    return accumulate(model, samples, preprocessing, device=device).result()


def accumulate(
    model: nn.Module, samples: Samples, preprocessing: Preprocessing, *, device: torch.device
) -> MetricsAccumulator:
    """As `evaluate`, with the figures of each picture, in the order of `samples`."""
    accumulator = MetricsAccumulator()
    model.eval()
    for start in range(0, len(samples), BATCH_SIZE):
        images = samples.images[start : start + BATCH_SIZE].to(device)
        true_masks = samples.true_masks[start : start + BATCH_SIZE]
        for prob, true_mask in zip(person_prob(model, images, preprocessing), true_masks, strict=True):
            resized = resize_prob(prob, true_mask.height, true_mask.width)
            accumulator.add((resized >= PERSON_PROB).cpu().numpy(), true_mask.unpack())
    return accumulator


@dataclass(slots=True)
class Outcome:
    """What one predictor reached, in all and per source, and its worst pictures."""

    total: MetricsAccumulator = field(default_factory=MetricsAccumulator)
    sources: dict[str, MetricsAccumulator] = field(default_factory=dict)
    worst: list[tuple[float, int, Pixels, Mask]] = field(default_factory=list)  # a heap: the least bad one first

    def add(self, source: str, rgb: Pixels, predicted: Mask, truth: Mask) -> None:
        for accumulator in (self.total, self.sources.setdefault(source, MetricsAccumulator())):
            accumulator.add(predicted, truth)
        entry = (-self.total.person_ious[-1], len(self.total.person_ious), rgb, predicted)
        if len(self.worst) < WORST:
            heapq.heappush(self.worst, entry)
        else:
            heapq.heappushpop(self.worst, entry)


def measure(
    predictor: Predictor, rows: Sequence[AcceptedRow], blobs: BlobStore, *, rotation_degrees: float = 0.0
) -> Outcome:
    """Predict every row. With a rotation each picture and its mask are turned by an angle in +- that, its own.

    The angles follow from the pictures' digests: they are the same for every predictor, and those of two rotations
    differ by a factor only.
    """
    outcome = Outcome()
    for row, rgb, truth in _pictures(rows, blobs):
        if rotation_degrees:
            rgb, truth = rotated(rgb, truth, rotation_degrees * _unit_number(row))
        outcome.add(row.source, rgb, predictor.person_prob(rgb) >= PERSON_PROB, truth)
    return outcome


def rotated(rgb: Pixels, mask: Mask, degrees: float) -> tuple[Pixels, Mask]:
    """RGB (H, W, 3), mask (H, W) -> both turned about the centre, the size kept; uncovered is grey and background."""
    height, width = mask.shape
    affine = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    turned = cv2.warpAffine(rgb, affine, (width, height), borderValue=(BORDER_GREY,) * 3)
    turned_mask = cv2.warpAffine(mask.astype(np.uint8), affine, (width, height), flags=cv2.INTER_NEAREST)
    return np.asarray(turned, np.uint8), turned_mask > 0


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    device = pick_device(options.device)
    predictors = [(str(path), open_predictor(path, device)) for path in options.checkpoint]
    manifest = Manifest.open(options.manifest, data_root=options.data)
    rows, blobs = require_rows(manifest, options.split), BlobStore(manifest.data_root)
    print(f"{manifest.path}, split {options.split}, {len(rows)} images; [95 % bootstrap intervals]")
    print(f"{'':<44}{'n':>6}" + "".join(f"{name:>26}" for name in MetricsAccumulator.NAMES))
    empty = _person_free(options.person_free, rows, blobs)
    totals, sheets = [], []
    for name, predictor in predictors:
        outcome = measure(predictor, rows, blobs)
        _print_row(name, outcome.total)
        if len(outcome.sources) > 1:
            for source, accumulator in sorted(outcome.sources.items()):
                _print_row(f"  {source}", accumulator)
        for degrees in options.rotations:
            _print_row(
                f"  rotated within +-{degrees:g} degrees",
                measure(predictor, rows, blobs, rotation_degrees=degrees).total,
            )
        total = dataclasses.asdict(outcome.total.result())
        if empty:
            shares = false_person_shares(predictor, empty)
            total["false_person_share"] = float(shares.mean())
            shown = _with_interval(total["false_person_share"], mean_interval(shares))
            print(f"{'  where nobody is: false_person_share':<44}{len(empty):>6}{shown:>26}", flush=True)
        totals.append(total)
        sheets.append(outcome.worst)
    if options.output:
        for number, worst in enumerate(sheets, start=1):
            print(_save_sheet(worst, options.output / (SHEET if len(sheets) == 1 else f"{number}-{SHEET}")))
    if options.json:
        for metrics in totals:
            print(json.dumps(metrics))


def _person_free(wanted: str | None, rows: Sequence[AcceptedRow], blobs: BlobStore) -> list[Pixels]:
    """Pictures without people: none wanted, those in a folder, or cut out of the rows' own."""
    if wanted is None:
        return []
    return pieces_without_people(rows, blobs) if wanted == CUT_OUT else pictures_without_people(Path(wanted))


def _pictures(rows: Sequence[AcceptedRow], blobs: BlobStore) -> Iterator[tuple[AcceptedRow, Pixels, Mask]]:
    for row in progress(rows, "evaluating", total=len(rows)):
        rgb = decode_image(blobs.read(row.image, row.image_sha256))
        mask = decode_mask(blobs.read(row.mask, row.mask_sha256))
        if rgb.shape[:2] != mask.shape:
            raise UserError(f"expected a mask of the size of {row.image}, found another size in {row.mask}")
        yield row, rgb, mask >= PERSON_LEVEL


def _unit_number(row: AcceptedRow) -> float:
    """In [-1, 1], from the picture's digest."""
    return float(np.random.default_rng([ROTATION_SEED, zlib.crc32(row.image_sha256.encode())]).uniform(-1, 1))


def _print_row(name: str, accumulator: MetricsAccumulator) -> None:
    metrics = dataclasses.asdict(accumulator.result())
    intervals = accumulator.intervals()
    shown = "".join(f"{_with_interval(metrics[name], intervals[name]):>26}" for name in MetricsAccumulator.NAMES)
    print(f"{name[-43:]:<44}{metrics['n']:>6}{shown}", flush=True)


def _with_interval(value: float, interval: Interval) -> str:
    return f"{value:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"


def _save_sheet(worst: list[tuple[float, int, Pixels, Mask]], path: Path) -> Path:
    """The worst first."""
    ordered = sorted(worst, key=lambda entry: -entry[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(
        [(rgb, predicted.astype(np.uint8) * np.uint8(PERSON)) for _, _, rgb, predicted in ordered],
        captions=[f"person IoU {-negative:.3f}" for negative, *_ in ordered],
    )
    Image.fromarray(sheet).save(path)
    return path


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m trainer.evaluate",
        description="Measure checkpoints on the accepted rows of a manifest, at each mask's own size.",
    )
    parser.add_argument(
        "--checkpoint",
        type=checkpoint_path,
        metavar="PATH",
        required=True,
        nargs="+",
        help="a .safetensors file, a run's directory, an .onnx file with a .json beside it, or "
        f"{STARTER}; several make a table",
    )
    parser.add_argument("--manifest", type=place, required=True, help="manifests/v<N>.parquet, or URL")
    parser.add_argument("--split", choices=SPLITS, default="val", help="which rows (default: %(default)s)")
    parser.add_argument("--rotations", type=float, nargs="+", default=[], metavar="DEGREES", help="as 25 45 75 90")
    parser.add_argument(
        "--person-free", nargs="?", const=CUT_OUT, metavar="DIR",
        help="false_person_share, too: the share of pixels called person in pictures without people, those in DIR or "
        "(default) pieces of the measured ones that show nobody",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, help=f"directory for a sheet of the worst {WORST} pictures")
    parser.add_argument("--data", type=place, help="data root (default: the one the manifest records)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per checkpoint, last")
    return parser.parse_args(arguments)
