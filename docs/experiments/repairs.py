"""`python docs/experiments/repairs.py --images DIR --masks DIR`: how far and how fast smart strokes mend bad masks.

Labels the images by GrabCut, takes its `--count` worst masks (person IoU with the ground truth above `--least-iou`:
below it nobody repairs) and mends each by scripted strokes, as a reviewer would: at the largest wrong region, along its
middle, with a brush of half its width; then keeps the largest piece and fills holes. Printed: IoU before and after,
strokes, and seconds of computing for each stroke.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from skimage.morphology import skeletonize

from manifests.cli.arguments import run_command
from manifests.cli.converters import positive, share
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image
from manifests.pixels.masks import PERSON_LEVEL, Mask, decode_mask, mask_from_prob
from manifests.pixels.metrics import mask_iou
from manifests.progress import progress
from pipeline.faces.mtcnn import default_detector
from pipeline.teachers import Portrait, load_teacher
from review_ui.repair.clean_up import fill_holes, keep_largest_piece
from review_ui.repair.smart_stroke import apply_smart_stroke
from review_ui.repair.stroke import Stroke

MOST_STROKES = 8
SETTLED = 0.001  # share of the picture: a wrong region smaller than this is left
STROKE_POINTS = 24


@dataclass(frozen=True, slots=True)
class Repaired:
    """One mask: IoU with the truth before and after, and the seconds that each stroke took."""

    before: float
    after: float
    seconds: list[float]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--masks", type=Path, required=True, metavar="DIR", help="ground truth of the same stems, PNG")
    parser.add_argument("--pattern", default="*", help="of the images' names (default: all)")
    parser.add_argument("--count", type=positive, default=30, help="masks to mend (default: 30)")
    parser.add_argument("--least-iou", type=share, default=0.6, help="of a mask worth mending (default: 0.6)")
    options = parser.parse_args(arguments)
    bad = _worst(sorted(options.images.glob(options.pattern)), options.masks, options.count, options.least_iou)
    repairs = [_repair(rgb, mask, truth) for rgb, mask, truth in progress(bad, "mending")]
    _report(repairs)


def _worst(paths: Sequence[Path], masks: Path, count: int, least_iou: float) -> list[tuple[Pixels, Pixels, Mask]]:
    """The images with GrabCut's worst masks and the truth, the worst first."""
    teacher, detector = load_teacher("grabcut"), default_detector()
    found = []
    for path in progress(paths, "labelling"):
        rgb = decode_image(path.read_bytes())
        truth = decode_mask((masks / f"{path.stem}.png").read_bytes()) >= PERSON_LEVEL
        faces = detector.detect(rgb)
        if faces:
            mask = mask_from_prob(teacher.predict([Portrait(rgb, faces)])[0].prob)
            found.append((mask_iou(mask >= PERSON_LEVEL, truth), rgb, mask, truth))
    found.sort(key=lambda entry: entry[0])
    return [(rgb, mask, truth) for iou, rgb, mask, truth in found if iou >= least_iou][:count]


def _repair(rgb: Pixels, mask: Pixels, truth: Mask) -> Repaired:
    before = mask_iou(mask >= PERSON_LEVEL, truth)
    seconds: list[float] = []
    for _ in range(MOST_STROKES):
        chosen = _largest_fault(mask, truth)
        if chosen is None:
            break
        stroke, is_person = chosen
        begun = time.perf_counter()
        mended = apply_smart_stroke(rgb, mask, stroke, is_person=is_person)
        seconds.append(time.perf_counter() - begun)
        if mask_iou(mended >= PERSON_LEVEL, truth) > mask_iou(mask >= PERSON_LEVEL, truth):  # else it is undone
            mask = mended
    cleaned = fill_holes(keep_largest_piece(mask))
    if mask_iou(cleaned >= PERSON_LEVEL, truth) > mask_iou(mask >= PERSON_LEVEL, truth):
        mask = cleaned
    return Repaired(before, mask_iou(mask >= PERSON_LEVEL, truth), seconds)


def _largest_fault(mask: Pixels, truth: Mask) -> tuple[Stroke, bool] | None:
    """A stroke along the middle of the largest wrong region, and whether person is missing there; None without one."""
    person = mask >= PERSON_LEVEL
    best: tuple[int, Mask, bool] = (0, truth, True)
    for wrong, is_person in ((truth & ~person, True), (person & ~truth, False)):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8), connectivity=8)
        if count > 1:
            label = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            area = int(stats[label, cv2.CC_STAT_AREA])
            if area > best[0]:
                best = (area, labels == label, is_person)
    area, region, is_person = best
    if area < SETTLED * mask.size:
        return None
    distance = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    ys, xs = np.nonzero(skeletonize(region))
    along = np.argsort(ys if np.ptp(ys) >= np.ptp(xs) else xs)
    chosen = along[np.linspace(0, len(along) - 1, min(STROKE_POINTS, len(along))).astype(int)]
    points = [(float(xs[k]), float(ys[k])) for k in chosen]
    return Stroke(points, max(1.5, float(np.median(distance[ys, xs])) / 2)), is_person


def _report(repairs: Sequence[Repaired]) -> None:
    before, after = (np.array([getattr(each, name) for each in repairs]) for name in ("before", "after"))
    seconds = np.concatenate([each.seconds for each in repairs])
    strokes = np.array([len(each.seconds) for each in repairs])
    print("mask  IoU before  after  strokes")
    for number, each in enumerate(repairs):
        print(f"{number:4}  {each.before:10.3f}  {each.after:5.3f}  {len(each.seconds):7}")
    print(
        f"median IoU {np.median(before):.3f} -> {np.median(after):.3f}; worst {before.min():.3f} -> {after.min():.3f}"
    )
    print(f"strokes: median {np.median(strokes):.0f}, most {strokes.max()}")
    print(f"seconds a stroke: median {np.median(seconds):.3f}, p95 {np.quantile(seconds, 0.95):.3f}")


if __name__ == "__main__":
    run_command(main)
