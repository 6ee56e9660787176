"""FiftyOne: a directory of the type `fiftyone.types.FiftyOneDataset`, which keeps fields, tags and masks.

    metadata.json                 the dataset: its fields, mask targets, and the provenance as `info`
    samples.json                  the samples: every metadata column as a field, the split as a tag
    data/<id>.jpg
    fields/ground_truth/<id>.png  0 and 255, a `Segmentation` by path

Both files are documents of FiftyOne's database as MongoDB's extended JSON, in the form of FORMAT_VERSION; newer
releases of FiftyOne migrate it on loading.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.exports.options import ExportOptions
from manifests.exports.rows import METADATA_SCHEMA, ExportRow, ExportRows, metadata
from manifests.exports.staging import fresh_directory, json_bytes, put, write_json_list
from manifests.pixels.masks import PERSON

FORMAT_VERSION = "1.0.0"  # of FiftyOne
MASK_FIELD = "ground_truth"  # FiftyOne's own name for the labels of an imported dataset
MASK_TARGETS = {str(PERSON): "person"}

_FIELDS = "fiftyone.core.fields"
_OBJECT_ID_DIGITS = 24
_KINDS = {pa.string(): "StringField", pa.int32(): "IntField", pa.float32(): "FloatField"}

Document = dict[str, Any]


def export_fiftyone(chosen: ExportRows, output: Path, _options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`."""
    with fresh_directory(output) as directory:
        put(directory, "metadata.json", json_bytes(_dataset(chosen)))
        with (directory / "samples.json").open("w", encoding="utf-8") as file:
            file.write('{"samples": [\n')
            write_json_list(file, _samples(chosen, directory))
            file.write("]}\n")


def _samples(chosen: ExportRows, directory: Path) -> Iterator[Document]:
    """Yield the document of each sample, and copy its image and mask."""
    created_at = _date(chosen)
    for split in chosen.splits:
        for sample in chosen.samples(split):
            image, mask = f"data/{sample.id}{sample.image_suffix}", f"fields/{MASK_FIELD}/{sample.id}.png"
            put(directory, image, sample.image)
            put(directory, mask, sample.mask_png())
            yield {
                "_id": _object_id(sample.id),
                "_media_type": "image",
                "_rand": int(sample.id[:8], 16) / 0x1_0000_0000,  # 0..1, FiftyOne's shuffling key
                "filepath": image,
                "tags": [split],
                "metadata": _image_metadata(sample),
                "created_at": created_at,
                "last_modified_at": created_at,
                MASK_FIELD: {
                    "_id": _object_id(sample.id[::-1]),
                    "_cls": "Segmentation",
                    "tags": [],
                    "mask_path": mask,
                },
                **metadata(sample.row),
            }


def _image_metadata(sample: ExportRow) -> Document:
    return {
        "_cls": "ImageMetadata",
        "size_bytes": len(sample.image),
        "mime_type": "image/png" if sample.image_suffix == ".png" else "image/jpeg",
        "width": sample.row["width"],
        "height": sample.row["height"],
        "num_channels": 3,
    }


def _dataset(chosen: ExportRows) -> Document:
    name = f"portraits-v{chosen.manifest.version}"
    return {
        "_id": _object_id(chosen.manifest.digest),
        "name": name,
        "slug": name,
        "version": FORMAT_VERSION,
        "created_at": _date(chosen),
        "last_modified_at": _date(chosen),
        "last_loaded_at": _date(chosen),
        "sample_collection_name": f"samples.{chosen.manifest.digest[:_OBJECT_ID_DIGITS]}",
        "persistent": False,
        "media_type": "image",
        "group_media_types": {},
        "tags": [],
        "info": chosen.provenance(),
        "app_config": {},
        "classes": {},
        "default_classes": [],
        "mask_targets": {MASK_FIELD: MASK_TARGETS},
        "default_mask_targets": MASK_TARGETS,
        "skeletons": {},
        "sample_fields": _sample_fields(),
        "frame_fields": [],
        "saved_views": [],
        "workspaces": [],
        "annotation_runs": {},
        "brain_methods": {},
        "evaluations": {},
        "runs": {},
    }


def _sample_fields() -> list[Document]:
    return [
        _field("id", "ObjectIdField", db_field="_id"),
        _field("filepath", "StringField"),
        _field("tags", "ListField", subfield="StringField"),
        _field("metadata", "EmbeddedDocumentField", document="metadata.ImageMetadata", fields=_image_metadata_fields()),
        _field("_media_type", "StringField"),
        _field("_rand", "FloatField"),
        _field("_dataset_id", "ObjectIdField"),
        _field("created_at", "DateTimeField", read_only=True),
        _field("last_modified_at", "DateTimeField", read_only=True),
        _field(MASK_FIELD, "EmbeddedDocumentField", document="labels.Segmentation", fields=_segmentation_fields()),
        *(_field(column.name, _KINDS[column.type]) for column in METADATA_SCHEMA),
    ]


def _image_metadata_fields() -> list[Document]:
    numbers = [_field(name, "IntField") for name in ("size_bytes", "width", "height", "num_channels")]
    return [*numbers, _field("mime_type", "StringField")]


def _segmentation_fields() -> list[Document]:
    return [
        _field("id", "ObjectIdField", db_field="_id"),
        _field("tags", "ListField", subfield="StringField"),
        _field("mask", "ArrayField"),
        _field("mask_path", "StringField"),
    ]


def _field(
    name: str,
    kind: str,
    *,
    db_field: str | None = None,
    subfield: str | None = None,
    document: str | None = None,
    fields: list[Document] | None = None,
    read_only: bool = False,
) -> Document:
    return {
        "name": name,
        "ftype": f"{_FIELDS}.{kind}",
        "embedded_doc_type": f"fiftyone.core.{document}" if document else None,
        "subfield": f"{_FIELDS}.{subfield}" if subfield else None,
        "fields": fields or [],
        "db_field": db_field or name,
        "description": None,
        "info": None,
        "read_only": read_only,
    }


def _object_id(hex_digits: str) -> Document:
    return {"$oid": hex_digits[:_OBJECT_ID_DIGITS]}


def _date(chosen: ExportRows) -> Document:
    """The manifest's time: the same rows give the same bytes."""
    return {"$date": chosen.manifest.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
