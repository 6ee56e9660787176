"""`export`: a version of the dataset in the layout of another tool.

    card.py            the dataset card of an imagefolder
    checksums.py       SHA256SUMS
    croissant.py       croissant.json of an imagefolder
    hub.py             `export --push`: an export as a dataset on the Hugging Face hub
    metadata_table.py  metadata.csv
    options.py         options of an export, except its rows
    rows.py            the exported rows, and their pixels one sample at a time
    sorted_rows.py     rows in another order, a part at a time
    staging.py         writes an export whole or not at all
    formats/           one module per format

A format's function takes (ExportRows, output, ExportOptions). The same rows give the same bytes, image files are copied
unchanged, every row has its licence and attribution, and an export appears only when it is complete.
"""

from collections.abc import Callable
from pathlib import Path

from manifests.errors import UserError
from manifests.exports.formats.authors import export_authors
from manifests.exports.formats.coco import export_coco
from manifests.exports.formats.cvat import export_cvat
from manifests.exports.formats.fiftyone import export_fiftyone
from manifests.exports.formats.folders import export_folders
from manifests.exports.formats.imagefolder import export_imagefolder
from manifests.exports.formats.label_studio import export_label_studio
from manifests.exports.formats.mmsegmentation import export_mmsegmentation
from manifests.exports.formats.webdataset import export_webdataset
from manifests.exports.formats.yolo import export_yolo
from manifests.exports.options import BINARY, ExportOptions
from manifests.exports.rows import ExportRows, StatusOrAll, choose_rows
from manifests.pixels.masks import PERSON
from manifests.store.manifest import Manifest
from manifests.store.training_rows import SplitOrAll

Exporter = Callable[[ExportRows, Path, ExportOptions], None]

EXPORTERS: dict[str, Exporter] = {
    "folders": export_folders,
    "coco": export_coco,
    "imagefolder": export_imagefolder,
    "cvat": export_cvat,
    "webdataset": export_webdataset,
    "authors": export_authors,
    "label-studio": export_label_studio,
    "fiftyone": export_fiftyone,
    "yolo": export_yolo,
    "mmsegmentation": export_mmsegmentation,
}
KEEP_PROBABILITIES = ("folders", "imagefolder", "webdataset")  # the others' masks are binary
CHOOSE_PERSON_VALUE = KEEP_PROBABILITIES  # the others' values are those of their tools


def export_version(
    manifest: Manifest,
    target: str,
    output: Path,
    *,
    split: SplitOrAll = "all",
    status: StatusOrAll = "accepted",
    options: ExportOptions = BINARY,
) -> ExportRows:
    """Write rows of `manifest` to `output` in the format `target`; return them, for their counts.

    UserError for an unknown target, for options that don't go with the target, without rows, and when `output` exists.
    """
    if target not in EXPORTERS:
        raise UserError(f"expected a format of {', '.join(EXPORTERS)}, found {target!r}")
    if options.soft and target not in KEEP_PROBABILITIES:
        raise UserError(
            f"expected --soft with a format that keeps probabilities ({', '.join(KEEP_PROBABILITIES)}), found {target}"
        )
    if options.person_value != PERSON and (options.soft or target not in CHOOSE_PERSON_VALUE):
        raise UserError(
            f"expected --person-value with a format of binary masks ({', '.join(CHOOSE_PERSON_VALUE)} without --soft), "
            f"found {target}{' with --soft' if options.soft else ''}"
        )
    with choose_rows(manifest, split=split, status=status) as rows:
        EXPORTERS[target](rows, output, options)
    return rows
