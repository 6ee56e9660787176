"""`export`: a version of the dataset in the layout of another tool.

    card.py            the dataset card of an imagefolder
    checksums.py       SHA-256 of files, as sha256sum writes and checks them
    croissant.py       its description for machines
    metadata_table.py  metadata.csv
    options.py         what can be chosen about an export, beside its rows
    rows.py            which rows, and their pixels one sample at a time
    staging.py         whole or not at all: a temporary name, renamed at the end
    formats/           one module per format

One module per target; each takes (ExportRows, output, ExportOptions). The same rows give the same bytes, JPEGs are
copied as they are, licence and attribution go along with every row, and nothing is there before all of it is.
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
KEEP_PROBABILITIES = ("folders", "imagefolder", "webdataset")  # the others know person or not

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
    """Write rows of `manifest` to `output` in the format `target`; what was written.

    UserError for an unknown target, for `soft` where the target can't keep it, when no row is chosen, and when
    `output` is there already.
    """
    if target not in EXPORTERS:
        raise UserError(f"expected a format out of {', '.join(EXPORTERS)}, found {target!r}")
    if options.soft and target not in KEEP_PROBABILITIES:
        raise UserError(
            f"expected --soft with a format that keeps probabilities ({', '.join(KEEP_PROBABILITIES)}), found {target}"
        )
    chosen = choose_rows(manifest, split=split, status=status)
    EXPORTERS[target](chosen, output, options)
    return chosen
