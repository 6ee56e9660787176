"""How well people are found in long images, with and without tiles.

    python docs/experiments/long_images.py --checkpoint starter --manifest FULLBODY --portraits PORTRAITS --rooms DIR

People whose IoU by themselves is at least 0.9 are put side by side, one above the other, and between two empty rooms;
people who stand are cropped to their mask; portraits are cropped to a strip from the top of the mask. Each line of the
table is the mean IoU of every person, and in brackets the lowest.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from manifests.cli.arguments import run_command
from manifests.cli.converters import positive
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels, crop
from manifests.pixels.images import decode_image
from manifests.pixels.masks import PERSON_LEVEL, PERSON_PROB, Mask
from manifests.pixels.metrics import mask_iou
from manifests.progress import progress
from manifests.samples.pair import read_pair
from manifests.store.manifest import Manifest
from manifests.store.training_rows import require_rows
from trainer.device import pick_device
from trainer.inference.predictors import open_predictor
from trainer.predict.localize.localizers import MaskLocalizer
from trainer.predict.localize.roi import predict_in_rois
from trainer.predict.localize.tiles import MAX_ASPECT
from trainer.predict.person_predictor import PersonPredictor
from trainer.predict.postprocess import Postprocess
from trainer.weights.checkpoint_files import checkpoint_path

PERSON_PX = (212, 320)  # width and height of each person's photograph in a row
FOUND_ALONE = 0.9  # IoU: others say nothing about the row
STRIP_ASPECTS = 2.4, 3.2
SIDE_BY_SIDE, STACKED = (2, 3, 6, 12, 18), (2, 3, 6, 12)


@dataclass(frozen=True, slots=True)
class Scene:
    """A long image, and each person's part of it with the true mask."""

    rgb: Pixels
    people: list[tuple[Box, Mask]]


Photograph = tuple[Pixels, Mask]


def photographs(manifest: Manifest) -> Iterator[Photograph]:
    """RGB (H, W, 3) and bool (H, W) of every accepted row, in the order of the ids."""
    blobs = BlobStore(manifest.data_root)
    for row in require_rows(manifest, "all"):
        rgb, mask = read_pair(blobs, row)
        yield rgb, mask >= PERSON_LEVEL


def row_of(people: Sequence[Photograph], *, upright: bool = False) -> Scene:
    """People of one size, side by side or one above the other."""
    width, height = PERSON_PX
    boxes = [
        Box(0, i * height, width, height) if upright else Box(i * width, 0, width, height) for i in range(len(people))
    ]
    rgb = np.concatenate([rgb for rgb, _ in people], axis=0 if upright else 1)
    return Scene(rgb, [(box, mask) for box, (_, mask) in zip(boxes, people, strict=True)])


def between(person: Photograph, left: Pixels, right: Pixels) -> Scene:
    """One person between two empty rooms of the person's height."""
    rgb, mask = person
    rooms = [
        cv2.resize(room, (round(room.shape[1] * rgb.shape[0] / room.shape[0]), rgb.shape[0])) for room in (left, right)
    ]
    whole = np.concatenate([rooms[0], rgb, rooms[1]], axis=1)
    return Scene(whole, [(Box(rooms[0].shape[1], 0, mask.shape[1], mask.shape[0]), mask)])


def cropped(photograph: Photograph, box: Box) -> Scene:
    """A part of a photograph as an image."""
    rgb, mask = photograph
    part = mask[box.y : box.bottom, box.x : box.right]
    return Scene(crop(rgb, box), [(Box(0, 0, box.w, box.h), part)])


def standing(photograph: Photograph) -> Scene | None:
    """A photograph cropped to the person; None where that isn't long."""
    columns, rows = (np.flatnonzero(photograph[1].any(axis=axis)) for axis in (0, 1))
    box = Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    return cropped(photograph, box) if box.h > MAX_ASPECT * box.w else None


def strip(photograph: Photograph, aspect: float) -> Scene:
    """A portrait's strip of this aspect, from the top of the mask."""
    height, width = photograph[1].shape
    top = int(np.flatnonzero(photograph[1].any(axis=1))[0])
    tall = round(width / aspect)
    return cropped(photograph, Box(0, min(top, height - tall), width, tall))


def found_alone(manifest: Manifest, predictor: PersonPredictor, count: int) -> list[Photograph]:
    """The first people, of PERSON_PX, whose mask alone has an IoU of FOUND_ALONE."""
    people = []
    for rgb, mask in photographs(manifest):
        small = np.asarray(cv2.resize(rgb, PERSON_PX, interpolation=cv2.INTER_AREA), np.uint8)
        truth = cv2.resize(mask.astype(np.uint8), PERSON_PX, interpolation=cv2.INTER_NEAREST) > 0
        if mask_iou(predictor.person_prob(small) >= PERSON_PROB, truth) >= FOUND_ALONE:
            people.append((small, truth))
        if len(people) == count:
            break
    return people


def without_tiles(predictor: PersonPredictor, rgb: Pixels) -> Mask:
    """The mask of the whole image and the localizer's boxes alone."""
    whole = np.clip(predictor.predictor.person_prob(rgb), 0, 1)
    prob = np.clip(predict_in_rois(predictor.predictor, rgb, predictor.localizer(rgb, whole), whole), 0, 1)
    return predictor.postprocess(prob, rgb) >= PERSON_PROB


def report(name: str, scenes: Sequence[Scene], predictor: PersonPredictor) -> None:
    """Print a line of the table."""
    aspects = [max(scene.rgb.shape[:2]) / min(scene.rgb.shape[:2]) for scene in scenes]
    cells = []
    ways: tuple[Callable[[Pixels], Mask], ...] = (
        lambda rgb: without_tiles(predictor, rgb),
        lambda rgb: predictor.person_prob(rgb) >= PERSON_PROB,
    )
    for way in ways:
        ious = []
        for scene in progress(scenes, name, total=len(scenes)):
            mask = way(scene.rgb)
            ious += [mask_iou(mask[box.y : box.bottom, box.x : box.right], truth) for box, truth in scene.people]
        cells.append(f"{np.mean(ious):.3f} ({min(ious):.3f})")
    low, high = f"{min(aspects):.1f}", f"{max(aspects):.1f}"
    print(f"| {name} | {low if low == high else f'{low} to {high}'} | {' | '.join(cells)} |", flush=True)


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    network = open_predictor(options.checkpoint, pick_device(options.device))
    predictor = PersonPredictor(network, MaskLocalizer(), Postprocess(refine="guided"))
    manifest = Manifest.open(options.manifest)
    people = found_alone(manifest, predictor, options.people)
    print(
        f"{len(people)} people; weights {network.digest[:12]}\n"
        "| people | aspect | without tiles | with tiles |\n|---|---|---|---|"
    )
    for counts, upright in ((SIDE_BY_SIDE, False), (STACKED, True)):
        for count in counts:
            groups = [people[i : i + count] for i in range(0, len(people) - count + 1, count)]
            name = f"{count} {'one above the other' if upright else 'side by side'}"
            report(name, [row_of(group, upright=upright) for group in groups], predictor)
    if options.rooms:
        rooms = [decode_image(path.read_bytes()) for path in sorted(options.rooms.glob("*.jpg"))[: 2 * options.crops]]
        scenes = [between(*each) for each in zip(people, rooms[::2], rooms[1::2], strict=False)]
        report("1 between two empty rooms", scenes, predictor)
    long = filter(None, map(standing, photographs(manifest)))
    report("1 standing, cropped to the person", list(islice(long, options.crops)), predictor)
    if options.portraits:
        portraits = list(islice(photographs(Manifest.open(options.portraits)), options.crops))
        for aspect in STRIP_ASPECTS:
            report("1 close up", [strip(portrait, aspect) for portrait in portraits], predictor)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python docs/experiments/long_images.py", description=__doc__)
    parser.add_argument("--checkpoint", type=checkpoint_path, required=True, metavar="PATH")
    parser.add_argument("--manifest", type=Path, required=True, help="full-body photographs")
    parser.add_argument("--portraits", type=Path, help="portraits, for the close-ups")
    parser.add_argument("--rooms", type=Path, metavar="DIR", help="images without people")
    parser.add_argument("--people", type=positive, default=36, help="in the rows (default: %(default)s)")
    parser.add_argument("--crops", type=positive, default=20, help="images of each other kind (default: %(default)s)")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
