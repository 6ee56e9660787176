"""`import --format ...`: other tools' annotations as trusted pairs for manifests/ground_truth.py.

    coco.py      COCO instances: polygons and RLE of the category person
    cvat.py      CVAT "Segmentation mask 1.1" and PASCAL VOC segmentation: a directory or a zip
    label_studio.py  Label Studio's JSON: brush strokes and polygons
    fiftyone.py  a FiftyOne dataset on disk
    imagefolder.py  Hugging Face imagefolder with masks
    problems.py  what is wrong with a list, told all at once
    json_file.py somebody's JSON file
    inside.py    a name out of a list -> a file that lies in the given directory
    tree.py      the files of a directory or of a zip, by name
    command.py   the options, and what runs them

One module per format; each takes (annotations, images or None, category) and gives `TrustedPair`s, or raises one
UserError that names everything wrong with the list before a pixel is read. Adding a format is one module and one line.
"""

from collections.abc import Callable
from pathlib import Path

from manifests.ground_truth import TrustedPair
from manifests.imports.coco import read_coco
from manifests.imports.cvat import read_cvat
from manifests.imports.fiftyone import read_fiftyone
from manifests.imports.imagefolder import read_imagefolder
from manifests.imports.label_studio import read_label_studio

Reader = Callable[[Path, Path | None, str], list[TrustedPair]]

IMPORTERS: dict[str, Reader] = {
    "coco": read_coco,
    "cvat": read_cvat,
    "voc": read_cvat,
    "label-studio": read_label_studio,
    "fiftyone": read_fiftyone,
    "imagefolder": read_imagefolder,
}
