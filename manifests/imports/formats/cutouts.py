"""A directory or zip of cut-out persons -> trusted pairs: each image is its own mask, by its transparency.

The pixels behind the transparency are white in the stored sample: such samples want other backgrounds when they are
trained on (`trainer.fit --backgrounds`). Soft masks, as PhotoMatte85 has them.
"""

from functools import partial
from pathlib import Path, PurePosixPath

from manifests.errors import UserError
from manifests.imports.archive import Tree, open_tree
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import PICTURE_SUFFIXES
from manifests.pixels.mask_values import mask_alpha


def read_cutouts(annotations: Path, images: Path | None, _category: str) -> list[TrustedPair | LeftOut]:
    """The images of `annotations`, by name; one without transparency is skipped when it is read."""
    if images is not None:
        raise UserError("expected no --images with cut-outs, found one; pass their directory as --annotations")
    tree = open_tree(annotations)
    names = sorted(name for name in tree.names if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES)
    if not names:
        raise UserError(f"expected cut-out persons (images with transparency) in {annotations}, found no image")
    return [
        TrustedPair(
            name=name,
            mask_name=f"the transparency of {name}",
            uri=tree.uri(name),
            read_image=partial(tree.read, name),
            read_mask=partial(_opacity, tree, name),
            mask_file=partial(tree.read, name),
        )
        for name in names
    ]


def _opacity(tree: Tree, name: str) -> Pixels:
    return mask_alpha(tree.read(name), name)
