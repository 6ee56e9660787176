"""A FiftyOne dataset on disk (`fiftyone.types.FiftyOneDataset`) -> trusted pairs: one Segmentation, or Detections.

The masks are those of the field `ground_truth`, or of the only one of its kind. A Segmentation is a file (`mask_path`)
or an array in samples.json (`mask`); the mask targets in metadata.json name the person's values, and without them the
encoding is detected as in other formats. Detections with instance masks are united: each mask covers its bounding box,
scaled as FiftyOne's `to_segmentation` does. Samples without the field, or without a detection of the labels, are left
out and counted; one with a person's box without a mask is `Broken`.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from manifests.errors import UserError
from manifests.imports.categories import chosen_labels
from manifests.imports.error_list import Problems
from manifests.imports.formats.fiftyone_detections import Document, decode_array, encoded_array, read_detections
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.json_file import dicts, read_json, text
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import read_file, source_uri
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import PERSON

MASK_FIELD = "ground_truth"
KINDS = ("Segmentation", "Detections")


def read_fiftyone(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The samples of the directory `annotations` that have a mask, by file name; `category` is a mask target.

    `images` is the directory that relative file names start from, by default the dataset's own. UserError listing
    every problem: images and masks that are missing or lie outside, names listed twice.
    """
    root = images or annotations
    if not root.is_dir():
        raise UserError(f"expected the directory of a FiftyOne dataset at {root}, found none; check the path")
    content = read_json(annotations / "samples.json", "the samples of a FiftyOne dataset")
    samples = dicts(content.get("samples")) if isinstance(content, dict) else []
    if not samples:
        raise UserError(f"expected a list of samples in {annotations / 'samples.json'}, found none")
    field, kind = _mask_field(samples, annotations)
    if kind == "Detections":
        return read_detections(samples, field, annotations, root, category)
    person = _person_values(annotations, field, category)
    problems = Problems()
    pairs: dict[str, TrustedPair] = {}
    without: list[str] = []
    for sample in samples:
        if sample.get(field) is None:
            without.append(str(sample.get("filepath")))
            continue
        pair = _pair(sample, field, person, root, problems)
        if pair and pair.name in pairs:
            problems.add("images listed twice", pair.name)
        elif pair:
            pairs[pair.name] = pair
    problems.check(f"a sound FiftyOne dataset in {annotations}")
    return [*(pairs[name] for name in sorted(pairs)), *left_out({f"samples without {field}": without})]


def _pair(
    sample: Document, field: str, person: frozenset[int] | None, root: Path, problems: Problems
) -> TrustedPair | None:
    """The pair of a sample; None, and a problem named, when something is wrong with it."""
    name = text(sample.get("filepath"))
    if name is None:
        problems.add("samples without a filepath", sample.get("_id"))
        return None
    image = problems.find(root, name)
    label = sample[field]
    mask_name = text(label.get("mask_path")) if isinstance(label, dict) else None
    mask = None
    if mask_name is not None:
        mask = problems.find(root, mask_name, what="masks")
        read = partial(read_mask_values, mask) if mask else None
    elif array := encoded_array(label):
        read = partial(decode_array, array, name)
    else:
        problems.add(f"samples whose {field} has no mask", name)
        read = None
    if image is None or read is None:
        return None
    return TrustedPair(
        name=name,
        mask_name=mask_name or f"{field} of {name}",
        uri=source_uri(image),
        read_image=partial(read_file, image),
        read_mask=read if person is None else partial(_person_alone, read, person),
        mask_file=partial(read_file, mask) if mask else None,
        license=text(sample.get("license")),
        attribution=text(sample.get("attribution")),
    )


def _mask_field(samples: list[Document], annotations: Path) -> tuple[str, str]:
    """The name of the field that holds the masks, and its kind; UserError when it is ambiguous."""
    for kind in KINDS:
        fields = {name for sample in samples for name, value in sample.items() if _is_a(kind, value)}
        if MASK_FIELD in fields or len(fields) == 1:
            return (MASK_FIELD if MASK_FIELD in fields else fields.pop()), kind
        if fields:
            break
    found = ", ".join(sorted(fields)) or f"no field of the type {' or '.join(KINDS)}"
    raise UserError(
        f"expected the masks of {annotations} in the field {MASK_FIELD} or in a single one, found {found}; "
        "export only that field from FiftyOne (select_fields)"
    )


def _is_a(kind: str, value: Any) -> bool:
    return isinstance(value, dict) and value.get("_cls") == kind


def _person_values(annotations: Path, field: str, category: str) -> frozenset[int] | None:
    """The values that mean the category; None when the dataset names no mask targets."""
    metadata = annotations / "metadata.json"
    dataset = read_json(metadata, "the metadata of a FiftyOne dataset")
    if not isinstance(dataset, dict):
        raise UserError(f"expected an object in {metadata}, found something else")
    targets = _targets(dataset.get("mask_targets"), field) or dataset.get("default_mask_targets")
    if not isinstance(targets, dict) or not targets:
        return None
    chosen = chosen_labels(category, list(map(str, targets.values())), metadata, what="mask target")
    values = [value for value, label in targets.items() if str(label).lower() in chosen]
    odd = next((value for value in values if not value.isdecimal()), None)
    if odd is not None:
        raise UserError(f"expected a number as the mask target of {category} in {metadata}, found {odd[:80]!r}")
    return frozenset(map(int, values))


def _targets(by_field: Any, field: str) -> Any:
    return by_field.get(field) if isinstance(by_field, dict) else None


def _person_alone(read: partial[Pixels], person: frozenset[int]) -> Pixels:
    return np.where(np.isin(read(), list(person)), PERSON, 0).astype(np.uint8)
