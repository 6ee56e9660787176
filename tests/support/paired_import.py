"""An import of two directories of images and masks, as `python -m manifests import` makes it."""

from pathlib import Path
from typing import Any

from manifests.imports.ground_truth import Imported, import_pairs, read_paired
from manifests.store.manifest import ManifestStore


def import_ground_truth(
    store: ManifestStore, *, images: Path, masks: Path, limit: int | None = None, **options: Any
) -> Imported:
    parameters = {"images": str(images), "masks": str(masks)}
    pairs = read_paired(images, masks, skip_broken=options.get("skip_broken", False))
    return import_pairs(store, pairs[:limit], parameters=parameters, **options)
