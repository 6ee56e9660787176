"""Tags of the samples of a FiftyOne dataset that `export fiftyone` wrote -> verdicts on the masks it held.

FiftyOne keeps `sample_id` and `mask_sha256` as fields of each sample, so a tag names one exact mask, in whatever order,
selection or directory the dataset was exported again.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.decisions.decision import MaskKey
from manifests.decisions.tagged import TaggedMask
from manifests.errors import UserError, listed
from manifests.imports.json_file import dicts, read_json, text

SAMPLES = "samples.json"

_SAMPLE_ID, _DIGEST = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class VerdictTags:
    """The tag that accepts a mask, and the one that rejects it."""

    accept: str = "accept"
    reject: str = "reject"


def read_fiftyone_tags(directory: Path, tags: VerdictTags) -> list[TaggedMask]:
    """The masks with one of the two tags; other samples are left out.

    UserError listing samples with both tags and samples that `export fiftyone` didn't write, and when no sample has
    either tag.
    """
    content = read_json(directory / SAMPLES, "the samples of a FiftyOne dataset")
    samples = dicts(content.get("samples")) if isinstance(content, dict) else []
    if not samples:
        raise UserError(f"expected a list of samples in {directory / SAMPLES}, found none")
    both, foreign, seen = list[str](), list[str](), set[str]()
    masks: dict[MaskKey, TaggedMask] = {}
    for sample in samples:
        own = sample.get("tags")
        seen |= set(map(str, own)) if isinstance(own, list) else set()
        chosen = [tag for tag in (tags.accept, tags.reject) if isinstance(own, list) and tag in own]
        name = text(sample.get("filepath")) or str(sample.get("_id"))
        if len(chosen) == 2:
            both.append(name)
        elif chosen and (key := _key(sample)) is None:
            foreign.append(name)
        elif chosen and key:
            mask = TaggedMask(*key, "accept" if chosen == [tags.accept] else "reject")
            if masks.setdefault(key, mask) != mask:
                both.append(name)
    if both:
        raise UserError(f"expected {tags.accept} or {tags.reject} on a sample, found both on {listed('samples', both)}")
    if foreign:
        raise UserError(
            "expected samples that `manifests export fiftyone` wrote, with sample_id and mask_sha256, found "
            f"{listed('tagged samples without them', foreign)}; tag an export of this dataset"
        )
    if not masks:
        others = ", ".join(sorted(seen)[:10]) or "no tags"
        raise UserError(
            f"expected samples with the tag {tags.accept} or {tags.reject} in {directory / SAMPLES}, found {others}; "
            "name the tags with --accept-tag and --reject-tag"
        )
    return list(masks.values())


def _key(sample: dict[str, Any]) -> MaskKey | None:
    """The sample's id and its mask's digest; None unless both are hex digits of their length."""
    sample_id, mask_sha256 = text(sample.get("sample_id")), text(sample.get("mask_sha256"))
    if sample_id is None or mask_sha256 is None:
        return None
    return (sample_id, mask_sha256) if _SAMPLE_ID.fullmatch(sample_id) and _DIGEST.fullmatch(mask_sha256) else None
