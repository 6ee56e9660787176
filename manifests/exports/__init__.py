"""`export`: a version of the dataset in the layout of another tool.

    card.py            the dataset card of an imagefolder
    checksums.py       SHA256SUMS
    croissant.py       croissant.json of an imagefolder
    metadata_table.py  metadata.csv
    options.py         options of an export, except its rows
    rows.py            the exported rows, and their pixels one sample at a time
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
from manifests.exports.formats.webdataset import export_webdataset
from manifests.exports.options import ExportOptions
from manifests.exports.rows import ExportRows, StatusOrAll, choose_rows
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
}
KEEP_PROBABILITIES = ("folders", "imagefolder", "webdataset")  # the others' masks are binary

_DEFAULTS = ExportOptions()


def export_version(
    manifest: Manifest,
    target: str,
    output: Path,
    *,
    split: SplitOrAll = "all",
    status: StatusOrAll = "accepted",
    options: ExportOptions = _DEFAULTS,
) -> ExportRows:
    """Write rows of `manifest` to `output` in the format `target`, and return them.

    UserError for an unknown target, for `soft` with a target of binary masks, without rows, and when `output` exists.
    """
    if target not in EXPORTERS:
        raise UserError(f"expected a format of {', '.join(EXPORTERS)}, found {target!r}")
    if options.soft and target not in KEEP_PROBABILITIES:
        raise UserError(
            f"expected --soft with a format that keeps probabilities ({', '.join(KEEP_PROBABILITIES)}), found {target}"
        )
    rows = choose_rows(manifest, split=split, status=status)
    EXPORTERS[target](rows, output, options)
    return rows
