"""`import --format ...`: other tools' annotations as trusted pairs for manifests/imports/ground_truth.py.

    archive.py          the files of a directory or of a zip, by name
    attributes_file.py  `import --attributes`: a CSV file of attributes by image
    categories.py       the labels that are person: `--category`
    drawn_person.py     annotations of a person that draw no pixel
    error_list.py       the problems of an annotation file, raised as one error
    fiftyone_tags.py    FiftyOne's tags as verdicts: `decide`
    file_finder.py      names in a list -> files, by whole names or by their ends
    ground_truth.py     `import`: trusted image and mask pairs
    json_file.py        a third-party JSON file
    lists.py            lists of pairs: eg1800, baidu
    mended_masks.py     new masks for samples of a dataset
    pairing.py          the pairs of two directories, by stem
    safe_paths.py       a name in a list -> a file inside the given directory
    source_images.py    source images used as blobs unchanged
    two_folders.py      image and mask folders of one layout: easyportrait, aisegment
    formats/            one module per format

A format's reader takes (annotations, images or None, category) and returns `TrustedPair`s, or raises one UserError that
lists every problem before a pixel is read. Adding a format is one module and one line. A format whose masks are the
dataset's own values (0/1, 0/255, labels) is in STORED_VALUES, one with a fixed encoding in ENCODINGS, one without
classes in UNLABELLED.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from manifests.imports.formats.aisegment import read_aisegment
from manifests.imports.formats.baidu import read_baidu
from manifests.imports.formats.coco import read_coco
from manifests.imports.formats.cutouts import read_cutouts
from manifests.imports.formats.cvat import read_cvat
from manifests.imports.formats.easyportrait import read_easyportrait
from manifests.imports.formats.eg1800 import read_eg1800
from manifests.imports.formats.fiftyone import read_fiftyone
from manifests.imports.formats.imagefolder import read_imagefolder
from manifests.imports.formats.label_studio import read_label_studio
from manifests.imports.formats.labelme import read_labelme
from manifests.imports.formats.parquet import read_parquet
from manifests.imports.formats.supervisely import read_supervisely
from manifests.imports.formats.yolo import read_yolo
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.pixels.mask_encoding import MaskEncoding

Reader = Callable[[Path, Path | None, str], Sequence[TrustedPair | LeftOut]]

IMPORTERS: dict[str, Reader] = {
    "aisegment": read_aisegment,
    "baidu": read_baidu,
    "coco": read_coco,
    "cutouts": read_cutouts,
    "cvat": read_cvat,
    "easyportrait": read_easyportrait,
    "eg1800": read_eg1800,
    "fiftyone": read_fiftyone,
    "imagefolder": read_imagefolder,
    "label-studio": read_label_studio,
    "labelme": read_labelme,
    "parquet": read_parquet,
    "supervisely": read_supervisely,
    "voc": read_cvat,
    "yolo": read_yolo,
}
STORED_VALUES = frozenset({"baidu", "eg1800", "fiftyone", "imagefolder", "parquet"})
_OPACITY = MaskEncoding("grey levels")
ENCODINGS = {"aisegment": _OPACITY, "cutouts": _OPACITY, "supervisely": _OPACITY}
UNLABELLED = frozenset({"aisegment", "baidu", "cutouts", "easyportrait", "eg1800", "imagefolder", "parquet"})
