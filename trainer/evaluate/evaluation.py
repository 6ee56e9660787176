"""Three metrics of checkpoints and ONNX files on the accepted rows of a manifest.

A network gets each image at its own input size; its person probability is resized to the mask's size, and pixels of
at least one half are person. Each number has a 95 % bootstrap interval over the images.
"""

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
from torch import nn

from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore
from manifests.pixels.contact_sheet import contact_sheet
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import save_image
from manifests.pixels.masks import PERSON, PERSON_LEVEL, PERSON_PROB, Mask
from manifests.pixels.metrics import Metrics, MetricsAccumulator
from manifests.progress import progress
from manifests.samples.pair import read_pair
from manifests.samples.slices import Slice
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow, SplitOrAll, require_rows
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
from trainer.evaluate.slice_tables import slices_csv, slices_text, with_interval
from trainer.evaluate.slices import read_slices, slice_metrics
from trainer.inference.predictors import Predictor, open_predictor, person_prob, resize_prob
from trainer.weights.checkpoint_files import STARTER, STARTER_PATH

BATCH_SIZE = 16
NAME_CHARACTERS = 43  # of a checkpoint in the table; of a longer one the end
WORST = 40  # images on the sheet of --output
SHEET = "worst.png"
SLICES = "slices.csv"
ROTATION_SEED = 0
CUT_OUT = ""  # person-free pieces of the measured images


def evaluate(model: nn.Module, samples: Samples, preprocessing: Preprocessing, *, device: torch.device) -> Metrics:
    """Metrics of `model`, which is on `device`, over decoded samples: trainer.fit's validation."""
    return accumulate(model, samples, preprocessing, device=device).result()


def accumulate(
    model: nn.Module, samples: Samples, preprocessing: Preprocessing, *, device: torch.device
) -> MetricsAccumulator:
    """As `evaluate`, with per-image figures, in the order of `samples`."""
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
class EvaluationResult:
    """Metrics of one predictor, in total and per source, and its worst images."""

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
) -> EvaluationResult:
    """Predict every row. With a rotation each image and its mask are turned by their own angle within +- that.

    The angles derive from the images' digests: they are the same for every predictor, and those of two rotations
    differ by a factor only.
    """
    result = EvaluationResult()
    for row, rgb, truth in _pictures(rows, blobs):
        if rotation_degrees:
            rgb, truth = rotated(rgb, truth, rotation_degrees * _unit_number(row))
        result.add(row.source, rgb, predictor.person_prob(rgb) >= PERSON_PROB, truth)
    return result


def rotated(rgb: Pixels, mask: Mask, degrees: float) -> tuple[Pixels, Mask]:
    """RGB (H, W, 3), mask (H, W) -> both turned about the centre, the size kept; uncovered is grey and background."""
    height, width = mask.shape
    affine = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    turned = cv2.warpAffine(rgb, affine, (width, height), borderValue=(BORDER_GREY,) * 3)
    turned_mask = cv2.warpAffine(mask.astype(np.uint8), affine, (width, height), flags=cv2.INTER_NEAREST)
    return np.asarray(turned, np.uint8), turned_mask > 0


def evaluate_files(
    checkpoints: Sequence[Path],
    manifest: Manifest,
    split: SplitOrAll,
    device_name: str,
    *,
    rotations: Sequence[float] = (),
    person_free: str | None = None,
    by_slice: bool = False,
    output: Path | None = None,
    as_json: bool = False,
) -> None:
    """Print a table of all checkpoints, one of the slices with `by_slice`, then JSON on request.

    `output` is a directory for sheets of the worst images and SLICES. `person_free` is a folder of images without
    people, CUT_OUT for pieces of the manifest's own, or None for neither.
    """
    device = pick_device(device_name)
    predictors = [
        (STARTER if path == STARTER_PATH else str(path), open_predictor(path, device)) for path in checkpoints
    ]
    rows, blobs = require_rows(manifest, split), BlobStore(manifest.data_root)
    print(f"{manifest.path}, split {split}, {len(rows)} images; [95 % bootstrap intervals]")
    print(f"{'':<44}{'n':>6}" + "".join(f"{name:>26}" for name in MetricsAccumulator.NAMES))
    empty = _person_free(person_free, rows, blobs)
    slices = read_slices(manifest, rows, blobs) if by_slice else []
    totals, worst, accumulators = [], [], []
    for name, predictor in predictors:
        result = measure(predictor, rows, blobs)
        _print_result(name, result)
        for degrees in rotations:
            turned = measure(predictor, rows, blobs, rotation_degrees=degrees)
            _print_row(f"  rotated within +-{degrees:g} degrees", turned.total)
        total = dataclasses.asdict(result.total.result())
        if empty:
            total["false_person_share"] = _print_false_person_share(predictor, empty)
        totals.append(total)
        worst.append(result.worst)
        accumulators.append(result.total)
    if by_slice:
        _print_slices([name for name, _ in predictors], slices, accumulators, output)
    if output:
        for number, images in enumerate(worst, start=1):
            print(_save_sheet(images, output / (SHEET if len(worst) == 1 else f"{number}-{SHEET}")))
    if as_json:
        for total in totals:
            print(json.dumps(total))


def _person_free(choice: str | None, rows: Sequence[AcceptedRow], blobs: BlobStore) -> list[Pixels]:
    """Images without people: none, those in a folder, or pieces of the rows' own."""
    if choice is None:
        return []
    return pieces_without_people(rows, blobs) if choice == CUT_OUT else pictures_without_people(Path(choice))


def _pictures(rows: Sequence[AcceptedRow], blobs: BlobStore) -> Iterator[tuple[AcceptedRow, Pixels, Mask]]:
    for row in progress(rows, "evaluating", total=len(rows)):
        rgb, mask = read_pair(blobs, row)
        yield row, rgb, mask >= PERSON_LEVEL


def _unit_number(row: AcceptedRow) -> float:
    """A number in [-1, 1] from the image's digest."""
    return float(np.random.default_rng([ROTATION_SEED, zlib.crc32(row.image_sha256.encode())]).uniform(-1, 1))


def _print_result(name: str, result: EvaluationResult) -> None:
    """Print the total, and by source where there are several."""
    _print_row(name, result.total)
    if len(result.sources) > 1:
        for source, accumulator in sorted(result.sources.items()):
            _print_row(f"  {source}", accumulator)


def _print_false_person_share(predictor: Predictor, empty: Sequence[Pixels]) -> float:
    shares = false_person_shares(predictor, empty)
    mean = float(shares.mean())
    text = with_interval(mean, mean_interval(shares))
    print(f"{'  without people: false_person_share':<44}{len(empty):>6}{text:>26}", flush=True)
    return mean


def _print_row(name: str, accumulator: MetricsAccumulator) -> None:
    metrics = dataclasses.asdict(accumulator.result())
    intervals = accumulator.intervals()
    text = "".join(f"{with_interval(metrics[name], intervals[name]):>26}" for name in MetricsAccumulator.NAMES)
    shown = name if len(name) <= NAME_CHARACTERS else f"…{name[1 - NAME_CHARACTERS :]}"
    print(f"{shown:<44}{metrics['n']:>6}{text}", flush=True)


def _print_slices(
    names: Sequence[str], slices: Sequence[Slice], totals: Sequence[MetricsAccumulator], output: Path | None
) -> None:
    """Print the metrics of each slice, and write SLICES into `output`, if any."""
    results = slice_metrics(slices, totals)
    print("\n".join(["", *slices_text(names, results)]))
    if output:
        write_replace(output / SLICES, slices_csv(names, results).encode())
        print(output / SLICES)


def _save_sheet(worst: list[tuple[float, int, Pixels, Mask]], path: Path) -> Path:
    """Save the sheet, the worst image first."""
    ordered = sorted(worst, key=lambda entry: -entry[0])
    sheet = contact_sheet(
        [(rgb, predicted.astype(np.uint8) * np.uint8(PERSON)) for _, _, rgb, predicted in ordered],
        captions=[f"person IoU {-negative:.3f}" for negative, *_ in ordered],
    )
    save_image(sheet, path)
    return path
