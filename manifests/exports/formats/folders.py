"""Plain folders: images/<id>.jpg, masks/<id>.png (0 and 255, or the stored probabilities), metadata.csv.

`python -m manifests import --images OUTPUT/images --masks OUTPUT/masks` reads them back.
"""

from pathlib import Path

from manifests.exports.metadata_table import metadata_csv
from manifests.exports.options import ExportOptions
from manifests.exports.rows import ExportRows, file_names
from manifests.exports.staging import fresh_directory, json_bytes, put, put_parts


def export_folders(chosen: ExportRows, output: Path, options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`."""
    with fresh_directory(output) as directory:
        for split in chosen.splits:
            for sample in chosen.samples(split):
                names = file_names(sample.row)
                put(directory, names["file_name"], sample.image)
                put(directory, names["mask_file_name"], sample.mask_png(options))
        put_parts(directory, "metadata.csv", metadata_csv((file_names(row), row) for row in chosen.all_rows()))
        put(directory, "manifest.json", json_bytes(chosen.provenance()))
