"""Makes gold samples of a version's ground_truth rows: half good masks, half damaged copies."""

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc

from manifests.decisions.log import DecisionLog
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import PERSON_LEVEL, encode_mask
from manifests.samples.pair import read_mask
from manifests.store.manifest import Manifest
from review_ui.quality.gold import GoldSample, add_gold, stored_gold
from review_ui.quality.mask_corruption import DAMAGES, damaged_copy, softened

DAMAGED_FRACTION = 0.5  # false accepts matter most, and wrong masks keep reviewers attentive

_COLUMNS = ("sample_id", "source", "group_id", "image_sha256", "mask", "mask_sha256", "width", "height", "origin")
_Row = dict[str, Any]


def prepare_gold(
    manifest: Manifest,
    blobs: BlobStore,
    log: DecisionLog,
    *,
    count: int,
    seed: int,
    damaged_fraction: float = DAMAGED_FRACTION,
) -> int:
    """Add gold samples until the queue has `count`, fewer when there are fewer usable ground_truth rows.

    Returns how many were added. Several servers may do this at once: from the same rows and seed they make the same
    masks, and the first to commit wins. Rows are skipped whose image or mask can't be read, or whose mask leaves no
    room for damage. Raises DatabaseAway.
    """
    with log.reading() as connection:
        stored = stored_gold(connection)
    if len(stored) >= count:
        return 0
    made = _make(manifest, blobs, stored, count=count, seed=seed, damaged_fraction=damaged_fraction)
    with log.writing() as connection:
        stored = stored_gold(connection)  # another server may have been faster
        stored_ids = {sample.sample_id for sample in stored}
        added = [sample for sample in made if sample.sample_id not in stored_ids][: max(0, count - len(stored))]
        add_gold(connection, added)
    return len(added)


def _make(
    manifest: Manifest,
    blobs: BlobStore,
    stored: Sequence[GoldSample],
    *,
    count: int,
    seed: int,
    damaged_fraction: float,
) -> list[GoldSample]:
    """Make the missing gold samples and store their masks."""
    wanted = count - len(stored)
    damaged = round(count * damaged_fraction) - sum(sample.right_verdict == "reject" for sample in stored)
    order = np.random.default_rng([seed, len(stored)]).permutation(wanted)
    verdicts: list[Literal["accept", "reject"]] = ["reject" if place < damaged else "accept" for place in order]
    made: list[GoldSample] = []
    for row in _candidates(manifest, {sample.sample_id for sample in stored}, seed):
        if len(made) == wanted:
            break
        sample = _gold_sample(row, blobs, verdicts[len(made)], seed, turn=len(stored) + len(made))
        if sample:
            made.append(sample)
    return made


def _candidates(manifest: Manifest, used: set[str], seed: int) -> Iterator[_Row]:
    """ground_truth rows, the sources in turn, in an order that depends on the seed only.

    One row of each group of near-duplicates, so that no one can compare two masks of one photograph.
    """
    table = manifest.read(_COLUMNS)
    rows = table.filter(pc.equal(table["origin"], "ground_truth")).to_pylist()
    groups = {row["group_id"] for row in rows if row["sample_id"] in used} - {None}
    by_source: dict[str, list[_Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: _number(seed, row["sample_id"])):
        if row["sample_id"] not in used and row["group_id"] not in groups:
            by_source[row["source"]].append(row)
            groups |= {row["group_id"]} - {None}
    in_turn = zip_longest(*(by_source[source] for source in sorted(by_source)))
    return (row for row in chain.from_iterable(in_turn) if row)


def _gold_sample(
    row: _Row, blobs: BlobStore, verdict: Literal["accept", "reject"], seed: int, *, turn: int
) -> GoldSample | None:
    """A gold sample of the row with the kind of damage that is next in turn and has room; None without any.

    A good mask needs room for damage too: both kinds of gold come from the same kind of photographs.
    """
    try:
        mask = read_mask(blobs, row)
    except UserError:
        return None
    if mask.shape != (row["height"], row["width"]) or not blobs.find(row["image_sha256"]):
        return None
    generator = np.random.default_rng(_number(seed, row["sample_id"]))
    kinds = deque(DAMAGES)
    kinds.rotate(-turn)
    for damage in kinds:
        damaged = damaged_copy(mask, damage, generator)
        if damaged is None:
            continue
        shown = damaged if verdict == "reject" else softened(mask >= PERSON_LEVEL)
        return GoldSample(
            sample_id=row["sample_id"],
            mask_sha256=blobs.put(encode_mask(shown), ".png").sha256,
            image_sha256=row["image_sha256"],
            width=row["width"],
            height=row["height"],
            right_verdict=verdict,
            damage=damage if verdict == "reject" else None,
        )
    return None


def _number(seed: int, sample_id: str) -> int:
    """A random seed from seed and sample_id, the same on every server."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()[:8])
