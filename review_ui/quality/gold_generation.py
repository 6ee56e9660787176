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
from manifests.pixels.masks import PERSON_LEVEL, decode_mask, encode_mask
from manifests.store.manifest import Manifest
from review_ui.quality.gold import GoldSample, add_gold, stored_gold
from review_ui.quality.mask_corruption import DAMAGES, damaged_copy, softened

DAMAGED_FRACTION = 0.5  # false accepts are what matters, and a wrong mask in front of one keeps one awake

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
    """See to it that the queue has `count` gold samples, fewer when there are fewer usable ground_truth rows.

    Returns how many were added: 0 when they were there already. Several servers may do this at once: of the same
    rows and seed they make the same masks, and the first to commit them wins. A row whose image or mask can't be
    read is passed over, and so is one whose mask leaves no room for damage. DatabaseAway when the log refuses.
    """
    with log.reading() as connection:
        there = stored_gold(connection)
    if len(there) >= count:
        return 0
    made = _make(manifest, blobs, there, count=count, seed=seed, damaged_fraction=damaged_fraction)
    with log.writing() as connection:
        there = stored_gold(connection)  # another server may have been faster
        known = {sample.sample_id for sample in there}
        added = [sample for sample in made if sample.sample_id not in known][: max(0, count - len(there))]
        add_gold(connection, added)
    return len(added)


def _make(
    manifest: Manifest,
    blobs: BlobStore,
    there: Sequence[GoldSample],
    *,
    count: int,
    seed: int,
    damaged_fraction: float,
) -> list[GoldSample]:
    """The gold samples that are missing, their masks stored."""
    wanted = count - len(there)
    damaged = round(count * damaged_fraction) - sum(sample.right_verdict == "reject" for sample in there)
    order = np.random.default_rng([seed, len(there)]).permutation(wanted)
    verdicts: list[Literal["accept", "reject"]] = ["reject" if place < damaged else "accept" for place in order]
    made: list[GoldSample] = []
    for row in _candidates(manifest, {sample.sample_id for sample in there}, seed):
        if len(made) == wanted:
            break
        sample = _gold_sample(row, blobs, verdicts[len(made)], seed, turn=len(there) + len(made))
        if sample:
            made.append(sample)
    return made


def _candidates(manifest: Manifest, taken: set[str], seed: int) -> Iterator[_Row]:
    """ground_truth rows, one source after the other in turn, in an order that only the seed decides.

    One of each group of near-duplicates: who sees two masks of one photograph compares them.
    """
    table = manifest.read(_COLUMNS)
    rows = table.filter(pc.equal(table["origin"], "ground_truth")).to_pylist()
    groups = {row["group_id"] for row in rows if row["sample_id"] in taken} - {None}
    by_source: dict[str, list[_Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: _number(seed, row["sample_id"])):
        if row["sample_id"] not in taken and row["group_id"] not in groups:
            by_source[row["source"]].append(row)
            groups |= {row["group_id"]} - {None}
    in_turn = zip_longest(*(by_source[source] for source in sorted(by_source)))
    return (row for row in chain.from_iterable(in_turn) if row)


def _gold_sample(
    row: _Row, blobs: BlobStore, verdict: Literal["accept", "reject"], seed: int, *, turn: int
) -> GoldSample | None:
    """With the kind of damage whose turn it is, or the next one for which the mask has room; None without any.

    A good mask without room for damage is none either: both kinds of gold come from the same kind of photographs.
    """
    try:
        mask = decode_mask(blobs.read(row["mask"], row["mask_sha256"]))
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
    """The same on every server; of another seed or sample another one."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()[:8])
