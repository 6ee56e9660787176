"""Label Studio: tasks with the mask as a prediction, which an annotator sees, corrects and submits.

    tasks.json          per sample the image, its metadata, and one prediction: the mask as a brush stroke
    label_config.xml    the labelling interface of the predictions
    images/<id>.jpg     served by Label Studio from this directory ("local files")
    manifest.json       provenance, also in each task's `meta`

A prediction's score is 1 - doubt, or else the confidence: Label Studio sorts by it, the most doubtful first. An image
without a person has an empty brush stroke: it was checked for a person.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from manifests.exports.options import ExportOptions
from manifests.exports.rows import ExportRow, ExportRows, metadata
from manifests.exports.staging import fresh_directory, json_bytes, put, write_json_list
from manifests.pixels.brush_rle import encode_brush
from manifests.samples.sample import Row

LABEL = "person"
IMAGE_TAG, BRUSH_TAG = "image", "mask"  # names in the labelling interface
LOCAL_FILES = "/data/local-files/?d="  # Label Studio's URL of files below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT
LABEL_CONFIG = f"""<View>
  <Image name="{IMAGE_TAG}" value="$image" zoom="true"/>
  <BrushLabels name="{BRUSH_TAG}" toName="{IMAGE_TAG}">
    <Label value="{LABEL}" background="#2ecc71"/>
  </BrushLabels>
</View>
"""


def export_label_studio(chosen: ExportRows, output: Path, _options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`."""
    with fresh_directory(output) as directory:
        put(directory, "label_config.xml", LABEL_CONFIG.encode())
        put(directory, "manifest.json", json_bytes(chosen.provenance()))
        with (directory / "tasks.json").open("w", encoding="utf-8") as file:
            file.write("[\n")
            write_json_list(file, _tasks(chosen, directory))
            file.write("]\n")


def _tasks(chosen: ExportRows, directory: Path) -> Iterator[dict[str, Any]]:
    """Yield the task of each sample, and copy its image."""
    provenance = chosen.provenance()
    for split in chosen.splits:
        for sample in chosen.samples(split):
            name = f"images/{sample.id}{sample.image_suffix}"
            put(directory, name, sample.image)
            yield {
                "data": {"image": f"{LOCAL_FILES}{name}", **metadata(sample.row)},
                "meta": provenance,
                "predictions": [_prediction(sample)],
            }


def _prediction(sample: ExportRow) -> dict[str, Any]:
    row = sample.row
    region = {
        "id": sample.id[:10],
        "type": "brushlabels",
        "from_name": BRUSH_TAG,
        "to_name": IMAGE_TAG,
        "original_width": row["width"],
        "original_height": row["height"],
        "image_rotation": 0,
        "value": {"format": "rle", "rle": list(encode_brush(sample.person())), "brushlabels": [LABEL]},
    }
    score = _score(row)
    return {
        "model_version": row["teacher"] or row["origin"],
        **({} if score is None else {"score": score}),
        "result": [region],
    }


def _score(row: Row) -> float | None:
    """The more certain, the larger; None when unknown."""
    if row["doubt"] is not None:
        return 1.0 - float(row["doubt"])
    return None if row["confidence"] is None else float(row["confidence"])
