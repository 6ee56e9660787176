"""`import --format ...`: other tools' annotations as trusted pairs for manifests/ground_truth.py.

    coco.py          COCO instances: polygons and RLE of a category
    cvat.py          CVAT "Segmentation mask 1.1" and PASCAL VOC segmentation: a directory or a zip
    label_studio.py  Label Studio's JSON: brush strokes and polygons
    fiftyone.py      a FiftyOne dataset on disk
    imagefolder.py   Hugging Face imagefolder with masks
    supervisely.py   a Supervisely project: bitmaps and polygons of a class
    easyportrait.py  EasyPortrait: every class but the background
    aisegment.py     AISegment: the transparency of cut-out persons
    eg1800.py        EG1800: lists of names, and two folders
    baidu.py         lists of `image mask`
    two_folders.py   what easyportrait and aisegment share
    lists.py         what eg1800 and baidu share
    problems.py      what is wrong with a list, told all at once
    json_file.py     somebody's JSON file
    inside.py        a name out of a list -> a file that lies in the given directory
    tree.py          the files of a directory or of a zip, by name
    command.py       the options, and what runs them

One module per format; each takes (annotations, images or None, category) and gives `TrustedPair`s, or raises one
UserError that names everything wrong with the list before a pixel is read. Adding a format is one module and one line.
A format whose masks are the dataset's own values (0/1, 0/255, labels) is in STORED_VALUES, one that knows its encoding
in ENCODINGS, one that has no classes to choose from in UNLABELLED.
"""

from collections.abc import Callable
from pathlib import Path

from manifests.ground_truth import TrustedPair
from manifests.imports.aisegment import read_aisegment
from manifests.imports.baidu import read_baidu
from manifests.imports.coco import read_coco
from manifests.imports.cvat import read_cvat
from manifests.imports.easyportrait import read_easyportrait
from manifests.imports.eg1800 import read_eg1800
from manifests.imports.fiftyone import read_fiftyone
from manifests.imports.imagefolder import read_imagefolder
from manifests.imports.label_studio import read_label_studio
from manifests.imports.supervisely import read_supervisely
from manifests.masks import MaskEncoding

Reader = Callable[[Path, Path | None, str], list[TrustedPair]]

IMPORTERS: dict[str, Reader] = {
    "aisegment": read_aisegment,
    "baidu": read_baidu,
    "coco": read_coco,
    "cvat": read_cvat,
    "easyportrait": read_easyportrait,
    "eg1800": read_eg1800,
    "fiftyone": read_fiftyone,
    "imagefolder": read_imagefolder,
    "label-studio": read_label_studio,
    "supervisely": read_supervisely,
    "voc": read_cvat,
}
STORED_VALUES = frozenset({"baidu", "eg1800", "fiftyone", "imagefolder"})
ENCODINGS = {"aisegment": MaskEncoding("grey levels")}
UNLABELLED = frozenset({"aisegment", "baidu", "easyportrait", "eg1800", "imagefolder"})
