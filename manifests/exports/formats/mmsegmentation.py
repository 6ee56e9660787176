"""MMSegmentation: img_dir/<split>/<id>.jpg and ann_dir/<split>/<id>.png of 0 and 1 (person).

`BaseSegDataset` reads it with classes ("background", "person"), img_suffix ".jpg" and reduce_zero_label False.
"""

from pathlib import Path

import numpy as np

from manifests.errors import UserError, listed
from manifests.exports.metadata_table import metadata_csv
from manifests.exports.options import ExportOptions
from manifests.exports.rows import ExportRows, image_suffix
from manifests.exports.staging import fresh_directory, json_bytes, put, put_parts
from manifests.pixels.masks import encode_mask
from manifests.samples.sample import Row

IMAGE_SUFFIX = ".jpg"  # one for all: the dataset's configuration has a single img_suffix


def export_mmsegmentation(chosen: ExportRows, output: Path, _options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`; UserError for images that are no JPEG files."""
    others = [str(row["sample_id"]) for row in chosen.all_rows() if image_suffix(row) != IMAGE_SUFFIX]
    if others:
        raise UserError(
            f"expected images in {IMAGE_SUFFIX} for mmsegmentation, found {listed('others', others)}; import them with "
            "--blobs copy, or export folders"
        )
    with fresh_directory(output) as directory:
        for split in chosen.splits:
            for sample in chosen.samples(split):
                names = _file_names(sample.row)
                put(directory, names["file_name"], sample.image)
                put(directory, names["mask_file_name"], encode_mask(sample.person().astype(np.uint8)))
        put_parts(directory, "metadata.csv", metadata_csv((_file_names(row), row) for row in chosen.all_rows()))
        put(directory, "manifest.json", json_bytes(chosen.provenance()))


def _file_names(row: Row) -> dict[str, str]:
    place = f"{row['split']}/{row['sample_id']}"
    return {"file_name": f"img_dir/{place}{image_suffix(row)}", "mask_file_name": f"ann_dir/{place}.png"}
