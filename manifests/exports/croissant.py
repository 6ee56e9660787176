"""croissant.json: an imagefolder's machine-readable description, in MLCommons' Croissant 1.1 (JSON-LD).

It has the files with sizes and SHA-256, the rows' licences, the provenance of images and masks (Croissant's RAI
vocabulary), and three record sets: `portraits` (the metadata, a row each), `images` and `masks`, whose `sample_id`
refers to a portrait's. The digest of every image is in SHA256SUMS, whose own digest is here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.exports.checksums import CHECKSUMS, file_sha256
from manifests.exports.rows import METADATA_SCHEMA, ExportRows

METADATA = "metadata.parquet"

_TYPES = {pa.string(): "sc:Text", pa.int32(): "sc:Integer", pa.float32(): "sc:Float"}
_PARQUET, _TEXT, _MARKDOWN, _JPEG, _PNG = (
    "application/x-parquet", "text/plain", "text/markdown", "image/jpeg", "image/png",
)  # fmt: skip
_CROISSANT_TERMS = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject",
    "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator",
    "source", "subField", "transform",
)  # fmt: skip

Node = dict[str, Any]


def croissant(chosen: ExportRows, directory: Path, metadata_files: list[str], *, soft: bool) -> Node:
    """The description of the imagefolder in `directory`, which is complete except for this file."""
    manifest = chosen.manifest
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": f"portraits-v{manifest.version}",
        "description": _description(chosen, soft=soft),
        "license": chosen.distinct("license") or ["not stated"],
        "version": f"{manifest.version}.0.0",
        "datePublished": manifest.created_at.isoformat(),
        "citeAs": f"{manifest.path.name}, SHA-256 {manifest.digest}, written by maskfoundry {manifest.code_version}",
        **_collection(chosen),
        "distribution": _distribution(directory, metadata_files),
        "recordSet": [_portraits(), _images("images", "jpg"), _images("masks", "png")],
    }


def _context() -> Node:
    """Croissant's standard context."""
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "conformsTo": "dct:conformsTo",
        "name": {"@container": "@language"},
        "description": {"@container": "@language"},
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        **{term: f"cr:{term}" for term in _CROISSANT_TERMS},
    }


def _description(chosen: ExportRows, *, soft: bool) -> str:
    masks = "0..255 = person probability" if soft else "255 = person, 0 = background"
    splits = ", ".join(f"{chosen.count(split)} {split}" for split in chosen.splits)
    return f"{len(chosen)} portraits ({splits}), each with a person mask, a PNG of its size: {masks}."


def _collection(chosen: ExportRows) -> Node:
    """The rows' recorded provenance, in Croissant's RAI vocabulary."""
    teachers = chosen.distinct("teacher")
    votes = [chosen.total(name) for name in ("votes_accept", "votes_reject")]
    masks = [
        f"{entry['rows']} {'mask' if entry['rows'] == 1 else 'masks'}: {_ORIGINS[entry['origin']]}"
        for entry in chosen.counts_by("origin").sort_by("origin").to_pylist()
    ]
    by_policy = sum(each["rows"] for each in chosen.counts_by("by_policy").to_pylist() if each["by_policy"])
    seen = f"each mask but {by_policy}, which a policy accepted without a look," if by_policy else "each mask"
    review = f"Reviewers look at {seen} over its image; {votes[0]} accepts and {votes[1]} rejects stand."
    collection = {
        "rai:dataCollection": f"Images of the sources {', '.join(chosen.distinct('source'))}; origin, licence and "
        "attribution of each image are columns of its row.",
        "rai:dataAnnotationProtocol": [*masks, review],
        "rai:dataPreprocessingProtocol": [
            "Images are 8-bit sRGB, turned upright, without metadata, and cut to the ROI that the row names.",
            "Perceptual hashes group near-duplicates; a group lies in one split.",
        ],
        "rai:personalSensitiveInformation": ["The images show people's faces."],
    }
    return collection | ({"rai:machineAnnotationTools": teachers} if teachers else {})


_ORIGINS = {
    "ground_truth": "imported as ground truth, trusted without review",
    "face_crop": "ground truth of larger images, cropped around the face",
    "teacher": "proposed by a teacher model",
    "edited": "repaired by a reviewer",
}


def _distribution(directory: Path, metadata_files: list[str]) -> list[Node]:
    kinds = {"README.md": _MARKDOWN, CHECKSUMS: _TEXT} | dict.fromkeys(metadata_files, _PARQUET)
    return [
        *(_file(directory, name, kind) for name, kind in kinds.items()),
        _file_set("metadata", f"*/{METADATA}", _PARQUET),
        _file_set("image-files", "*/images/*.jpg", _JPEG),
        _file_set("mask-files", "*/masks/*.png", _PNG),
    ]


def _file(directory: Path, name: str, kind: str) -> Node:
    path = directory / name
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": kind,
        "sha256": file_sha256(path),
    }


def _file_set(name: str, includes: str, kind: str) -> Node:
    return {"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": kind, "includes": includes}


def _portraits() -> Node:
    columns = (("file_name", "sc:Text"), ("mask_file_name", "sc:Text"), *_metadata_types())
    return {
        "@type": "cr:RecordSet",
        "@id": "portraits",
        "name": "portraits",
        "key": {"@id": "portraits/sample_id"},
        "field": [
            _field("portraits", name, kind, {"fileSet": {"@id": "metadata"}, "extract": {"column": name}})
            for name, kind in columns
        ],
    }


def _metadata_types() -> Iterator[tuple[str, str]]:
    return ((column.name, _TYPES[column.type]) for column in METADATA_SCHEMA)


def _images(name: str, suffix: str) -> Node:
    """The record set `images` or `masks`: sample id, and pixels."""
    files = {"fileSet": {"@id": f"{name.removesuffix('s')}-files"}}
    by_name = {
        **files,
        "extract": {"fileProperty": "filename"},
        "transform": {"regex": rf"^([0-9a-f]+)(?:\.{suffix})?$"},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/sample_id"},
        "field": [
            {**_field(name, "sample_id", "sc:Text", by_name), "references": {"field": {"@id": "portraits/sample_id"}}},
            _field(name, name.removesuffix("s"), "sc:ImageObject", {**files, "extract": {"fileProperty": "content"}}),
        ],
    }


def _field(record_set: str, name: str, kind: str, source: Node) -> Node:
    return {"@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name, "dataType": kind, "source": source}
