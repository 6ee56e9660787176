"""Agreement of two reviewers on repairs: the IoU of their repairs of one mask."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np

from manifests.decisions.decision import Decision, MaskKey
from manifests.files.blobs import BlobStore

LATEST = 200  # repairs of two reviewers that are compared: decoding two masks takes milliseconds

IouOf = Callable[[str, str], float | None]  # two blobs' digests -> IoU of the masks; None when it is unknown


@dataclass(frozen=True, slots=True)
class RepairAgreement:
    """The `n` masks that both reviewers repaired, the LATEST at most: median and least IoU of their two repairs."""

    first: str
    second: str
    n: int
    iou: float
    least_iou: float


def repair_agreements(decisions: Sequence[Decision], iou_of: IouOf) -> list[RepairAgreement]:
    """Agreement of each two reviewers who repaired the same masks, by name.

    `decisions` are last verdicts (`reviewer_quality.verdicts`), those of second looks too. Of a sample with two masks,
    repairs that began with different masks count as well: both aim at the same person.
    """
    by_mask: dict[MaskKey, dict[str, str]] = defaultdict(dict)
    for decision in decisions:
        if decision.is_vote and decision.edited_mask_sha256:
            by_mask[decision.key][decision.reviewer] = decision.edited_mask_sha256
    repairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for by_reviewer in by_mask.values():
        for first, second in combinations(sorted(by_reviewer), 2):
            repairs[first, second].append((by_reviewer[first], by_reviewer[second]))
    agreements = []
    for first, second in sorted(repairs):
        ious = [iou for pair in repairs[first, second][-LATEST:] if (iou := iou_of(*pair)) is not None]
        if ious:
            agreements.append(RepairAgreement(first, second, len(ious), float(np.median(ious)), min(ious)))
    return agreements


@lru_cache(maxsize=64 * LATEST)
def blob_iou(data_root: Path, first: str, second: str) -> float | None:
    """Person IoU of two masks among the blobs; None when one is missing or they differ in size."""
    from manifests.pixels.masks import PERSON_LEVEL, decode_mask  # here: the server starts without OpenCV
    from manifests.pixels.metrics import mask_iou

    blobs = BlobStore(data_root)
    paths = blobs.local_file(first), blobs.local_file(second)
    if paths[0] is None or paths[1] is None:
        return None
    one, other = (decode_mask(path.read_bytes()) >= PERSON_LEVEL for path in paths if path)
    return mask_iou(one, other) if one.shape == other.shape else None
