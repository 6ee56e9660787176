"""CVAT "Segmentation mask 1.1" and PASCAL VOC segmentation -> trusted pairs, from a directory or a zip.

`ImageSets/Segmentation/*.txt` list the names, `SegmentationClass/` holds the masks (those that it lacks are in
`SegmentationClassAug/`), `JPEGImages/` the images (CVAT leaves them out by default: then they are in the directory
given as images). All of it may lie in a folder, such as `VOCdevkit/VOC2012/`. `labelmap.txt` names the colours, VOC's
where a line has none; or `class_names.txt` the labels in order (labelme2voc); without both they are PASCAL VOC's. A
mask in colours, or with a palette, is read by colour; one of a single channel by index, in the label map's order. VOC's
void (the outline) is background. "CVAT for images 1.1" (annotations.xml) is read by cvat_images.py.
"""

from functools import partial
from pathlib import Path, PurePosixPath

from manifests.errors import UserError, lines_on
from manifests.imports.archive import Tree, below, open_tree
from manifests.imports.formats.cvat_images import FILE as XML_FILE
from manifests.imports.formats.cvat_images import read_cvat_images
from manifests.imports.formats.voc_labels import LabelMap, class_names, parse_label_map, voc_label_map
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.imports.safe_paths import composed, lines_of, relative_name, text_of
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import PICTURE_SUFFIXES
from manifests.pixels.mask_values import open_mask

_LABEL_MAP, _CLASS_NAMES = "labelmap.txt", "class_names.txt"
_IMAGES, _LISTS = "JPEGImages/", "ImageSets/Segmentation/"
_MASKS, _MORE_MASKS = "SegmentationClass/", "SegmentationClassAug/"  # the second of SBD's annotations in VOC's layout


def read_cvat(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The listed images of a directory or zip, in the order of their names; `category` names the person's labels.

    UserError naming all that is wrong: images and masks that are missing, names that leave the directory.
    """
    if annotations.suffix == ".xml" and annotations.is_file():
        return read_cvat_images(open_tree(annotations.parent), annotations.name, annotations, images, category)
    whole = open_tree(annotations)
    exported = below(whole, XML_FILE)
    if XML_FILE in exported.names:
        return read_cvat_images(exported, XML_FILE, annotations, images, category)
    tree = below(whole, _LISTS)
    label_map = _label_map(tree, category, annotations)
    image_tree, prefix = (open_tree(images), "") if images else (tree, _IMAGES)
    names, outside = _listed_names(tree, annotations)
    image_of, two_images = _by_stem(image_tree, prefix, names)
    mask_of, two_masks = _by_stem(tree, _MASKS, names)
    more_masks, two_more = _by_stem(tree, _MORE_MASKS, [name for name in names if name not in mask_of])
    mask_of, two_masks = {**more_masks, **mask_of}, two_masks + two_more
    problems = {
        "names that can't be used": outside,
        f"images that {images or annotations / _IMAGES} doesn't hold": [name for name in names if name not in image_of],
        f"masks that {annotations / _MASKS} doesn't hold": [name for name in names if name not in mask_of],
        "names that two images have": two_images,
        "names that two masks have": two_masks,
    }
    found = "; ".join(lines_on(problems))
    if found:
        raise UserError(f"expected an image and a mask for each name in {annotations / _LISTS}, found {found}")
    return [
        TrustedPair(
            name=PurePosixPath(image_of[name]).name,
            mask_name=PurePosixPath(mask_of[name]).name,
            uri=image_tree.uri(image_of[name]),
            read_image=partial(image_tree.read, image_of[name]),
            read_mask=partial(_read_mask, tree, mask_of[name], label_map),
            mask_file=partial(tree.read, mask_of[name]),
        )
        for name in names
    ]


def _label_map(tree: Tree, category: str, annotations: Path) -> LabelMap:
    if _LABEL_MAP in tree.names:
        return parse_label_map(_text(tree, _LABEL_MAP, annotations), category)
    if _CLASS_NAMES in tree.names:
        return class_names(_text(tree, _CLASS_NAMES, annotations), category, annotations / _CLASS_NAMES)
    return voc_label_map(category, annotations)


def _listed_names(tree: Tree, annotations: Path) -> tuple[list[str], list[str]]:
    """The names of all lists, sorted, and errors of unusable ones; UserError without a list."""
    lists = [name for name in tree.names if name.startswith(_LISTS) and name.endswith(".txt")]
    if not lists:
        raise UserError(f"expected lists of names in {annotations / _LISTS}, found none; is this a class mask export?")
    names: set[str] = set()
    outside = []
    for file in lists:
        for line in lines_of(_text(tree, file, annotations)):
            name = line.strip().strip('"')  # CVAT quotes names with spaces
            if not name:
                continue
            try:
                names.add(composed(relative_name(name)))
            except UserError as error:
                outside.append(str(error))
    if not names and not outside:
        raise UserError(f"expected names in the lists of {annotations / _LISTS}, found none")
    return sorted(names), outside


def _by_stem(tree: Tree, prefix: str, listed_names: list[str]) -> tuple[dict[str, str], list[str]]:
    """Images under a prefix: name without prefix and suffix -> name, and the listed names that two images have."""
    by_stem: dict[str, str] = {}
    clashes = []
    wanted = set(listed_names)
    for name in tree.names:
        path = PurePosixPath(name)
        if not name.startswith(prefix) or path.suffix.lower() not in PICTURE_SUFFIXES:
            continue
        stem = composed(path.with_suffix("").as_posix().removeprefix(prefix))
        if by_stem.setdefault(stem, name) != name and stem in wanted:
            clashes.append(f"{stem}: {by_stem[stem]}, {name}")
    return by_stem, clashes


def _read_mask(tree: Tree, name: str, label_map: LabelMap) -> Pixels:
    image = open_mask(tree.read(name), name)
    try:
        return label_map.to_mask(image)
    except ValueError as error:
        raise UserError(f"expected a class mask, found {name} ({error})") from error


def _text(tree: Tree, name: str, annotations: Path) -> str:
    return text_of(tree.read(name), str(annotations / name))
