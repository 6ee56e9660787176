"""The list format of the SINet authors' code (clovaai/ext_portrait_segmentation, its `Portrait` set).

    Portrait/train.txt, val.txt           one whole number a line; also test.txt, which their loader doesn't read
    Portrait/images_data_crop/00001.jpg
    Portrait/GT_png/00001_mask.png        0 and 255
    Portrait/metadata.csv, manifest.json  the sample of each number, licences, provenance

Their loader opens train.txt and val.txt, so both are written even for a split without rows.
"""

from pathlib import Path
from typing import get_args

from manifests.errors import UserError
from manifests.exports.metadata_table import metadata_csv
from manifests.exports.options import ExportOptions
from manifests.exports.rows import ExportRow, ExportRows
from manifests.exports.staging import fresh_directory, json_bytes, put, put_parts
from manifests.store.schema import Split

LISTS: tuple[Split, ...] = ("train", "val")  # the lists that their loader opens


def export_authors(chosen: ExportRows, output: Path, _options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`, their code's `data_dir`."""
    with fresh_directory(output) as directory:
        root = directory / "Portrait"
        first = 1  # numbers are unique across the splits
        for split in get_args(Split):
            numbers = range(first, first + chosen.count(split))
            if numbers or split in LISTS:
                put_parts(root, f"{split}.txt", (f"{number}\n".encode() for number in numbers))
            for number, sample in zip(numbers, chosen.samples(split), strict=True):
                _put_sample(root, number, sample)
            first = numbers.stop
        rows = ((_names(number), row) for number, row in enumerate(chosen.all_rows(), 1))
        put_parts(root, "metadata.csv", metadata_csv(rows))
        put(root, "manifest.json", json_bytes(chosen.provenance()))


def _put_sample(root: Path, number: int, sample: ExportRow) -> None:
    if sample.image_suffix != ".jpg":  # the loader derives the name
        raise UserError(f"expected JPEG images for the authors' lists, found {sample.row['image']}")
    names = _names(number)
    put(root, str(names["file_name"]), sample.image)
    put(root, str(names["mask_file_name"]), sample.mask_png())


def _names(number: int) -> dict[str, object]:
    return {
        "number": number,
        "file_name": f"images_data_crop/{number:05d}.jpg",
        "mask_file_name": f"GT_png/{number:05d}_mask.png",
    }
