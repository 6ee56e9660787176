"""EG1800, the portraits of PortraitNet and SINet -> trusted pairs: lists of names, images and masks in two folders.

    eg1800_train.txt, eg1800_test.txt   00001.png a line       Images/00001.png            Labels/00001.png
    train.txt, val.txt                  1 a line               images_data_crop/00001.jpg  GT_png/00001_mask.png

The first is PortraitNet's (github.com/dong-x16/PortraitNet), where 1 is person and higher values are background; the
second is that of SINet's authors (github.com/clovaai/ext_portrait_segmentation), which `export authors` writes. Lines
of two names, `image mask`, are accepted as well.
"""

from functools import partial
from pathlib import Path, PurePosixPath

from manifests.errors import UserError
from manifests.imports.ground_truth import TrustedPair
from manifests.imports.lists import Candidates, Line, list_directory, read_list

FOLDERS = {("Images", "Labels"): "", ("images_data_crop", "GT_png"): "_mask"}  # (images, masks) -> end of a mask's stem

_SUFFIXES = ("", ".png", ".jpg", ".jpeg")


def read_eg1800(annotations: Path, images: Path | None, category: str) -> list[TrustedPair]:
    """The pairs of a list, or of a directory's lists; `images` holds the two folders, by default beside the list."""
    root = images or list_directory(annotations)
    for folders, ending in FOLDERS.items():
        if all((root / folder).is_dir() for folder in folders):
            return read_list(annotations, root, partial(_candidates, *folders, ending))
    known = " or ".join(" and ".join(folders) for folders in FOLDERS)
    raise UserError(f"expected the folders {known} in {root}, found neither; pass their directory as --images")


def _candidates(images: str, masks: str, ending: str, line: Line) -> Candidates:
    if len(line) == 2:
        image, mask = line
        return [f"{images}/{image}", image], [f"{masks}/{mask}", mask]
    name = f"{int(line[0]):05d}" if line[0].isdecimal() else line[0]
    stem = PurePosixPath(name).with_suffix("").as_posix() if PurePosixPath(name).suffix else name
    return [f"{images}/{name}{suffix}" for suffix in _SUFFIXES], [f"{masks}/{stem}{ending}.png"]
