"""YOLO segmentation: images/<split>/<id>.jpg, labels/<split>/<id>.txt and data.yaml, for Ultralytics.

One line a connected piece of the person: `0 x1 y1 x2 y2 ...` in shares of the sides, along the pixels' edges. A hole is
joined to the outline by a line there and back, since the format has none. An image without a person has an empty file.
"""

from collections.abc import Sequence
from pathlib import Path

from manifests.exports.metadata_table import metadata_csv
from manifests.exports.options import ExportOptions
from manifests.exports.rows import ExportRows, image_suffix
from manifests.exports.staging import fresh_directory, json_bytes, put, put_parts
from manifests.pixels.masks import Mask
from manifests.pixels.outlines import outlines
from manifests.samples.sample import Row
from manifests.store.schema import Split

_DIGITS = 6  # of a share: a hundredth of a pixel at 10,000 pixels


def export_yolo(chosen: ExportRows, output: Path, _options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`."""
    with fresh_directory(output) as directory:
        for split in chosen.splits:
            for sample in chosen.samples(split):
                person = sample.person()
                put(directory, _image_name(sample.row), sample.image)
                put(directory, f"labels/{split}/{sample.id}.txt", label_lines(person).encode())
        put(directory, "data.yaml", _data_yaml(chosen.splits).encode())
        names = (({"file_name": _image_name(row)}, row) for row in chosen.all_rows())
        put_parts(directory, "metadata.csv", metadata_csv(names))
        put(directory, "manifest.json", json_bytes(chosen.provenance()))


def label_lines(person: Mask) -> str:
    """bool (H, W) -> a line for each connected piece; empty without a person."""
    height, width = person.shape
    lines = []
    for outline in outlines(person):
        shares = outline / (width, height)
        lines.append(" ".join(["0", *(f"{share:.{_DIGITS}g}" for share in shares.ravel())]) + "\n")
    return "".join(lines)


def _data_yaml(splits: Sequence[Split]) -> str:
    """The splits' folders, from the file's own; a comment marks one that stands for a missing `train` or `val`."""
    stand_ins = [
        f"{needed}: images/{splits[0]}  # this version has no split {needed}"
        for needed in ("train", "val")
        if needed not in splits
    ]
    lines = [*(f"{split}: images/{split}" for split in splits), *stand_ins, "names:", "  0: person"]
    return "".join(f"{line}\n" for line in lines)


def _image_name(row: Row) -> str:
    return f"images/{row['split']}/{row['sample_id']}{image_suffix(row)}"
