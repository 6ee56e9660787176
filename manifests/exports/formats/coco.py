"""COCO instances: images/<id>.jpg and annotations/instances_<split>.json, one per split.

Each image has one annotation of the category person, with a compressed RLE as segmentation (pycocotools reads it). An
image without a person has one of area 0: it was checked for a person.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from manifests.exports.options import ExportOptions
from manifests.exports.rows import ExportRows, image_suffix, metadata
from manifests.exports.staging import fresh_directory, put, write_json_list
from manifests.pixels.masks import Mask
from manifests.pixels.rle import compress_counts, encode_rle
from manifests.samples.sample import Row
from manifests.store.schema import Split

PERSON_CATEGORY = {"id": 1, "name": "person", "supercategory": "person"}
NOT_STATED = "not stated"  # name of the licence of images without one


def export_coco(chosen: ExportRows, output: Path, _options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`."""
    with fresh_directory(output) as directory:
        first_id = 1  # ids are unique across the splits
        for split in chosen.splits:
            path = directory / f"annotations/instances_{split}.json"
            path.parent.mkdir(exist_ok=True)
            with path.open("w", encoding="utf-8") as file:
                _write_instances(chosen, split, file, first_id, directory)
            first_id += chosen.count(split)


def bounding_box(person: Mask) -> list[int]:
    """x, y, w, h of the person's pixels; zeros without a person."""
    columns, rows = np.flatnonzero(person.any(axis=0)), np.flatnonzero(person.any(axis=1))
    if not len(columns):
        return [0, 0, 0, 0]
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]


def _write_instances(chosen: ExportRows, split: Split, file: TextIO, first_id: int, directory: Path) -> None:
    licenses = _licenses(chosen)
    license_ids = {entry["name"]: entry["id"] for entry in licenses}
    info = {
        "description": f"portraits, split {split}",
        **chosen.provenance(),
        "split": split,
        "rows": chosen.count(split),
    }
    file.write(f'{{"info": {json.dumps(info, ensure_ascii=False)},\n"licenses": {json.dumps(licenses)},\n')
    file.write(f'"categories": {json.dumps([PERSON_CATEGORY])},\n"images": [\n')
    rows = enumerate(chosen.rows(split), first_id)
    write_json_list(file, (_image_entry(row, number, license_ids) for number, row in rows))
    file.write('],\n"annotations": [\n')
    write_json_list(file, _annotations(chosen, split, first_id, directory))
    file.write("]}\n")


def _annotations(chosen: ExportRows, split: Split, first_id: int, directory: Path) -> Iterator[dict[str, Any]]:
    """Yield the annotation of each sample and copy its image, so that its blobs are read once."""
    for number, sample in enumerate(chosen.samples(split), first_id):
        put(directory, f"images/{sample.id}{sample.image_suffix}", sample.image)
        person = sample.person()
        yield {
            "id": number,
            "image_id": number,
            "category_id": PERSON_CATEGORY["id"],
            "iscrowd": 0,
            "area": int(np.count_nonzero(person)),
            "bbox": bounding_box(person),
            "segmentation": {"size": list(person.shape), "counts": compress_counts(encode_rle(person))},
        }


def _image_entry(row: Row, number: int, license_ids: dict[str, int]) -> dict[str, Any]:
    return {
        **metadata(row),
        "id": number,
        "file_name": f"{row['sample_id']}{image_suffix(row)}",
        "license": license_ids[row["license"] or NOT_STATED],
    }


def _licenses(chosen: ExportRows) -> list[dict[str, Any]]:
    names = chosen.distinct("license")
    if chosen.lacks("license"):
        names = [NOT_STATED, *names]
    return [
        {"id": number, "name": name, "url": name if "://" in name else ""}
        for number, name in enumerate(dict.fromkeys(name or NOT_STATED for name in names), 1)
    ]
