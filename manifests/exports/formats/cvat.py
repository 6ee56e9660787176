"""CVAT "Segmentation mask 1.1", PASCAL VOC's layout with a label map: a zip to upload, or a directory.

labelmap.txt                          background and person, with their colours
JPEGImages/<id>.jpg
SegmentationClass/<id>.png            palette PNG: index 1, in the person's colour, is person
ImageSets/Segmentation/<split>.txt    the ids of a split
metadata.csv, manifest.json           licences and provenance; CVAT ignores them
"""

import io
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from manifests.errors import UserError
from manifests.exports.metadata_table import metadata_csv
from manifests.exports.options import ExportOptions
from manifests.exports.rows import ExportRows, image_suffix
from manifests.exports.staging import fresh_directory, json_bytes, put_parts
from manifests.files.atomic import write_exclusive
from manifests.pixels.masks import Mask
from manifests.samples.sample import Row

PERSON_RGB = (192, 128, 128)  # PASCAL VOC's colour of person
LABELMAP = f"# label:color_rgb:parts:actions\nbackground:0,0,0::\nperson:{','.join(map(str, PERSON_RGB))}::\n"

Write = Callable[[str, Iterable[bytes]], None]  # a name inside the export, and the file's bytes in parts

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # fixed (the earliest possible): the same rows give the same bytes
_ZIP_MODE = 0o644


def export_cvat(chosen: ExportRows, output: Path, _options: ExportOptions) -> None:
    """Write the chosen rows to the new zip `output` if its name ends in .zip, else to a new directory."""
    if output.suffix.lower() == ".zip":
        _export_zip(chosen, output)
        return
    with fresh_directory(output) as directory:
        _fill(chosen, lambda name, parts: put_parts(directory, name, parts))


def class_png(person: Mask) -> bytes:
    """bool (H, W) -> palette PNG: 0 black, 1 in the person's colour."""
    image = Image.fromarray(person.astype(np.uint8), "L")
    image.putpalette([0, 0, 0, *PERSON_RGB])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _export_zip(chosen: ExportRows, output: Path) -> None:
    def write_zip(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            _fill(chosen, partial(_write_entry, archive))

    exists = UserError(f"expected a new file at {output}, found an existing one; choose another name")
    if output.exists():
        raise exists
    try:
        write_exclusive(output, write_zip)
    except FileExistsError as error:
        raise exists from error


def _write_entry(archive: zipfile.ZipFile, name: str, parts: Iterable[bytes]) -> None:
    entry = zipfile.ZipInfo(name, _ZIP_DATE)  # uncompressed: images don't get smaller
    entry.external_attr = _ZIP_MODE << 16
    with archive.open(entry, "w", force_zip64=True) as file:  # metadata.csv has any size
        file.writelines(parts)


def _fill(chosen: ExportRows, write: Write) -> None:
    write("labelmap.txt", [LABELMAP.encode()])
    for split in chosen.splits:
        for sample in chosen.samples(split):
            names = _file_names(sample.row)
            write(names["file_name"], [sample.image])
            write(names["mask_file_name"], [class_png(sample.person())])
        write(f"ImageSets/Segmentation/{split}.txt", chosen.ids(split))
    write("metadata.csv", metadata_csv((_file_names(row), row) for row in chosen.all_rows()))
    write("manifest.json", [json_bytes(chosen.provenance())])


def _file_names(row: Row) -> dict[str, str]:
    sample_id = row["sample_id"]
    return {
        "file_name": f"JPEGImages/{sample_id}{image_suffix(row)}",
        "mask_file_name": f"SegmentationClass/{sample_id}.png",
    }
